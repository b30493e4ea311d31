"""What processes have left behind that died: results and journals in their spools, and recordings."""

import asyncio
import json
import logging
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import is_away
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.live.brought import deliver
from outdial.live.recordings import enter_unknown, finish_recordings, finished
from outdial.live.removals import Removals
from outdial.live.spool import FOLDER, left_behind

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0
AT_START_S = 10.0  # before anything else is done


async def deliver_at_start(engine: AsyncEngine, data_dir: Path) -> None:
    """Before anybody takes the calls of a dead process for lost. What can't be delivered now is later."""
    try:
        async with asyncio.timeout(AT_START_S):
            await deliver_left(engine, data_dir)
    except Exception:
        logger.exception("Results of dead processes not delivered; trying again")


async def keep_taking_in(engine: AsyncEngine, data_dir: Path, wake: Wake) -> None:
    """Until cancelled: now and then, and when woken. Recordings their calls don't know are looked for once, and those
    that were erased go."""
    unknown_are_entered, removals = False, Removals(engine, data_dir)
    while True:
        try:
            if await deliver_left(engine, data_dir) + await finish_recordings(engine, data_dir):
                removals.begin_again()
            await removals.remove()
            if not unknown_are_entered:
                await enter_unknown(engine, data_dir)
                unknown_are_entered = True
        except Exception as error:
            tell_trouble(engine, logger, "Work of dead processes not taken in; trying again", error)
        await wake.wait(LOOK_EVERY_S)


async def deliver_left(engine: AsyncEngine, data_dir: Path) -> int:
    """Deliver the files of dead processes; how many that were. One that can't be delivered keeps no other waiting.

    Raises what the database raises when it is away: what is left is found again.
    """
    delivered = 0
    for folder in sorted(path for path in (data_dir / FOLDER).glob("*") if path.is_dir()):
        with left_behind(folder) as files:
            for file in files or ():
                delivered += await _deliver(engine, data_dir, file)
    return delivered


async def _deliver(engine: AsyncEngine, data_dir: Path, file: Path) -> bool:
    fields = {"file": file.stem}
    try:
        content = json.loads(await asyncio.to_thread(file.read_text, encoding="utf-8"))
        if content["result"] is not None:
            content["result"]["recording"] = await asyncio.to_thread(finished, data_dir, content["result"]["recording"])
        await deliver(engine, content)
    except Exception as error:
        if is_away(error) and not isinstance(error, OSError):
            raise
        logger.exception("Result of a dead process not delivered", extra=fields)
        return False
    await asyncio.to_thread(file.unlink, missing_ok=True)
    logger.info("Result of a dead process delivered", extra=fields)
    return True
