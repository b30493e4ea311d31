"""Whole recordings, brought from this host's disk into the store that every host reads.

The disk is the queue: what lies there whole is still to be stored, also what a process left that was killed.
"""

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.results import without_recording
from outdial.db.trouble import tell_trouble
from outdial.live.recordings import call_of
from outdial.live.removals import remove_from_store
from outdial.logs import Seldom
from outdial.recordings.errors import StoreUnreachable
from outdial.recordings.recordings import Recordings

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
REST_S = 15.0  # when the store can't be reached
AT_ONCE = 4  # uploads
TOGETHER = 100  # recordings whose calls are asked for


async def keep_storing(engine: AsyncEngine, recordings: Recordings) -> None:
    """Until cancelled."""
    seldom = Seldom()
    while True:
        rest_s = LOOK_EVERY_S
        try:
            await store_finished(engine, recordings)
            await remove_from_store(engine, recordings)
        except StoreUnreachable as error:
            rest_s = REST_S
            if times := seldom.again():
                logger.warning("Recordings not stored; trying again", extra={"reason": str(error), "times": times})
        except Exception as error:
            tell_trouble(engine, logger, "Recordings not stored; trying again", error)
        await asyncio.sleep(rest_s)


async def store_finished(engine: AsyncEngine, recordings: Recordings) -> int:
    """Those that their calls know of: the others are entered first, from this disk. How many they were.

    Raises StoreUnreachable, when the others that were under way are through.
    """
    finished = await asyncio.to_thread(lambda: list(recordings.finished()))
    stored = 0
    for first in range(0, len(finished), TOGETHER):
        some = {recording: call_of(Path(recording)) for recording in finished[first:][:TOGETHER]}
        unknown = await without_recording(engine, set(some.values()))
        known = [recording for recording, call_id in some.items() if call_id not in unknown]
        for place in range(0, len(known), AT_ONCE):
            await _take(recordings, known[place:][:AT_ONCE])
        await _forget_erased(engine, recordings, known)
        stored += len(known)
    return stored


async def _take(recordings: Recordings, some: Collection[str]) -> None:
    outcomes = await asyncio.gather(*map(recordings.take, some), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _forget_erased(engine: AsyncEngine, recordings: Recordings, stored: Collection[str]) -> None:
    """What was erased while it was on its way, and may be in the store only since whoever erased it looked there."""
    calls = {call_of(Path(recording)): recording.split("/")[1] for recording in stored}
    for call_id in await without_recording(engine, set(calls)):
        await recordings.remove(calls[call_id], {call_id})
