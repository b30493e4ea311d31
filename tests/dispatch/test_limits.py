from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.records import AttemptRecord, CallRecord, Held
from outdial.carriers.calls import HungUp
from outdial.dispatch.limits import (
    is_settled,
    over_at,
    overdue_end,
    surely_ended,
    unheard_end,
    unwanted_end,
    waits_until,
)
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallDirection, CallState, EndedBy, Ending, EndReason

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
        "accepted_at": None,
        "ending": None,
        "price": None,
        "look_ups": 0,
        "hang_up_at": None,
        "hang_ups": 0,
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
        "never_placed": 0,
        "throttled_since": None,
        "holds_line": True,
        "hang_up_requested_at": None,
        "answered_by": None,
        "created_at": NOW,
        "answered_at": None,
    }
    of_attempt = {name: value for name, value in facts.items() if name in AttemptRecord.__dataclass_fields__}
    of_call = {name: value for name, value in facts.items() if name in call and name not in of_attempt}
    return Held(
        attempt=AttemptRecord(**attempt | of_attempt), call=CallRecord(**call | of_call), last_number=1, now=NOW
    )


OPENED_9, OPENED_11 = {"stream_opened_at": before(9)}, {"stream_opened_at": before(11)}
HELD = {"owner": "worker_1"}  # who sees to its audio


@pytest.mark.parametrize(
    ("state", "facts", "reason"),
    [
        (CallState.DIALING, {}, None),
        (CallState.DIALING, {"created_at": before(61)}, EndReason.NO_ANSWER),
        (CallState.RINGING, {"created_at": before(61), "ringing_at": before(34)}, None),
        (CallState.RINGING, {"ringing_at": before(36)}, EndReason.NO_ANSWER),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, "created_at": before(9)}, None),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, "created_at": before(11)}, EndReason.FAILED),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, "created_at": before(99), **OPENED_9}, None),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, **OPENED_11}, EndReason.FAILED),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, **OPENED_11, **HELD}, None),
        (CallState.RINGING, {"direction": CallDirection.INBOUND, "audio_started_at": before(11)}, None),
        (CallState.IN_PROGRESS, {"created_at": before(900)}, None),
        (CallState.IN_PROGRESS, {"answered_at": before(9)}, None),
        (CallState.IN_PROGRESS, {"answered_at": before(11)}, EndReason.FAILED),
        (CallState.IN_PROGRESS, {"answered_at": before(18), **OPENED_9}, None),
        (CallState.IN_PROGRESS, {"answered_at": before(18), **OPENED_11}, EndReason.FAILED),
        (CallState.IN_PROGRESS, {"answered_at": before(18), **OPENED_11, **HELD}, None),
        (CallState.IN_PROGRESS, {"answered_at": before(600), "audio_started_at": before(600)}, None),
        (CallState.IN_PROGRESS, {"answered_at": before(611), "audio_started_at": before(611)}, EndReason.COMPLETED),
    ],
)
def test_a_call_is_ended_when_it_has_outlived_a_limit(state, facts, reason):
    end = overdue_end(limits(**facts), state, NOW, stream_start_timeout_s=10)
    assert (end and end.end_reason) == reason
    assert end is None or end.by is (EndedBy.CARRIER if reason is EndReason.FAILED else EndedBy.LIMIT)


INBOUND = {"direction": CallDirection.INBOUND, "state": CallState.RINGING}
TALKED = {"answered_at": before(600), "audio_started_at": before(600), "state": CallState.IN_PROGRESS}


@pytest.mark.parametrize(
    ("facts", "over"),
    [
        # ring time 30, grace 30 until it is known to ring and 5 then, stream start 10
        ({"created_at": before(69)}, False),
        ({"created_at": before(71)}, True),
        ({"created_at": before(300), "accepted_at": before(69)}, False),
        ({"created_at": before(300), "accepted_at": before(71)}, True),
        ({"created_at": before(100), "ringing_at": before(44)}, False),
        ({"created_at": before(100), "ringing_at": before(46)}, True),
        ({"created_at": before(100), "answered_at": before(9)}, False),
        ({"created_at": before(100), "answered_at": before(11)}, True),
        ({**INBOUND, "created_at": before(9)}, False),
        ({**INBOUND, "created_at": before(11)}, True),
        # its audio came: longest duration 600, grace 10
        ({"created_at": before(680), **TALKED}, False),
        ({"created_at": before(680), "answered_at": before(611), "audio_started_at": before(611)}, True),
        ({**INBOUND, "created_at": before(100), "audio_started_at": before(100)}, False),
        ({"carrier_call": None, "created_at": before(680), "audio_started_at": before(640)}, True),
        # its stream's token was used, and no audio came
        ({"created_at": before(100), "answered_at": before(18), **OPENED_9}, False),
        ({"created_at": before(100), "answered_at": before(18), **OPENED_11}, True),
        ({"created_at": before(100), "answered_at": before(18), **OPENED_11, **HELD}, False),
        ({"created_at": before(700), "answered_at": before(618), "stream_opened_at": before(611), **HELD}, True),
        ({**INBOUND, "created_at": before(100), **OPENED_9}, False),
        ({**INBOUND, "created_at": before(100), **OPENED_11}, True),
        # nobody knows when it was placed, if it was
        ({"carrier_call": None, "created_at": before(300), "unknown_since": before(69)}, False),
        ({"carrier_call": None, "created_at": before(300), "unknown_since": before(71)}, True),
    ],
)
def test_a_call_nobody_tells_us_about_is_over_when_it_must_be(facts, over):
    assert (over_at(limits(**facts), stream_start_timeout_s=10) < NOW) is over


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


@pytest.mark.parametrize(
    ("facts", "asked", "reason", "code", "by"),
    [
        ({}, HungUp.TAKEN, "no_answer", None, "limit"),
        ({}, HungUp.ENDED, "failed", "outcome_unknown", "carrier"),
        ({}, HungUp.NOT_KNOWN, "failed", "not_known_there", "carrier"),
        ({}, None, "failed", "outcome_unknown", "carrier"),
        ({"carrier_call": None}, None, "failed", "outcome_unknown", "carrier"),
        ({"carrier_call": None, "hang_up_requested_at": before(1)}, None, "failed", "outcome_unknown", "carrier"),
        ({"hang_up_requested_at": before(1)}, HungUp.NOT_KNOWN, "canceled", None, "operator"),
        ({"hang_up_requested_at": before(1)}, None, "canceled", None, "operator"),
        ({"ending": Ending(end_reason=EndReason.MACHINE)}, None, "machine", None, "agent"),
        (INBOUND, HungUp.NOT_KNOWN, "failed", "no_media", "carrier"),
        ({"state": CallState.IN_PROGRESS, "answered_at": before(20)}, None, "failed", "no_media", "carrier"),
        ({"state": CallState.RINGING, **OPENED_11}, HungUp.TAKEN, "failed", "no_media", "carrier"),
        ({"state": CallState.IN_PROGRESS, **OPENED_11, **HELD}, None, "failed", "outcome_unknown", "carrier"),
        ({**TALKED, "owner": None}, HungUp.NOT_KNOWN, "completed", None, "callee"),
        ({**TALKED, "owner": None}, HungUp.TAKEN, "completed", None, "limit"),
        ({**TALKED, "owner": None}, None, "failed", "outcome_unknown", "carrier"),
        ({**TALKED, "owner": "worker_1"}, HungUp.NOT_KNOWN, "failed", "not_known_there", "carrier"),
    ],
)
def test_why_a_call_ended_of_which_nobody_tells_us(facts, asked, reason, code, by):
    end = unheard_end(limits(**facts), asked)
    assert (end.end_reason, end.error and end.error.code, end.by) == (reason, code, by)


@pytest.mark.parametrize(
    ("facts", "reason", "by"),
    [
        ({"state": CallState.DIALING}, "canceled", "operator"),
        ({"state": CallState.RINGING}, "canceled", "operator"),
        ({"state": CallState.IN_PROGRESS}, "completed", "operator"),
        ({"state": CallState.RINGING, "ending": Ending(end_reason=EndReason.NO_ANSWER)}, "no_answer", "limit"),
    ],
)
def test_how_a_call_ends_that_somebody_wants_to_end(facts, reason, by):
    end = unwanted_end(limits(**facts, hang_up_requested_at=before(1)))
    assert (end.end_reason, end.by) == (reason, by)


@pytest.mark.parametrize(
    ("facts", "settled"),
    [
        ({"created_at": before(29)}, False),
        ({"created_at": before(31)}, True),
        ({"created_at": before(300), "accepted_at": before(29)}, False),  # its worker was frozen
        ({"created_at": before(29), "ringing_at": before(20)}, False),
        ({"created_at": before(29), "answered_at": before(20)}, True),
    ],
)
def test_a_carrier_that_knows_no_such_call_is_believed_some_time_after_the_dial(facts, settled):
    assert is_settled(limits(**facts), NOW, settle_s=30) is settled


@pytest.mark.parametrize(("seconds", "ended"), [(660, False), (680, True)])
def test_some_day_nobody_needs_to_end_a_call_any_more(seconds, ended):
    assert surely_ended(limits(created_at=before(seconds)), NOW) is ended
