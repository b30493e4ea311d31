"""Recordings that a process left behind when it died: made whole, and entered into their calls.

A recording that grows is written to every second, so one that wasn't for a while has nobody who writes it. Should
its process write it after all (its disk stood still), no harm is done: it goes on writing to the same file.
"""

import asyncio
import logging
import time
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.results import enter_recording
from outdial.db.wake import Wake
from outdial.media.recording import Recording, repair

logger = logging.getLogger(__name__)

FOLDER = "recordings"   # under the data directory
UNTOUCHED_S = 10.0
FINISH_EVERY_S = 60.0


def recording_path(data_dir: Path, workspace_id: str, call_id: str, turns: int) -> Path:
    """Where a conversation is recorded. `turns` were said in earlier attempts of the call: its recordings are apart."""
    name = f"{call_id}.wav" if not turns else f"{call_id}-{turns}.wav"
    return data_dir / FOLDER / workspace_id / name


def open_recording(path: Path) -> Recording | None:
    """None, and a word in the log, when it can't be written: the call goes on without."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Recording(path)
    except OSError:
        logger.exception("Recording not opened; the call goes on without")
        return None


async def keep_finishing(engine: AsyncEngine, data_dir: Path, wake: Wake) -> None:
    """Finish recordings of dead processes, until cancelled: now and then, and when woken."""
    while True:
        try:
            await finish_recordings(engine, data_dir)
        except Exception:
            logger.exception("Recordings not finished; trying again")
        await wake.wait(FINISH_EVERY_S)


async def finish_recordings(engine: AsyncEngine, data_dir: Path) -> int:
    """Finish what nobody writes any more; how many recordings that were. Never raises for what is on the disk."""
    finished = await asyncio.to_thread(_repair_untouched, data_dir / FOLDER)
    for path in finished:
        call_id = path.name.removesuffix(".wav").partition("-")[0]
        await enter_recording(engine, call_id, str(path.relative_to(data_dir)))
        logger.info("Recording of a dead process finished", extra={"call_id": call_id})
    return len(finished)


def _repair_untouched(folder: Path) -> list[Path]:
    finished = []
    for part in folder.glob("*/*.wav.part"):
        try:
            if time.time() - part.stat().st_mtime > UNTOUCHED_S:
                finished.append(repair(part))
        except FileNotFoundError:
            pass  # finished by its own process just now
        except (OSError, ValueError) as error:
            logger.warning("Recording not finished", extra={"file": part.name, "reason": str(error)})
    return finished
