"""What becomes of a transfer, whoever tells it and in whatever order."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason, Progress, transfer_result
from outdial.telephony.transfer import TransferOutcome, settled

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEG = CarrierCall(id="leg-2")
ERROR = CallError(code=FailureCode.NO_ROUTE, message="There is no route to this number.")


def of_leg(state: CallState, end_reason: EndReason | None = None, **facts: object):
    progress = Progress(state=state, at=AT, carrier_call=LEG, end_reason=end_reason, **facts)
    return transfer_result(progress, to="+15551230003", of=CarrierCall(id="call-1"))


@pytest.mark.parametrize(
    ("end_reason", "outcome"),
    [
        (EndReason.COMPLETED, "answered"),
        (EndReason.BUSY, "busy"),
        (EndReason.NO_ANSWER, "no_answer"),
        (EndReason.DECLINED, "declined"),
        (EndReason.CANCELED, "no_answer"),
        (EndReason.FAILED, "failed"),
    ],
)
def test_the_end_of_the_other_leg_is_the_result(end_reason, outcome):
    told = of_leg(CallState.ENDED, end_reason, error=ERROR if outcome == "failed" else None, duration_s=7.0)
    assert (told.outcome, told.is_over, told.leg, told.carrier_call.id) == (outcome, True, "leg-2", "call-1")
    assert (told.error, told.duration_s) == (
        ERROR if outcome == "failed" else None, 7.0 if outcome == "answered" else None
    )
    assert told.has_failed == (outcome != "answered")


def test_while_it_rings_there_is_no_result_and_nobody_is_alone():
    for state in (CallState.DIALING, CallState.RINGING):
        told = of_leg(state)
        assert (told.outcome, told.is_over, told.has_failed) == (None, False, False)
    told = of_leg(CallState.IN_PROGRESS)
    assert (told.outcome, told.is_over, told.has_failed) == ("answered", False, False)


outcomes = st.sampled_from(TransferOutcome)


@given(outcomes, outcomes)
def test_whoever_has_answered_has(one, other):
    assert settled(TransferOutcome.ANSWERED, one) is TransferOutcome.ANSWERED
    assert settled(one, TransferOutcome.ANSWERED) is TransferOutcome.ANSWERED
    assert settled(None, one) is one
    assert settled(one, one) is one


def test_the_more_exact_word_stays():
    busy, declined, failed = TransferOutcome.BUSY, TransferOutcome.DECLINED, TransferOutcome.FAILED
    assert settled(busy, declined) is settled(declined, busy) is declined
    assert settled(busy, TransferOutcome.NO_ANSWER) is busy
    assert settled(failed, busy) is settled(busy, failed) is busy
