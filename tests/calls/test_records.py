"""Rows as records: every column, and what other versions have stored."""

import asyncio
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from outdial.calls.changes import change_attempt
from outdial.calls.records import (
    ATTEMPT_COLUMNS,
    CALL_COLUMNS,
    AttemptRecord,
    CallRecord,
    DetectionWanted,
    lock_attempt,
    read_attempt,
    read_held,
)
from outdial.db.tables import attempts
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.retry import Retry
from outdial.telephony.state import CallDirection, CallState, EndedBy, Ending, EndReason
from outdial.telephony.verdict import AnsweredBy, WhoAnswered
from workspace import CALLEE, CALLER

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ERROR = CallError(code=FailureCode.NO_ROUTE, message="No route.", carrier_code="13224")


@pytest.fixture
async def claim(workspace):
    return await workspace.dialed()


async def test_every_column_of_a_call_is_in_its_record(workspace, claim):
    later = NOW + timedelta(hours=1)
    answered_by = WhoAnswered(
        category=AnsweredBy.MACHINE, evidence=("beep",), confidence=0.9, after_answer_ms=1200, message_end=True
    )
    detection = DetectionWanted(on_machine="leave_message", message="Call us.", max_wait_s=9)
    await workspace.set_call(
        claim.call_id,
        detection=detection.to_json(),
        retry={"max_attempts": 3, "on": ["busy", "no_answer"], "delays_s": [60, 300]},
        expires_at=later,
        deferrals=2,
        never_placed=1,
        throttled_since=NOW,
        hang_up_requested_at=NOW,
        answered_by=answered_by.to_json(),
        answered_at=NOW,
        traceparent=TRACEPARENT,
    )
    held = await read_held(workspace.engine, claim.attempt_id)
    assert held.call == CallRecord(
        id=claim.call_id,
        workspace_id=workspace.id,
        number_id=workspace.number_id,
        direction=CallDirection.OUTBOUND,
        state=CallState.DIALING,
        from_=CALLER,
        to=CALLEE,
        agent_id="agent_1",
        agent_version=1,
        detection=detection,
        retry=Retry(max_attempts=3, on=frozenset({EndReason.BUSY, EndReason.NO_ANSWER}), delays_s=(60, 300)),
        ring_timeout_s=30,
        max_duration_s=600,
        expires_at=later,
        deferrals=2,
        never_placed=1,
        throttled_since=NOW,
        holds_line=True,
        hang_up_requested_at=NOW,
        answered_by=answered_by,
        answered_at=NOW,
        created_at=(await workspace.call(claim.call_id)).created_at,
        traceparent=TRACEPARENT,
    )
    assert held.call.is_outbound
    assert (held.last_number, held.now.tzinfo is not None) == (1, True)


EVERYTHING = {
    "carrier_call_id": "CA1",
    "carrier_refs": {"call_leg_id": "leg-1"},
    "end_reason": "failed",
    "error": ERROR.to_json(),
    "stream_opened_at": NOW,
    "audio_started_at": NOW,
    "unknown_since": NOW,
    "created_at": NOW,
    "accepted_at": NOW,
    "ringing_at": NOW,
    "answered_at": NOW,
    "ended_at": NOW,
    "ending": Ending(end_reason=EndReason.CANCELED, error=ERROR, ended_by=EndedBy.LIMIT).to_json(),
    "price": Decimal("0.0140"),
    "price_due_at": None,
    "taken_over_at": NOW,
    "result_at": NOW,
    "price_currency": "USD",
    "turns": 12,
    "turn_latency_ms": 480,
    "log_due_at": NOW,
    "hang_up_at": NOW,
    "hang_ups": 3,
}


async def test_every_column_of_an_attempt_is_in_its_record(workspace, claim):
    await workspace.set_attempt(claim.attempt_id, **EVERYTHING)
    assert await read_attempt(workspace.engine, claim.attempt_id) == AttemptRecord(
        id=claim.attempt_id,
        call_id=claim.call_id,
        number=1,
        carrier="twilio",
        carrier_account_id=workspace.account_id,
        carrier_call=CarrierCall(id="CA1", refs={"call_leg_id": "leg-1"}),
        state=CallState.DIALING,
        end_reason=EndReason.FAILED,
        error=ERROR,
        stream_opened_at=NOW,
        audio_started_at=NOW,
        owner=(await workspace.attempt(claim.attempt_id)).owner,
        unknown_since=NOW,
        created_at=NOW,
        accepted_at=NOW,
        ringing_at=NOW,
        answered_at=NOW,
        ended_at=NOW,
        ending=Ending(end_reason=EndReason.CANCELED, error=ERROR, ended_by=EndedBy.LIMIT),
        price=Decimal("0.0140"),
        taken_over_at=NOW,
        result_at=NOW,
        price_currency="USD",
        turns=12,
        turn_latency_ms=480,
        log_due_at=NOW,
        look_ups=0,
        hang_up_at=NOW,
        hang_ups=3,
    )


async def test_an_attempt_written_down_as_it_was_read_is_as_it_was(workspace, claim):
    await workspace.set_attempt(claim.attempt_id, **EVERYTHING)
    before = await workspace.attempt(claim.attempt_id)
    async with workspace.engine.begin() as conn:
        held = await lock_attempt(conn, claim.attempt_id)
        await change_attempt(conn, held.attempt, check_in_s=20)
    after = await workspace.attempt(claim.attempt_id)
    assert {name for name in before._mapping if before._mapping[name] != after._mapping[name]} == {"check_at"}


def test_no_field_of_a_record_is_without_its_column():
    assert {column.key for column in CALL_COLUMNS} == {field.name for field in fields(CallRecord)}
    of_attempts = {"carrier_call_id", "carrier_refs"} | {field.name for field in fields(AttemptRecord)}
    assert {column.key for column in ATTEMPT_COLUMNS} == of_attempts - {"carrier_call"}


async def test_a_call_with_nothing_but_the_least_is_a_record_too(workspace):
    claim = await workspace.dialed(agent_id=None, agent_version=None)
    await workspace.set_call(claim.call_id, number_id=None)
    await workspace.set_attempt(claim.attempt_id, carrier_account_id=None, owner=None, carrier_call_id=None)
    held = await read_held(workspace.engine, claim.attempt_id)
    call, attempt = held.call, held.attempt
    assert (call.detection, call.retry, call.answered_by, call.expires_at) == (None, None, None, None)
    assert (attempt.carrier_call, attempt.error, attempt.ending, attempt.price) == (None, None, None, None)


# -- what other versions have stored ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ({}, DetectionWanted()),
        ({"on_machine": None, "message": None}, DetectionWanted()),
        ({"on_machine": "hang_up", "max_wait_s": None}, DetectionWanted(on_machine="hang_up")),
        ({"max_wait_s": 5, "later": True}, DetectionWanted(max_wait_s=5)),
    ],
)
async def test_detection_as_other_versions_have_stored_it(workspace, claim, stored, read):
    await workspace.set_call(claim.call_id, detection=stored)
    assert (await read_held(workspace.engine, claim.attempt_id)).call.detection == read


async def test_words_of_another_version_make_no_row_unreadable(workspace, claim):
    """One that can't be read would stop the sweep over all the others."""
    unlisted = {"code": "quantum_foam", "message": "It foamed.", "carrier_code": "7"}
    await workspace.set_call(
        claim.call_id,
        retry={"max_attempts": 2, "on": ["busy", "teleported"]},
        answered_by={"category": "human"},
    )
    await workspace.set_attempt(claim.attempt_id, error=unlisted, ending={"end_reason": "failed", "error": unlisted})
    held = await read_held(workspace.engine, claim.attempt_id)
    told = CallError(code=FailureCode.NOT_CONNECTED, message="It foamed.", carrier_code="7")
    assert (held.attempt.error, held.attempt.ending) == (told, Ending(end_reason=EndReason.FAILED, error=told))
    assert held.call.retry == Retry(max_attempts=2, on=frozenset({EndReason.BUSY}), delays_s=())
    assert held.call.answered_by == WhoAnswered(category=AnsweredBy.HUMAN)


@pytest.mark.parametrize("stored", [{"end_reason": "completed"}, {"end_reason": "completed", "error": None}])
async def test_an_ending_without_an_error(workspace, claim, stored):
    await workspace.set_attempt(claim.attempt_id, ending=stored)
    attempt = await read_attempt(workspace.engine, claim.attempt_id)
    assert attempt.ending == Ending(end_reason=EndReason.COMPLETED)


# -- locks -----------------------------------------------------------------------------------------------------


async def test_an_unknown_attempt(workspace):
    async with workspace.engine.begin() as conn:
        assert await lock_attempt(conn, "att_unknown") is None
    with pytest.raises(NoResultFound):
        await read_attempt(workspace.engine, "att_unknown")
    with pytest.raises(NoResultFound):
        await read_held(workspace.engine, "att_unknown")


async def test_an_attempt_that_somebody_else_has_locked_is_waited_for(workspace, claim):
    async with workspace.engine.begin() as conn:
        await conn.execute(select(attempts).where(attempts.c.id == claim.attempt_id).with_for_update(key_share=True))
        waiting = asyncio.create_task(lock(workspace, claim))
        assert (await read_held(workspace.engine, claim.attempt_id)).attempt.id == claim.attempt_id
        assert not waiting.done()
    async with asyncio.timeout(30):
        assert (await waiting).attempt.id == claim.attempt_id


async def lock(workspace, claim):
    async with workspace.engine.begin() as conn:
        return await lock_attempt(conn, claim.attempt_id)
