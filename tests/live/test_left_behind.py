"""What a process has left behind that was killed: found again by the next one, and by those beside it."""

import asyncio
import os
import signal
import subprocess
import sys
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from live.talking import AUTH_TOKEN, sign_with
from outdial.calls.ownership import take_over
from outdial.db.wake import Wake
from outdial.live.left_behind import deliver_left, keep_taking_in
from outdial.live.recordings import enter_unknown
from outdial.media.recording import Recording
from outdial.telephony.state import CallState, EndReason
from workspace import until

TESTS = Path(__file__).parents[1]
DIES = TESTS / "live/dies.py"
PAST = datetime.now(UTC) - timedelta(minutes=1)


@pytest.fixture
async def killed(workspace, database_url):
    """A call whose process talked to its end while the database took nothing, and was killed then."""
    await sign_with(workspace)
    claim = await workspace.dialed(retry={"max_attempts": 3, "on": ["failed"], "delays_s": [0]})
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    process = subprocess.Popen(  # noqa: ASYNC220 - it is to be killed
        [sys.executable, str(DIES), database_url, str(workspace.settings.data_dir), workspace.id, claim.attempt_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path)), "STREAM_TOKEN": claim.stream_token},
    )
    line = await asyncio.to_thread(process.stdout.readline)
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.communicate)
    assert line == b"over\n"
    async with workspace.engine.begin() as conn:
        await conn.exec_driver_sql("DROP FUNCTION fail() CASCADE")
    return claim


def files(workspace):
    return sorted(workspace.settings.data_dir.glob("spool/*/*.json"))


async def test_what_a_killed_process_has_brought_is_in_its_call(workspace, killed):
    assert (await workspace.call(killed.call_id)).noted == {}
    assert len(files(workspace)) == 1
    assert await deliver_left(workspace.engine, workspace.settings.data_dir) == 1
    assert files(workspace) == []
    assert list(workspace.settings.data_dir.glob("spool/*")) == []
    call = await workspace.call(killed.call_id)
    assert (call.state, call.noted) == ("in_progress", {"mood": "good", "do_not_call": True})
    with wave.open(str(workspace.settings.data_dir / call.recording)) as recording:
        assert recording.getnchannels() == 2
    await workspace.hears(killed.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(killed.call_id)
    assert (call.state, call.end_reason, call.error) == ("ended", "completed", None)
    events = await workspace.events(killed.call_id, "digits_sent")
    assert events == [{"count": 3}]


async def test_the_call_was_not_interrupted_also_where_it_was_taken_over_before(workspace, killed, worker):
    """By another process on another machine; the file is found by the next one on this. Nobody is dialled again."""
    await workspace.set_attempt(killed.attempt_id, lease_until=PAST)
    assert await take_over(workspace.engine, worker.id, lease_s=15)
    assert (await workspace.attempt(killed.attempt_id)).ending["error"]["code"] == "interrupted"
    await deliver_left(workspace.engine, workspace.settings.data_dir)
    await workspace.hears(killed.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(killed.call_id)
    assert (call.state, call.end_reason, call.noted["do_not_call"]) == ("ended", "completed", True)


async def test_whoever_runs_beside_it_finds_it(workspace, killed):
    taking_in = asyncio.create_task(keep_taking_in(workspace.engine, workspace.settings.data_dir, Wake()))

    async def delivered():
        return (await workspace.call(killed.call_id)).recording is not None

    await until(delivered)
    taking_in.cancel()


async def test_a_file_that_can_not_be_delivered_keeps_no_other_waiting(workspace, killed, caplog):
    [file] = files(workspace)
    bad = file.with_name("att_0.json")
    bad.write_text("{}")
    assert await deliver_left(workspace.engine, workspace.settings.data_dir) == 1
    assert files(workspace) == [bad]
    assert "Result of a dead process not delivered" in caplog.messages


async def test_a_recording_its_call_does_not_know_is_found_again(workspace):
    claim = await workspace.dialed()
    other = await workspace.dialed()
    await workspace.set_call(other.call_id, recording="recordings/elsewhere.wav")
    for each in (claim, other):
        recording = Recording(workspace.settings.data_dir / f"recordings/{workspace.id}/{each.call_id}.wav")
        recording.close(1000)
    assert await enter_unknown(workspace.engine, workspace.settings.data_dir) == 1
    assert (await workspace.call(claim.call_id)).recording == f"recordings/{workspace.id}/{claim.call_id}.wav"
    assert (await workspace.call(other.call_id)).recording == "recordings/elsewhere.wav"
    assert await enter_unknown(workspace.engine, workspace.settings.data_dir) == 0


def test_the_token_of_the_carrier_is_that_of_the_tests():
    assert AUTH_TOKEN == "12345"
