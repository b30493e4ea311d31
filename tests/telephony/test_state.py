import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import (
    AHEAD,
    FIRST,
    STEPS,
    Attempt,
    CallState,
    EndReason,
    Progress,
    advance,
    is_of_another_call,
)

ORDER = tuple(CallState)
ARCHITECTURE = Path(__file__).parents[2] / "docs/architecture.md"
T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
CA1 = CarrierCall(id="CA1")
DECLINED = CallError(
    code=FailureCode.BLOCKED, message="The callee's network blocked the call as unwanted.", carrier_code="sip_607"
)


def said(state: CallState, at: datetime = T0, **facts: object) -> Progress:
    if state is CallState.ENDED:
        facts.setdefault("end_reason", EndReason.COMPLETED)
    return Progress(state=state, at=at, **facts)


@pytest.mark.parametrize("late", [CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS, CallState.ENDED])
def test_an_ended_attempt_ignores_late_callbacks(late):
    ended = Attempt(state=CallState.ENDED, carrier_call=CA1, end_reason=EndReason.BUSY, ended_at=T0)
    assert advance(ended, said(late, T0 + timedelta(seconds=9))) == ended


def test_an_attempt_may_skip_states():
    assert advance(Attempt(state=CallState.DIALING), said(CallState.IN_PROGRESS)) == Attempt(
        state=CallState.IN_PROGRESS, answered_at=T0
    )


def test_each_state_keeps_its_own_instant():
    attempt = Attempt(state=CallState.DIALING)
    for seconds, state in enumerate([CallState.RINGING, CallState.IN_PROGRESS, CallState.ENDED]):
        attempt = advance(attempt, said(state, T0 + timedelta(seconds=seconds)))
    assert attempt == Attempt(
        state=CallState.ENDED,
        end_reason=EndReason.COMPLETED,
        ringing_at=T0,
        answered_at=T0 + timedelta(seconds=1),
        ended_at=T0 + timedelta(seconds=2),
    )


def test_a_repeated_event_moves_no_instant():
    ringing = advance(Attempt(state=CallState.DIALING), said(CallState.RINGING))
    assert advance(ringing, said(CallState.RINGING, T0 + timedelta(seconds=5))) == ringing


def test_the_first_carrier_call_is_kept_and_events_of_another_change_nothing():
    attempt = advance(Attempt(state=CallState.DIALING), said(CallState.RINGING, carrier_call=CA1))
    assert attempt.carrier_call == CA1
    assert advance(attempt, said(CallState.ENDED, carrier_call=CarrierCall(id="CA2"))) is attempt
    assert is_of_another_call(CA1, said(CallState.ENDED, carrier_call=CarrierCall(id="CA2")))
    assert not is_of_another_call(CA1, said(CallState.ENDED))
    assert not is_of_another_call(None, said(CallState.ENDED, carrier_call=CA1))


def test_what_else_it_takes_to_find_a_call_is_collected():
    attempt = Attempt(state=CallState.IN_PROGRESS, carrier_call=CarrierCall(id="CA1", refs={"leg": "1"}))
    late = said(CallState.DIALING, carrier_call=CarrierCall(id="CA1", refs={"region": "eu"}))
    assert advance(attempt, late).carrier_call == CarrierCall(id="CA1", refs={"leg": "1", "region": "eu"})


def test_a_late_event_still_tells_the_carrier_call_id():
    ringing = Attempt(state=CallState.RINGING, ringing_at=T0)
    assert advance(ringing, said(CallState.DIALING, carrier_call=CA1)) == Attempt(
        state=CallState.RINGING, ringing_at=T0, carrier_call=CA1
    )


def test_an_end_says_why():
    ended = advance(
        Attempt(state=CallState.RINGING), said(CallState.ENDED, end_reason=EndReason.DECLINED, error=DECLINED)
    )
    assert (ended.end_reason, ended.error, ended.ended_at) == (EndReason.DECLINED, DECLINED, T0)


def test_a_call_of_which_only_the_end_was_heard_was_as_long_as_its_carrier_says():
    ended = said(CallState.ENDED, duration_s=60.0)
    assert advance(Attempt(state=CallState.DIALING), ended).answered_at == T0 - timedelta(seconds=60)
    known = Attempt(state=CallState.IN_PROGRESS, answered_at=T0 - timedelta(seconds=59))
    assert advance(known, ended).answered_at == known.answered_at
    for unanswered in (said(CallState.ENDED, duration_s=0.0), said(CallState.ENDED)):
        assert advance(Attempt(state=CallState.DIALING), unanswered).answered_at is None


def test_an_end_without_a_reason_is_a_failure():
    event = Progress(state=CallState.ENDED, at=T0)
    assert advance(Attempt(state=CallState.RINGING), event).end_reason is EndReason.FAILED


@given(st.lists(st.sampled_from(ORDER)))
def test_whatever_arrives_in_whatever_order_an_attempt_only_moves_forward(states):
    attempt = Attempt(state=CallState.QUEUED)
    for state in states:
        before, attempt = attempt, advance(attempt, said(state))
        assert ORDER.index(attempt.state) == max(ORDER.index(before.state), ORDER.index(state))
        assert (attempt.end_reason is None) == (attempt.state is not CallState.ENDED)


def test_every_later_state_is_ahead_and_no_other():
    for number, state in enumerate(ORDER):
        assert AHEAD[state] == set(ORDER[number + 1 :])


def test_a_call_goes_back_only_to_the_queue_and_is_over_when_it_has_ended():
    assert STEPS.keys() == set(CallState)
    assert STEPS[CallState.ENDED] == {}
    back = {(before, after) for before, steps in STEPS.items() for after in steps if after not in AHEAD[before]}
    assert {after for _, after in back} == {CallState.QUEUED}


def test_the_architecture_draws_the_states_as_they_are():
    (picture,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", ARCHITECTURE.read_text(), re.DOTALL)
    drawn = [tuple(re.split(r" --> |: ", line.strip())) for line in picture.splitlines()]
    first = [("[*]", str(state), why) for state, why in FIRST.items()]
    steps = [(str(before), str(after), why) for before, after_why in STEPS.items() for after, why in after_why.items()]
    assert drawn == [*first, *steps, ("ended", "[*]")]
