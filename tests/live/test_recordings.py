import os
import shutil
import time
import wave
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.tables import calls
from outdial.lines.workspace_pools import create_workspace
from outdial.live.recordings import UNTOUCHED_S, finish_recordings
from outdial.media.recording import Recording


@pytest.fixture
async def workspace_id(engine: AsyncEngine) -> str:
    return (await create_workspace(engine, name="Clinic"))["id"]


@pytest.fixture
async def call_id(engine: AsyncEngine, workspace_id: str) -> str:
    async with engine.begin() as conn:
        await conn.execute(
            insert(calls).values(
                id="call_1",
                workspace_id=workspace_id,
                direction="outbound",
                state="in_progress",
                from_="+15551230002",
                to="+15551230001",
                ring_timeout_s=30,
                max_duration_s=60,
            )
        )
    return "call_1"


@pytest.fixture
def leave_behind(tmp_path: Path, workspace_id: str):
    """A recording of one second, as a process leaves it that dies."""

    def leave(name: str, untouched_s: float = UNTOUCHED_S + 1) -> Path:
        recording = Recording(tmp_path / "grows.wav")
        recording.callee(0, bytes(16_000))
        recording.flush(1250)
        part = tmp_path / "recordings" / workspace_id / f"{name}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "grows.wav.part", part)
        recording.close(1250)
        os.utime(part, (time.time() - untouched_s,) * 2)
        return part

    return leave


async def _recording(engine: AsyncEngine) -> str | None:
    async with engine.connect() as conn:
        return await conn.scalar(select(calls.c.recording))


async def test_a_recording_left_behind_is_finished_and_entered(engine, tmp_path, workspace_id, call_id, leave_behind):
    part = leave_behind("call_1.wav")
    assert await finish_recordings(engine, tmp_path) == 1
    assert not part.exists()
    assert await _recording(engine) == f"recordings/{workspace_id}/call_1.wav"
    with wave.open(str(tmp_path / f"recordings/{workspace_id}/call_1.wav")) as file:
        assert file.getnframes() == 8000


async def test_a_recording_that_grows_is_left_alone(engine, tmp_path, call_id, leave_behind):
    part = leave_behind("call_1.wav", untouched_s=1)
    assert await finish_recordings(engine, tmp_path) == 0
    assert part.exists()
    assert await _recording(engine) is None


async def test_the_newest_recording_of_a_call_stays(engine, tmp_path, workspace_id, call_id, leave_behind):
    leave_behind("call_1-5.wav")
    await finish_recordings(engine, tmp_path)
    leave_behind("call_1.wav")
    await finish_recordings(engine, tmp_path)
    assert await _recording(engine) == f"recordings/{workspace_id}/call_1-5.wav"


async def test_a_file_that_is_no_recording_is_left_alone(engine, tmp_path, workspace_id, leave_behind):
    part = leave_behind("call_1.wav")
    part.write_bytes(b"something else")
    os.utime(part, (0, 0))
    assert await finish_recordings(engine, tmp_path) == 0
    assert part.exists()


@pytest.mark.parametrize("left", [b"", b"RIFF", bytes(44)], ids=["nothing", "half a header", "zeros"])
async def test_a_file_in_which_nothing_was_recorded_goes(engine, tmp_path, call_id, leave_behind, caplog, left):
    part = leave_behind("call_1.wav")
    part.write_bytes(left)
    os.utime(part, (0, 0))
    assert await finish_recordings(engine, tmp_path) == 0
    assert not part.exists()
    assert await _recording(engine) is None
    assert caplog.messages == []


async def test_a_data_directory_without_recordings_is_fine(engine, tmp_path):
    assert await finish_recordings(engine, tmp_path) == 0
