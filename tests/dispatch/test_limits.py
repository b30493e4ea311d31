from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.records import AttemptRecord, CallRecord, Held
from outdial.dispatch.limits import must_be_over, overdue_end, waits_until
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallDirection, CallState, Ending, EndReason

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def before(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def limits(**facts):
    attempt = {
        "id": "att_1",
        "call_id": "call_1",
        "number": 1,
        "carrier": "twilio",
        "carrier_account_id": "acct_1",
        "state": CallState.DIALING,
        "carrier_call": CarrierCall(id="CA1"),
        "stream_opened_at": None,
        "audio_started_at": None,
        "owner": None,
        "unknown_since": None,
        "created_at": before(20),
        "ending": None,
        "price": None,
    }
    call = {
        "id": "call_1",
        "workspace_id": "ws_1",
        "number_id": "num_1",
        "direction": CallDirection.OUTBOUND,
        "state": CallState.DIALING,
        "from_": "+15551230002",
        "to": "+15551230001",
        "agent_id": "agent_1",
        "agent_version": 1,
        "detection": None,
        "retry": None,
        "ring_timeout_s": 30,
        "max_duration_s": 600,
        "expires_at": None,
        "deferrals": 0,
        "holds_line": True,
        "hang_up_requested_at": None,
        "answered_by": None,
        "answered_at": None,
    }
    of_attempt = {name: value for name, value in facts.items() if name in AttemptRecord.__dataclass_fields__}
    of_call = {name: value for name, value in facts.items() if name in call and name not in of_attempt}
    return Held(
        attempt=AttemptRecord(**attempt | of_attempt), call=CallRecord(**call | of_call), last_number=1, now=NOW
    )


@pytest.mark.parametrize(
    ("state", "facts", "reason"),
    [
        (CallState.DIALING, {}, None),
        (CallState.DIALING, {"created_at": before(61)}, EndReason.NO_ANSWER),
        (CallState.RINGING, {"created_at": before(61), "ringing_at": before(34)}, None),
        (CallState.RINGING, {"ringing_at": before(36)}, EndReason.NO_ANSWER),
        (CallState.RINGING, {"hang_up_requested_at": before(1)}, EndReason.CANCELED),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, "created_at": before(9)}, None),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, "created_at": before(11)}, EndReason.FAILED),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, "stream_opened_at": before(11)}, None),
        (CallState.IN_PROGRESS, {"hang_up_requested_at": before(1)}, EndReason.COMPLETED),
        (CallState.IN_PROGRESS, {"created_at": before(900)}, None),
        (CallState.IN_PROGRESS, {"answered_at": before(9)}, None),
        (CallState.IN_PROGRESS, {"answered_at": before(11)}, EndReason.FAILED),
        (CallState.IN_PROGRESS, {"answered_at": before(600), "stream_opened_at": before(600)}, None),
        (CallState.IN_PROGRESS, {"answered_at": before(611), "stream_opened_at": before(611)}, EndReason.COMPLETED),
    ],
)
def test_a_call_is_ended_when_it_has_outlived_a_limit(state, facts, reason):
    end = overdue_end(limits(**facts), state, NOW, stream_start_timeout_s=10)
    assert (end and end.end_reason) == reason


@pytest.mark.parametrize(
    ("facts", "over"),
    [
        ({"created_at": before(660)}, False),
        ({"created_at": before(680)}, True),
        ({"created_at": before(680), "answered_at": before(600)}, False),
        ({"created_at": before(680), "answered_at": before(611)}, True),
        ({"carrier_call": None, "created_at": before(100_000)}, False),
        ({"carrier_call": None, "created_at": before(59), "hang_up_requested_at": before(1)}, False),
        ({"carrier_call": None, "created_at": before(61), "hang_up_requested_at": before(1)}, True),
        ({"carrier_call": None, "created_at": before(680), "stream_opened_at": before(640)}, True),
    ],
)
def test_a_call_nobody_tells_us_about_is_over_when_it_must_be(facts, over):
    assert must_be_over(limits(**facts), NOW) is over


@pytest.mark.parametrize(
    ("facts", "until"),
    [
        ({}, None),
        ({"ending": Ending(end_reason=EndReason.COMPLETED)}, None),
        ({"ending": Ending(end_reason=EndReason.COMPLETED, not_before=before(-9))}, before(-9)),
        ({"ending": Ending(end_reason=EndReason.COMPLETED, not_before=before(0))}, None),
        ({"ending": Ending(end_reason=EndReason.COMPLETED, not_before=before(-9)), "hang_up_requested_at": NOW}, None),
    ],
)
def test_a_call_waits_for_a_last_sentence_and_for_nothing_else(facts, until):
    assert waits_until(limits(**facts), NOW) == until
