"""Recordings that a process left behind when it died: made whole, and entered into their calls.

A recording that grows is written to every second, so one that wasn't for a while has nobody who writes it. Should
somebody write it after all (his network stood still), no harm is done: he goes on writing to the same file.
"""

import asyncio
import logging
import time
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.tables import calls
from outdial.media.recording import repair

logger = logging.getLogger(__name__)

FOLDER = "recordings"   # under the data directory
UNTOUCHED_S = 10.0


async def finish_recordings(engine: AsyncEngine, data_dir: Path) -> int:
    """Finish what nobody writes any more; how many recordings that were. Never raises for what is on the disk."""
    finished = await asyncio.to_thread(_repair_untouched, data_dir / FOLDER)
    for path in finished:
        await _enter(engine, path.name.removesuffix(".wav").partition("-")[0], str(path.relative_to(data_dir)))
    return len(finished)


async def _enter(engine: AsyncEngine, call_id: str, recording: str) -> None:
    """A call of several attempts keeps its newest recording; the names sort by age."""
    async with engine.begin() as conn:
        known = await conn.scalar(select(calls.c.recording).where(calls.c.id == call_id).with_for_update())
        if known is None or _age(known) <= _age(recording):
            await conn.execute(update(calls).where(calls.c.id == call_id).values(recording=recording))
    logger.info("Recording of a dead process finished", extra={"call_id": call_id})


def _age(recording: str) -> int:
    """The number of turns before it, which is in the name when there were any."""
    turns = Path(recording).stem.partition("-")[2]
    return int(turns) if turns.isdecimal() else 0


def _repair_untouched(folder: Path) -> list[Path]:
    finished = []
    for part in folder.glob("*/*.wav.part"):
        try:
            if time.time() - part.stat().st_mtime > UNTOUCHED_S:
                finished.append(repair(part))
        except FileNotFoundError:
            pass  # finished by its own process just now
        except (OSError, ValueError) as error:
            logger.warning("Recording can't be finished", extra={"file": part.name, "reason": str(error)})
    return finished
