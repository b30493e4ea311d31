"""Whole recordings, brought from this host's disk into the store that every host reads.

The disk is the queue: what lies there whole is still to be stored, also what a process left that was killed.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.results import with_recording
from outdial.db.trouble import tell_trouble
from outdial.live.removals import remove_from_store
from outdial.logs import Seldom
from outdial.recordings.errors import StoreUnreachable
from outdial.recordings.recordings import Recordings, call_of

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
            await remove_from_store(engine, recordings)
            await store_finished(engine, recordings)
        except StoreUnreachable as error:
            rest_s = REST_S
            if times := seldom.again():
                logger.warning("Recordings not stored; trying again", extra={"reason": str(error), "times": times})
        except Exception as error:
            tell_trouble(engine, logger, "Recordings not stored; trying again", error)
        await asyncio.sleep(rest_s)


async def store_finished(engine: AsyncEngine, recordings: Recordings) -> int:
    """Those that their calls know of: others are entered first, from this disk, or were erased and go from it. How many
    they were.

    Raises StoreUnreachable, when the others that were under way are through.
    """
    finished = await asyncio.to_thread(lambda: list(recordings.finished()))
    stored = 0
    for first in range(0, len(finished), TOGETHER):
        some = {recording: call_of(Path(recording)) for recording in finished[first:][:TOGETHER]}
        known = await with_recording(engine, set(some.values()))
        wanted = [recording for recording, call_id in some.items() if call_id in known]
        there = []
        for place in range(0, len(wanted), AT_ONCE):
            there += await _put(recordings, wanted[place:][:AT_ONCE])
        await _let_go(engine, recordings, there)
        stored += len(there)
    return stored


async def _put(recordings: Recordings, some: Sequence[str]) -> list[str]:
    """Those that are in the store now."""
    outcomes = await asyncio.gather(*map(recordings.put, some), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [recording for recording, is_there in zip(some, outcomes, strict=True) if is_there]


async def _let_go(engine: AsyncEngine, recordings: Recordings, stored: Sequence[str]) -> None:
    """But for what was erased while it was on its way, and may be in the store only since whoever erased it looked
    there: that goes from the store. It stays on this disk until its removal finds it there (`removals.py`)."""
    known = await with_recording(engine, {call_of(Path(recording)) for recording in stored})
    for recording in stored:
        if (call_id := call_of(Path(recording))) in known:
            await recordings.let_go(recording)
        else:
            await recordings.remove(recording.split("/")[1], {call_id})
