"""Which calls may be erased now. What goes is looked for by content: tests/retention/test_erase_call.py."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from outdial.calls.advance import apply_event
from outdial.calls.erasing import erase_recordings, erase_transcripts, lock_ended
from outdial.calls.events import add_event
from outdial.calls.results import Result, save_result
from outdial.db.retention_tables import recording_removals
from outdial.db.tables import attempts, call_events, calls
from outdial.telephony.state import CallState, EndReason
from outdial.telephony.verdict import AnsweredBy, Verdict


@pytest.fixture
async def ended(workspace):
    claim = await workspace.dialed(variables={"name": "Jane"})
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    return claim


async def lockable(workspace, *call_ids):
    async with workspace.engine.begin() as conn:
        return await lock_ended(conn, call_ids)


async def test_calls_that_have_ended_and_no_others(workspace, ended):
    live, waits = await workspace.dialed(), await workspace.queue()
    assert await lockable(workspace, ended.call_id, live.call_id, waits) == [ended.call_id]


async def test_a_call_without_an_attempt(workspace):
    call_id = await workspace.queue(state="ended", end_reason="canceled")
    assert await lockable(workspace, call_id) == [call_id]


async def test_what_is_still_written_down_is_left_for_a_while(workspace, ended):
    now = datetime.now(UTC)
    await workspace.set_attempt(ended.attempt_id, stream_opened_at=now, result_at=None)
    assert await lockable(workspace, ended.call_id) == []
    await workspace.set_attempt(ended.attempt_id, ended_at=now - timedelta(minutes=16))
    assert await lockable(workspace, ended.call_id) == [ended.call_id]


@pytest.mark.parametrize("table", [calls, attempts], ids=["call", "attempt"])
async def test_what_somebody_has_is_left_out(workspace, ended, table):
    async with workspace.engine.begin() as conn:
        await conn.execute(select(table.c.id).with_for_update())
        assert await lockable(workspace, ended.call_id) == []


async def test_a_recording_goes_by_itself(workspace, ended):
    await workspace.set_call(ended.call_id, recording="recordings/x/y.wav", noted={"mood": "good"})
    async with workspace.engine.begin() as conn:
        await erase_recordings(conn, [ended.call_id])
        assert (await conn.scalars(select(recording_removals.c.call_id))).all() == [ended.call_id]
    call = await workspace.call(ended.call_id)
    assert (call.recording, call.transcript_erased_at, call.noted) == (None, None, {"mood": "good"})
    assert call.recording_erased_at is not None


async def test_what_comes_late_is_not_written_into_what_was_erased(workspace, ended):
    async with workspace.engine.begin() as conn:
        await conn.execute(update(calls).values(variables={"name": "Jane"}))
        await erase_transcripts(conn, [ended.call_id])
        await add_event(conn, ended.call_id, "state", {"state": "ended"})
    result = Result(
        noted={"mood": "good"}, recording="recordings/x/y.wav", message_delivered=None, transferred=False, turns=4
    )
    await save_result(workspace.engine, ended.attempt_id, ended.call_id, result)
    call, attempt = await workspace.call(ended.call_id), await workspace.attempt(ended.attempt_id)
    assert (call.noted, call.variables, call.recording) == ({}, {"name": "Jane"}, "recordings/x/y.wav")
    assert attempt.turns == 4


async def test_a_late_verdict_does_not_bring_back_what_was_said(workspace, ended):
    """Of a process that was frozen meanwhile."""
    async with workspace.engine.begin() as conn:
        await erase_transcripts(conn, [ended.call_id])
    evidence = ("beep at 6.2 s, 1000 Hz", "said 'leave a message'")
    verdict = Verdict(
        answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), evidence=evidence, heard_ms={evidence[1]: 4350},
        revises=True, is_ours=True,
    )  # fmt: skip
    await apply_event(workspace.engine, ended.attempt_id, verdict)
    who = (await workspace.call(ended.call_id)).answered_by
    assert (who["category"], who["evidence"]) == ("machine", [evidence[0]])
    assert "heard_ms" not in who
    async with workspace.engine.connect() as conn:
        told = await conn.scalars(select(call_events.c.data).where(call_events.c.call_id == ended.call_id))
        assert not any("leave a message" in str(data) for data in told)


async def test_what_tells_who_answered_stays_but_for_what_was_said(workspace, ended):
    evidence = ["said 'let * know who'", "beep at 6.2 s, 1000 Hz"]
    found = {"category": "screening", "evidence": evidence, "heard_ms": {evidence[0]: 2400}, "at_ms": 6300}
    await workspace.set_call(ended.call_id, answered_by=found)
    async with workspace.engine.begin() as conn:
        await add_event(conn, ended.call_id, "answered_by", found)
        await add_event(conn, ended.call_id, "answered_by", {"category": "human"})
        await erase_transcripts(conn, [ended.call_id])
        of_type = select(call_events.c.data).where(call_events.c.type == "answered_by")
        told = await conn.scalars(of_type.order_by(call_events.c.id))
        stays = {"category": "screening", "evidence": evidence[1:], "at_ms": 6300}
        assert told.all() == [stays, {"category": "human"}]
    assert (await workspace.call(ended.call_id)).answered_by == stays
