import contextlib
import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.carriers.callbacks import BadCallback, Callback, IncomingCall
from outdial.carriers.telnyx.callbacks import incoming, parse, reply
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.price import Price
from outdial.telephony.state import Attempt, CallState, EndReason, Progress, advance
from outdial.telephony.verdict import UNDECIDED, AnsweredBy, Verdict

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures/telnyx_callbacks.json").read_text())
EVENTS = [
    pytest.param(each, id=f"{name}-{each['name']}")
    for name, callbacks in [*RECORDED["scenarios"].items(), ("single", RECORDED["single"].values())]
    for each in callbacks
]
CALL = CarrierCall(
    id=RECORDED["call_control_id"],
    refs={"call_leg_id": RECORDED["call_leg_id"], "call_session_id": RECORDED["call_session_id"]},
)
RECEIVED_AT = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
AT = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)


def read(event_type: str, **payload: object) -> Callback:
    data = {
        "event_type": event_type,
        "id": "0ccc7b54",
        "occurred_at": "2026-01-01T12:00:05.000000Z",
        "payload": {"call_control_id": CALL.id} | payload,
    }
    return parse("event", json.dumps({"data": data}).encode(), headers={}, received_at=RECEIVED_AT)


@pytest.mark.parametrize("callback", EVENTS)
def test_every_recorded_callback_means_what_it_says(callback):
    request, means = callback["request"], callback["means"]
    parsed = parse("event", request["body"].encode(), headers=request["headers"], received_at=RECEIVED_AT)
    assert callback["json"]["data"]["id"] in parsed.dedupe_key
    up = Attempt(state=CallState.RINGING, carrier_call=CALL)
    match parsed.event:
        case Progress() if "transfer" in means:  # of the other party's leg: another call
            assert advance(up, parsed.event) is up
        case Progress(state=state, end_reason=end_reason, carrier_call=carrier_call):
            assert state == means["state"]
            declined = means.get("detail") == "declined"  # recorded as one kind of failure
            assert end_reason == ("declined" if declined else means.get("end_reason"))
            assert carrier_call == parsed.call == CALL
        case Verdict(answered_by=answered_by, message_end=message_end):
            # Recorded as one kind of machine, and as nothing that can be told.
            own = {"fax_detected": "fax", "silence": "silence"}.get(callback["json"]["data"]["payload"]["result"])
            assert answered_by == (own or means.get("answered_by", "machine"))
            assert message_end is ("beep" in means)
        case None:
            assert not {"state", "answered_by"} & set(means)
    if "price" in means:
        assert parsed.price == Price(amount=means["price"], currency=means["currency"])
    else:
        assert parsed.price is None


@pytest.mark.parametrize(
    ("cause", "sip_code", "end_reason", "codes"),
    [
        ("normal_clearing", "200", EndReason.COMPLETED, None),
        ("normal_clearing", "unspecified", EndReason.COMPLETED, None),  # as for calls that came in
        ("normal_clearing", "487", EndReason.FAILED, ("not_connected", "sip_487")),
        ("user_busy", "486", EndReason.BUSY, None),
        ("timeout", "487", EndReason.NO_ANSWER, None),
        ("no_answer", "480", EndReason.NO_ANSWER, None),
        ("originator_cancel", "487", EndReason.CANCELED, None),
        ("time_limit", "200", EndReason.COMPLETED, None),
        ("call_rejected", "603", EndReason.DECLINED, None),
        ("call_rejected", "403", EndReason.FAILED, ("carrier_refused", "sip_403")),
        ("call_rejected", "unspecified", EndReason.FAILED, ("not_connected", "call_rejected")),
        ("not_found", "404", EndReason.FAILED, ("number_not_in_service", "not_found")),
        ("unspecified", "200", EndReason.COMPLETED, None),
        ("unspecified", "503", EndReason.FAILED, ("network_error", "sip_503")),
        ("unspecified", "486", EndReason.BUSY, None),
        ("unspecified", "", EndReason.FAILED, ("not_connected", "unspecified")),
        ("evaporated", "", EndReason.FAILED, ("not_connected", "evaporated")),
        ("e\0", "", EndReason.FAILED, ("not_connected", None)),
        ("", "", EndReason.FAILED, ("not_connected", None)),
    ],
)
def test_why_a_call_ended(cause, sip_code, end_reason, codes):
    event = read("call.hangup", hangup_cause=cause, sip_hangup_cause=sip_code).event
    assert (event.state, event.end_reason) == (CallState.ENDED, end_reason)
    assert (event.error and (event.error.code, event.error.carrier_code)) == codes


def test_who_is_silent_is_told_as_that_and_may_speak_yet():
    found = read("call.machine.premium.detection.ended", result="silence").event
    assert found.answered_by is AnsweredBy.SILENCE
    assert found.answered_by in UNDECIDED


@pytest.mark.parametrize("premium", ["", "premium."])
def test_both_kinds_of_detection_are_understood(premium):
    found = read(f"call.machine.{premium}detection.ended", result="machine").event
    assert found == Verdict(
        answered_by=AnsweredBy.MACHINE,
        at=AT,
        evidence=("telnyx:machine",),
        carrier_call=CarrierCall(id=CALL.id),
    )
    ended = read(f"call.machine.{premium}greeting.ended", result="beep_detected").event
    assert (ended.answered_by, ended.message_end, ended.beeped) == (AnsweredBy.MACHINE, True, True)
    assert not read(f"call.machine.{premium}greeting.ended", result="no_beep_detected").event.beeped
    assert ended.evidence == ("telnyx:greeting_beep_detected",)
    for kind in ("detection", "greeting"):
        assert read(f"call.machine.{premium}{kind}.ended", result="parrot").event is None


def test_what_we_do_not_know_is_ignored():
    for event_type in ("call.sang", "call.machine.sang", "conference.created", "streaming.stopped"):
        assert read(event_type).event is None


def test_a_callback_without_a_readable_time_happened_when_it_came():
    data = {"event_type": "call.answered", "occurred_at": "yesterday", "payload": {"call_control_id": "v3:x"}}
    parsed = parse("event", json.dumps({"data": data}).encode(), headers={}, received_at=RECEIVED_AT)
    assert parsed.event.at == RECEIVED_AT


# -- transfers: the other leg is known by its client state


def of_the_other_leg(event_type: str, **payload: object) -> Callback:
    state = b64encode(f"transfer:{CALL.id}".encode()).decode()
    return read(event_type, **{"call_control_id": "v3:other", "client_state": state} | payload)


@pytest.mark.parametrize(
    ("cause", "sip_code"),
    [
        *((cause, "") for cause in ("timeout", "no_answer", "user_busy", "call_rejected", "not_found")),
        ("normal_clearing", "480"),
        ("unspecified", "503"),
        ("unspecified", ""),
        ("evaporated", ""),
    ],
)
def test_a_transfer_nobody_answered_says_who_is_left_alone(cause, sip_code):
    callback = of_the_other_leg("call.hangup", hangup_cause=cause, sip_hangup_cause=sip_code)
    assert callback.event.has_failed
    assert (callback.event.carrier_call, callback.call) == (CarrierCall(id=CALL.id), None)
    assert callback.left_alone == CarrierCall(id=CALL.id)


@pytest.mark.parametrize(
    ("event_type", "payload", "outcome"),
    [
        ("call.initiated", {}, None),
        ("call.answered", {}, "answered"),
        ("call.hangup", {"hangup_cause": "normal_clearing"}, "answered"),
        ("call.hangup", {"hangup_cause": "unspecified", "sip_hangup_cause": "200"}, "answered"),
        ("call.hangup", {"hangup_cause": "time_limit"}, "answered"),
        ("call.hangup", {"hangup_cause": "originator_cancel"}, "no_answer"),  # the callee hung up while it rang
    ],
)
def test_whatever_else_happens_to_the_other_leg_leaves_nobody_alone(event_type, payload, outcome):
    callback = of_the_other_leg(event_type, **payload)
    assert (callback.event.outcome, callback.event.is_over) == (outcome, event_type == "call.hangup")
    assert (callback.call, callback.left_alone, callback.price) == (None, None, None)


@pytest.mark.parametrize("event_type", ["call.cost", "call.bridged", "streaming.started"])
def test_what_the_other_leg_costs_is_no_price_of_the_call(event_type):
    callback = of_the_other_leg(event_type, total_cost="1.0")
    assert (callback.event, callback.left_alone, callback.price) == (None, None, None)


@pytest.mark.parametrize(
    ("cause", "sip_code", "outcome"),
    [
        ("user_busy", "486", "busy"),
        ("call_rejected", "603", "declined"),
        ("timeout", "487", "no_answer"),
        ("no_answer", "480", "no_answer"),
        ("not_found", "404", "failed"),
        ("call_rejected", "403", "failed"),
    ],
)
def test_the_end_of_the_other_leg_says_what_became_of_the_transfer(cause, sip_code, outcome):
    told = of_the_other_leg(
        "call.hangup", hangup_cause=cause, sip_hangup_cause=sip_code, call_leg_id="leg-2", to="+15551230003"
    ).event
    assert (told.outcome, told.error is None, told.is_over) == (outcome, outcome != "failed", True)
    assert (told.leg, told.to, told.duration_s) == ("leg-2", "+15551230003", None)


def test_telnyx_reads_no_answer():
    assert reply("event", b"") is None


# -- calls that come in


def announced(**changes: object) -> bytes:
    payload = {
        "call_control_id": "v3:in", "call_leg_id": "leg", "direction": "incoming", "state": "parked",
        "from": "+15551230001", "to": "+15551230002",
    }
    data = {"event_type": "call.initiated", "id": "1", "occurred_at": "2026-01-01T12:00:05Z"}
    return json.dumps({"data": data | {"payload": payload | changes}}).encode()


def test_a_call_that_comes_in_is_announced():
    assert incoming(announced(), received_at=RECEIVED_AT) == IncomingCall(
        call=CarrierCall(id="v3:in", refs={"call_leg_id": "leg"}), from_="+15551230001", to="+15551230002", at=AT
    )


def test_the_other_callbacks_of_an_application_announce_nothing():
    assert incoming(announced(direction="outgoing"), received_at=RECEIVED_AT) is None
    hangup = RECORDED["scenarios"]["busy"][-1]["request"]["body"].encode()
    assert incoming(hangup, received_at=RECEIVED_AT) is None


@pytest.mark.parametrize("body", [announced(to=None), announced(call_control_id=7), b"", b"[]", b'{"data":1}'])
def test_what_is_no_announcement_is_a_bad_callback(body):
    with pytest.raises(BadCallback):
        incoming(body, received_at=RECEIVED_AT)


# -- any input


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"\xff", b"[]", b"[" * 100_000, b"{}", b'{"data":[]}', b'{"data":{}}',
     b'{"data":{"event_type":"call.hangup"}}', b'{"data":{"event_type":"call.hangup","payload":{}}}',
     b'{"data":{"event_type":"call.hangup","payload":{"call_control_id":"a\\u0000"}}}'],
)
def test_a_malformed_body_is_a_bad_callback(body):
    with pytest.raises(BadCallback):
        parse("event", body, headers={}, received_at=RECEIVED_AT)


def test_repeats_have_the_same_key_and_other_callbacks_another():
    order = RECORDED["scenarios"]["out_of_order_and_repeated"]
    keys = [
        parse("event", each["request"]["body"].encode(), headers={}, received_at=RECEIVED_AT).dedupe_key
        for each in order
    ]
    assert [each["name"] for each in order][0::2] == ["call.answered"] * 2
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
event_types = st.sampled_from(
    ["call.initiated", "call.hangup", "call.cost", "call.machine.detection.ended", "call.machine.greeting.ended", "x"]
)
fields = st.sampled_from(
    ["call_control_id", "call_leg_id", "client_state", "hangup_cause", "sip_hangup_cause", "result", "total_cost",
     "cost_parts", "direction", "to", "from"]
)


@given(event_types, st.dictionaries(fields, json_values | st.just("NaN")), json_values)
def test_arbitrary_fields_never_raise_anything_but_bad_callback(event_type, payload, other):
    data = {"event_type": event_type, "payload": payload, "id": other, "occurred_at": other}
    body = json.dumps({"data": data}).encode()
    with contextlib.suppress(BadCallback):
        parse("event", body, headers={}, received_at=RECEIVED_AT)
    with contextlib.suppress(BadCallback):
        incoming(body, received_at=RECEIVED_AT)


@given(st.binary())
def test_arbitrary_bodies_never_raise_anything_but_bad_callback(body):
    with contextlib.suppress(BadCallback):
        parse("event", body, headers={}, received_at=RECEIVED_AT)


@pytest.mark.parametrize(
    ("payload", "by_callee", "ended_by"),
    [
        ({"hangup_cause": "normal_clearing", "hangup_source": "callee"}, True, None),
        ({"hangup_cause": "normal_clearing", "hangup_source": "caller"}, False, None),
        ({"hangup_cause": "normal_clearing", "hangup_source": "unknown"}, None, None),
        ({"hangup_cause": "time_limit", "hangup_source": "caller"}, False, "limit"),
    ],
)
def test_the_end_of_a_call_says_who_hung_up_where_telnyx_does(payload, by_callee, ended_by):
    event = read("call.hangup", sip_hangup_cause="200", **payload).event
    assert (event.by_callee, event.ended_by) == (by_callee, ended_by)


def test_a_stream_that_telnyx_could_not_open_is_told():
    callback = read("streaming.failed", failure_reason="connection_failed")
    assert (callback.event, callback.stream_failed, callback.call.id) == (None, True, CALL.id)
    assert not read("streaming.stopped").stream_failed
