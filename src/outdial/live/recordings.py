"""Recordings that a process left behind when it died: made whole, and entered into their calls.

A recording that grows is written to every second, so one that wasn't for a while has nobody who writes it. Should
its process write it after all (its disk stood still), no harm is done: it goes on writing to the same file.
"""

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.results import enter_recording, without_recording
from outdial.media.recording import Recording, is_empty, make_whole
from outdial.recordings.recordings import FOLDER, call_of

logger = logging.getLogger(__name__)

UNTOUCHED_S = 10.0
AT_ONCE = 500  # files looked at


def recording_path(data_dir: Path, workspace_id: str, call_id: str, turns: int, *, returns: int = 0) -> Path:
    """Where a conversation is recorded. `turns` were said before, in earlier attempts of the call or before it was
    transferred, `returns` times it came back: its recordings are apart, also when nothing was said between."""
    name = f"{call_id}.wav" if not turns and not returns else f"{call_id}-{'0' * returns}{turns}.wav"
    return data_dir / FOLDER / workspace_id / name


def open_recording(path: Path) -> Recording | None:
    """None, and a word in the log, when it can't be written: the call goes on without."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Recording(path)
    except OSError:
        logger.exception("Recording not opened; the call goes on without")
        return None


async def finish_recordings(engine: AsyncEngine, data_dir: Path) -> int:
    """Finish what nobody writes any more; how many recordings that were. Never raises for what is on the disk.

    One gets its name only when its call knows it: should the database be away, it is found again.
    """
    parts = await asyncio.to_thread(_make_untouched_whole, data_dir / FOLDER)
    for part in parts:
        path = part.with_suffix("")
        await enter_recording(engine, call_of(path), str(path.relative_to(data_dir)))
        with suppress(FileNotFoundError):  # named by another process just now
            part.rename(path)
        logger.info("Recording of a dead process finished", extra={"call_id": call_of(path)})
    return len(parts)


def finished(data_dir: Path, recording: str | None) -> str | None:
    """The recording of a conversation whose process is dead, made whole; None when there is none."""
    if recording is None:
        return None
    path = data_dir / recording
    part = path.with_name(path.name + ".part")
    if not path.exists() and part.exists() and _is_made_whole(part):
        part.rename(path)
    return recording if path.exists() else None


async def enter_unknown(engine: AsyncEngine, data_dir: Path) -> int:
    """Enter whole recordings into calls that know of none; how many that were. A process that died, or whose database
    was away, may have left them so."""
    entered = 0
    for workspace in await asyncio.to_thread(lambda: sorted((data_dir / FOLDER).glob("*"))):
        names = await asyncio.to_thread(_whole_in, workspace)
        for first in range(0, len(names), AT_ONCE):
            recordings = {f"{FOLDER}/{workspace.name}/{name}": call_of(Path(name)) for name in names[first:][:AT_ONCE]}
            unknown = await without_recording(engine, set(recordings.values()))
            for recording, call_id in recordings.items():
                if call_id in unknown:
                    await enter_recording(engine, call_id, recording)
                    entered += 1
                    logger.info("Recording found again", extra={"call_id": call_id})
    return entered


def _whole_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.wav"))


def _make_untouched_whole(folder: Path) -> list[Path]:
    return [part for part in folder.glob("*/*.wav.part") if _is_untouched(part) and _is_made_whole(part)]


def _is_untouched(part: Path) -> bool:
    try:
        return time.time() - part.stat().st_mtime > UNTOUCHED_S
    except FileNotFoundError:
        return False  # finished by its own process just now


def _is_made_whole(part: Path) -> bool:
    if is_empty(part):  # nothing was recorded: it is no recording of a call, and goes
        part.unlink(missing_ok=True)
        return False
    try:
        make_whole(part)
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        logger.warning("Recording not finished", extra={"file": part.name, "reason": str(error)})
        return False
    return True
