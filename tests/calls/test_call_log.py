"""What the log tells: one line for each call that ended, once all is known, and for each attempt that failed."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls import call_log
from outdial.calls.advance import apply_event
from outdial.calls.call_log import COMPLETE_WITHIN, CORRECTED, ENDED, FAILED, tell_overdue
from outdial.calls.cancel_waiting import cancel_waiting
from outdial.calls.changes import end_call
from outdial.calls.prices import record_price
from outdial.calls.records import lock_attempt
from outdial.calls.results import Result, save_result
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason
from outdial.telephony.verdict import AnsweredBy, Verdict
from outdial.tracing.context import of_call
from outdial.tracing.process import switch
from outdial.workspaces.audit import COMMAND_LINE
from workspace import until

COMPLETED = Ending(end_reason=EndReason.COMPLETED, ended_by=EndedBy.AGENT)
BUSY_AGAIN = {"max_attempts": 2, "on": ["busy"], "delays_s": [60]}


@pytest.fixture(autouse=True)
def _all(caplog):
    caplog.set_level(logging.INFO)


@pytest.fixture
def told(caplog):
    """The records of these sentences so far."""

    def told(*sentences):
        return [each for each in caplog.records if each.getMessage() in (sentences or (ENDED, CORRECTED))]

    return told


async def talked(workspace, worker):
    """An attempt with a conversation."""
    now = datetime.now(UTC)
    claim = await workspace.dialed(owner=worker.id)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=now, audio_started_at=now)
    return claim


async def hangs_up(workspace, claim, reason=EndReason.COMPLETED, **facts):
    await workspace.hears(claim.attempt_id, CallState.ENDED, reason, **facts)


async def brings(workspace, claim, ending=COMPLETED, **result):
    usual = {"noted": {"outcome": "call me at 5"}, "recording": None, "message_delivered": None, "transferred": False}
    usual |= {"callee_responded": True, "turns": 7, "turn_latency_ms": 480}
    await save_result(
        workspace.engine, claim.attempt_id, claim.call_id, Result(ending=ending, **usual | result)
    )


async def time_is_up(workspace, claim):
    attempt = await workspace.attempt(claim.attempt_id)
    assert timedelta() < attempt.log_due_at - datetime.now(UTC) < COMPLETE_WITHIN
    await workspace.set_attempt(claim.attempt_id, log_due_at=datetime.now(UTC))
    for _ in range(2):
        await tell_overdue(workspace.engine, at_most=10)


# -- calls that ended ------------------------------------------------------------------------------------------


async def test_a_call_that_never_talked_is_told_at_once(workspace, told):
    claim = await workspace.dialed()
    await hangs_up(workspace, claim, EndReason.BUSY)
    (line,) = told()
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (line.message, line.levelname) == (ENDED, "INFO")
    assert (line.call_id, line.workspace_id, line.number_id) == (call.id, workspace.id, workspace.number_id)
    assert (line.attempt_id, line.attempt, line.carrier) == (attempt.id, 1, "twilio")
    assert (line.carrier_account_id, line.carrier_call_id) == (workspace.account_id, "CA1")
    assert (line.direction, line.agent_id, line.agent_version) == ("outbound", call.agent_id, call.agent_version)
    assert (line.end_reason, line.ended_by, line.outcome) == ("busy", "callee", None)
    assert (line.error, line.carrier_code, line.answered_by, line.complete) == (None, None, None, True)
    assert (line.turns, line.turn_latency_p50_ms, line.cost, line.cost_currency) == (None, None, None, None)
    instants = (line.created_at, line.dialed_at, line.ended_at)
    stored = (call.created_at, attempt.created_at, call.ended_at)
    assert [datetime.fromisoformat(at) for at in instants] == list(stored)
    assert line.answered_at is None


async def test_a_call_whose_conversation_brings_more_is_told_then_and_once(workspace, worker, told):
    claim = await talked(workspace, worker)
    await record_price(workspace.engine, claim.attempt_id, Price(amount="0.0140", currency="USD"))
    await hangs_up(workspace, claim)
    assert told() == []
    await brings(workspace, claim)
    await brings(workspace, claim)  # delivered again
    (line,) = told()
    assert (line.message, line.complete) == (ENDED, True)
    assert (line.turns, line.turn_latency_p50_ms) == (7, 480)
    assert (line.cost, line.cost_currency) == ("0.0140", "USD")
    assert line.answered_at is not None
    assert line.outcome == "agent"  # its own words stay out of the log
    await tell_overdue(workspace.engine, at_most=10)
    assert len(told()) == 1


@pytest.fixture
def spans_told():
    """What a process that traces is told as it happens."""

    spans = []

    class Tracing:
        def ended(self, call_id):
            pass

        def took(self, span):
            spans.append(span)

        def samples(self, context):
            return True

    switch(Tracing())
    yield spans
    switch(None)


async def test_a_call_whose_conversation_was_over_before_is_told_at_its_end(workspace, worker, told):
    claim = await talked(workspace, worker)
    await brings(workspace, claim)
    assert told() == []
    await hangs_up(workspace, claim)
    (line,) = told()
    assert (line.message, line.turns, line.turn_latency_p50_ms, line.complete) == (ENDED, 7, 480, True)


async def test_a_call_whose_conversation_brings_nothing_is_told_without_and_put_right(workspace, worker, told):
    claim = await talked(workspace, worker)
    await hangs_up(workspace, claim)
    await time_is_up(workspace, claim)
    (line,) = told()
    assert (line.message, line.turns, line.complete) == (ENDED, None, False)
    await brings(workspace, claim)
    _, line = told()
    assert (line.message, line.turns, line.outcome, line.complete) == (CORRECTED, 7, "agent", True)


async def test_a_call_that_is_put_right_later_says_so_in_its_trace(workspace, worker, told, spans_told):
    claim = await talked(workspace, worker)
    await hangs_up(workspace, claim)
    await time_is_up(workspace, claim)
    assert spans_told == []
    await brings(workspace, claim)
    verdict = Verdict(answered_by=AnsweredBy.MACHINE, evidence=("carrier",), at=datetime.now(UTC))
    await apply_event(workspace.engine, claim.attempt_id, verdict)
    root = of_call(claim.call_id, None)
    assert [(span.name, span.parent, span.context.trace_id) for span in spans_told] == [
        ("end corrected", root, root.trace_id)
    ] * 2
    assert len({span.context.span_id for span in spans_told}) == 2
    assert dict(spans_told[1].attributes) == {
        "outdial.call.id": claim.call_id,
        "outdial.end_reason": "completed",
        "outdial.outcome": "agent",
        "outdial.answered_by": "machine",
    }


async def test_of_two_processes_that_look_one_tells(workspace, worker, told):
    claim = await talked(workspace, worker)
    await hangs_up(workspace, claim)
    await workspace.set_attempt(claim.attempt_id, log_due_at=datetime.now(UTC))
    await asyncio.gather(*(tell_overdue(workspace.engine, at_most=10) for _ in range(4)))
    assert len(told()) == 1


async def test_who_answered_is_put_right_when_it_is_known_late(workspace, worker, told):
    claim = await talked(workspace, worker)
    await brings(workspace, claim)
    await hangs_up(workspace, claim)
    verdict = Verdict(answered_by=AnsweredBy.MACHINE, evidence=("carrier",), at=datetime.now(UTC))
    await apply_event(workspace.engine, claim.attempt_id, verdict)
    ended, line = told()
    assert (ended.answered_by, line.message, line.answered_by) == (None, CORRECTED, "machine")


async def test_calls_that_waited_are_told_however_many(workspace, monkeypatch, told):
    monkeypatch.setattr(call_log, "AT_ONCE", 2)
    await workspace.queue_many(5)
    await cancel_waiting(workspace.engine, workspace.id, by=COMMAND_LINE)

    async def all_told():
        return len(told()) == 5

    await until(all_told)
    lines = told()
    assert len({line.call_id for line in lines}) == 5
    assert {(line.end_reason, line.ended_by, line.carrier, line.dialed_at) for line in lines} == {
        ("canceled", "operator", None, None)
    }


async def test_what_is_rolled_back_is_not_told(workspace, told):
    claim = await workspace.dialed()
    async with workspace.engine.connect() as conn:
        held = await lock_attempt(conn, claim.attempt_id)
        await end_call(conn, held.call, COMPLETED, ended_at=datetime.now(UTC), attempt=held.attempt)
        await conn.rollback()
    assert told() == []
    await hangs_up(workspace, claim, EndReason.BUSY)
    assert len(told()) == 1


async def test_a_call_that_ends_by_what_its_conversation_brought_late_is_told_once(workspace, worker, told):
    claim = await talked(workspace, worker)
    await workspace.set_call(claim.call_id, retry={"max_attempts": 3, "on": ["silent"], "delays_s": [3600]})
    await hangs_up(workspace, claim)
    assert told(ENDED, CORRECTED, FAILED) == []  # it waits, for all was silent
    await brings(workspace, claim)
    (line,) = told(ENDED, CORRECTED, FAILED)
    assert (line.getMessage(), line.end_reason, line.turns, line.complete) == (ENDED, "completed", 7, True)


# -- attempts that failed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (FailureCode.NUMBER_NOT_IN_SERVICE, "INFO"),
        (FailureCode.BLOCKED, "INFO"),
        (FailureCode.BAD_CREDENTIALS, "WARNING"),
        (FailureCode.NO_FUNDS, "WARNING"),
        (FailureCode.INTERNAL_ERROR, "WARNING"),
    ],
)
async def test_an_attempt_that_failed_warns_only_of_what_an_operator_can_mend(workspace, told, code, level):
    claim = await workspace.dialed()
    error = CallError(code=code, message="A sentence.", carrier_code="13224")
    await hangs_up(workspace, claim, EndReason.FAILED, error=error)
    (line,) = told(FAILED)
    assert (line.levelname, line.error, line.carrier_code, line.end_reason) == (level, code, "13224", "failed")
    assert (line.call_id, line.attempt_id, line.attempt, line.carrier) == (
        claim.call_id, claim.attempt_id, 1, "twilio",
    )  # fmt: skip
    assert (line.tried_again, line.next_attempt_at) == (False, None)
    assert [each.levelname for each in told()] == ["INFO"]


async def test_an_attempt_that_is_tried_again_says_when_and_its_call_has_not_ended(workspace, told):
    claim = await workspace.dialed(retry=BUSY_AGAIN)
    await hangs_up(workspace, claim, EndReason.BUSY)
    (line,) = told(FAILED)
    due_at = (await workspace.call(claim.call_id)).due_at
    assert (line.levelname, line.end_reason, line.tried_again) == ("INFO", "busy", True)
    assert abs(datetime.fromisoformat(line.next_attempt_at) - due_at) < timedelta(milliseconds=1)
    assert told() == []
    await workspace.set_call(claim.call_id, due_at=datetime.now(UTC) - timedelta(seconds=1))
    (second,) = await workspace.claim()
    await workspace.dial(second)
    await hangs_up(workspace, second, EndReason.NO_ANSWER)
    assert [(each.attempt, each.tried_again) for each in told(FAILED)] == [(1, True), (2, False)]
    assert [each.attempt for each in told()] == [2]


async def test_an_attempt_that_did_not_fail_is_not_told(workspace, worker, told):
    claim = await talked(workspace, worker)
    await brings(workspace, claim)
    await hangs_up(workspace, claim)
    assert told(FAILED) == []


async def test_an_attempt_that_is_known_late_to_have_failed_is_told_once(workspace, worker, told):
    claim = await talked(workspace, worker)
    await hangs_up(workspace, claim)
    failed = CallError(code=FailureCode.AGENT_FAILED, message="The agent broke.")
    await brings(workspace, claim, Ending(end_reason=EndReason.FAILED, error=failed, ended_by=EndedBy.SYSTEM))
    (line,) = told(FAILED)
    assert (line.levelname, line.error) == ("WARNING", "agent_failed")
    (end,) = told()
    assert (end.message, end.end_reason, end.error) == (ENDED, "failed", "agent_failed")
