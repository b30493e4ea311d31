from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from outdial.dispatch.limits import must_be_over, overdue_end
from outdial.telephony.state import CallState, EndReason

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def before(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def limits(**facts):
    row = {
        "direction": "outbound",
        "created_at": before(20),
        "ringing_at": None,
        "answered_at": None,
        "stream_opened_at": None,
        "hang_up_requested_at": None,
        "carrier_call_id": "CA1",
        "ring_timeout_s": 30,
        "max_duration_s": 600,
    }
    return SimpleNamespace(**row | facts)


@pytest.mark.parametrize(
    ("state", "facts", "reason"),
    [
        (CallState.DIALING, {}, None),
        (CallState.DIALING, {"created_at": before(61)}, EndReason.NO_ANSWER),
        (CallState.RINGING, {"created_at": before(61), "ringing_at": before(34)}, None),
        (CallState.RINGING, {"ringing_at": before(36)}, EndReason.NO_ANSWER),
        (CallState.RINGING, {"hang_up_requested_at": before(1)}, EndReason.CANCELED),
        (CallState.RINGING, {"direction": "inbound", "created_at": before(9)}, None),
        (CallState.RINGING, {"direction": "inbound", "created_at": before(11)}, EndReason.FAILED),
        (CallState.RINGING, {"direction": "inbound", "stream_opened_at": before(11)}, None),
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
    assert (end and end[0]) == reason


@pytest.mark.parametrize(
    ("facts", "over"),
    [
        ({"created_at": before(660)}, False),
        ({"created_at": before(680)}, True),
        ({"created_at": before(680), "answered_at": before(600)}, False),
        ({"created_at": before(680), "answered_at": before(611)}, True),
        ({"carrier_call_id": None, "created_at": before(100_000)}, False),
        ({"carrier_call_id": None, "created_at": before(59), "hang_up_requested_at": before(1)}, False),
        ({"carrier_call_id": None, "created_at": before(61), "hang_up_requested_at": before(1)}, True),
        ({"carrier_call_id": None, "created_at": before(680), "stream_opened_at": before(640)}, True),
    ],
)
def test_a_call_nobody_tells_us_about_is_over_when_it_must_be(facts, over):
    assert must_be_over(limits(**facts), NOW) is over
