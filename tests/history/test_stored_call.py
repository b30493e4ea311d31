"""A call as it is stored: read whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from outdial.db.tables import calls
from outdial.history.stored_call import STORED_CALL, StoredCall
from outdial.telephony.state import CallDirection, CallState, EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy, WhoAnswered
from workspace import CALLEE, CALLER

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def read(workspace, call_id):
    async with workspace.engine.connect() as conn:
        row = (await conn.execute(select(*STORED_CALL).where(calls.c.id == call_id))).mappings().one()
    return StoredCall.of(row)


async def test_every_column_is_read(workspace):
    error = {"code": "no_route", "message": "No route.", "carrier_code": None}
    detection = {"on_machine": "hang_up", "message": None, "max_wait_s": 30}
    retry = {"max_attempts": 2, "on": ["busy"], "delays_s": [60]}
    call_id = await workspace.queue(
        state="ended", end_reason="failed", ended_by="carrier", outcome="confirmed", error=error, variables={"a": 1},
        noted={"b": 2}, metadata={"crm": "7"},
        detection=detection, retry=retry, message_delivered=False, created_at=NOW, due_at=NOW, expires_at=NOW,
        answered_by={"category": "machine"}, answered_at=NOW, ended_at=NOW + timedelta(seconds=4.0004),
        hang_up_requested_at=NOW, recording="recordings/x.wav",
    )  # fmt: skip
    call = await read(workspace, call_id)
    assert call == StoredCall(
        id=call_id, direction=CallDirection.OUTBOUND, state=CallState.ENDED, end_reason=EndReason.FAILED,
        ended_by=EndedBy.CARRIER, outcome="confirmed", error=error,
        number_id=workspace.number_id, from_=CALLER, to=CALLEE, agent_id="agent_1", agent_version=1,
        variables={"a": 1}, noted={"b": 2}, metadata={"crm": "7"}, detection=detection, retry=retry,
        ring_timeout_s=30, max_duration_s=600, answered_by=WhoAnswered(category=AnsweredBy.MACHINE),
        message_delivered=False, created_at=NOW, due_at=NOW, expires_at=NOW, answered_at=NOW,
        ended_at=NOW + timedelta(seconds=4.0004), hang_up_requested_at=NOW, recording="recordings/x.wav",
        disclosure=None, recording_erased_at=None, transcript_erased_at=None, erased_at=None,
    )  # fmt: skip
    assert call.duration_s == 4.0


async def test_a_call_that_was_just_stored_has_no_length(workspace):
    call = await read(workspace, await workspace.queue())
    assert (call.end_reason, call.error, call.answered_by, call.duration_s) == (None, None, None, None)


@pytest.mark.parametrize(("after_s", "duration_s"), [(1.23456, 1.235), (0, 0.0), (-3, 0.0)])
async def test_no_conversation_is_shorter_than_nothing(workspace, after_s, duration_s):
    """Carriers' clocks differ from ours."""
    call = await read(workspace, await workspace.queue())
    over = replace(call, answered_at=NOW, ended_at=NOW + timedelta(seconds=after_s))
    assert over.duration_s == duration_s
    assert replace(over, ended_at=None).duration_s is None
