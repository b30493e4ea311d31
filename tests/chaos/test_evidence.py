"""What a run reads when it is over."""

import json
from pathlib import Path

import pytest

from chaos.evidence import LogLine, Pool, left_files, read_books, read_log
from outdial.calls.dial_outcome import mark_unknown
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason
from workspace import Workspace


def test_a_line_of_ours_is_taken_apart_and_any_other_is_kept_whole(tmp_path: Path):
    ours = json.dumps({"level": "error", "message": "Sweep failed", "exception": "KeyError: 1", "call_id": "call_1"})
    log = tmp_path / "log"
    log.write_text(f"{ours}\n\nTraceback (most recent call last):\n[1]\n")
    assert read_log("A", log) == [
        LogLine(server="A", level="error", message="Sweep failed", exception="KeyError: 1", text=ours),
        LogLine(
            server="A",
            level="",
            message="Traceback (most recent call last):",
            exception="",
            text="Traceback (most recent call last):",
        ),
        LogLine(server="A", level="", message="[1]", exception="", text="[1]"),
    ]


@pytest.mark.parametrize(
    ("path", "is_left"),
    [
        ("recordings/call_1.wav.part", True),
        ("recordings/ws_1/call_1.wav", True),
        ("recordings/ws_1/call_1.waveform.json", False),
        ("spool/worker_1/att_1.json", True),
        ("spool/worker_1/lock", False),
    ],
)
def test_unfinished_files_are_found(tmp_path: Path, path: str, is_left: bool):
    file = tmp_path / "data" / path
    file.parent.mkdir(parents=True)
    file.touch()
    assert left_files(tmp_path / "data") == ([f"data/{path}"] if is_left else [])


async def test_the_books_are_read_as_they_stand(workspace: Workspace, database_url: str):
    ended = await workspace.dialed(metadata={"key": "key-1"})
    await workspace.hears(ended.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.queue()
    [unknown] = await workspace.claim()
    error = CallError(code=FailureCode.CARRIER_NO_REPLY, message="The carrier did not reply.")
    await mark_unknown(workspace.engine, unknown, error, settle_s=30)

    books = read_books(database_url)
    calls = {call.id: call for call in books.calls}
    assert (calls[ended.call_id].key, calls[ended.call_id].end_reason) == ("key-1", "busy")
    assert (calls[unknown.call_id].state, calls[unknown.call_id].holds_line) == ("dialing", True)
    attempts = {attempt.call_id: attempt for attempt in books.attempts}
    assert (attempts[ended.call_id].state, attempts[ended.call_id].was_unknown) == ("ended", False)
    assert (attempts[unknown.call_id].carrier_call_id, attempts[unknown.call_id].was_unknown) == (None, True)
    assert books.pools == [Pool(used_outbound=1, used_inbound=0)]
    assert books.live == 2
    assert books.moved > 0
