import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.carriers.callbacks import BackToAgent, BadCallback, Callback, IncomingCall
from outdial.carriers.vonage.callbacks import incoming, parse, reply
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures/vonage_callbacks.json").read_text())
EVENTS = [
    pytest.param(each, id=f"{name}-{each['name']}")
    for name, callbacks in [*RECORDED["scenarios"].items(), ("single", RECORDED["single"].values())]
    for each in callbacks
    if "answer_with" not in each["means"]  # asked only of those who don't send the NCCO inline
]
UUID = RECORDED["uuid"]
CONVERSATION = "CON-f972836a-550f-45fa-956c-12a2ab5b7d22"
CALL = CarrierCall(id=UUID, refs={"conversation_uuid": CONVERSATION})
RECEIVED_AT = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
AT = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)


def read(kind: str = "event", **told: object) -> Callback:
    told = {"uuid": UUID, "timestamp": "2026-01-01T12:00:05.000Z"} | told
    return parse(kind, json.dumps(told).encode(), headers={}, received_at=RECEIVED_AT)


@pytest.mark.parametrize("callback", EVENTS)
def test_every_recorded_callback_means_what_it_says(callback):
    request, means = callback["request"], callback["means"]
    parsed = parse("event", request["body"].encode(), headers=request["headers"], received_at=RECEIVED_AT)
    match parsed.event:
        case Progress(state=state, end_reason=end_reason, carrier_call=carrier_call):
            assert state == means["state"]
            declined = means.get("detail") == "declined"  # recorded as one kind of failure
            assert end_reason == ("declined" if declined else means.get("end_reason"))
            assert carrier_call == parsed.call == CALL
        case Verdict(answered_by=answered_by, message_end=message_end):
            assert answered_by == means["answered_by"]
            assert message_end is ("beep" in means)
        case None:
            assert not {"state", "answered_by"} & set(means)


def test_the_events_of_the_websockets_own_leg_change_nothing():
    for status in ("started", "answered", "completed", "disconnected", "failed", "unanswered"):
        callback = read(uuid=RECORDED["websocket_leg_uuid"], to="wss://voice.example/media", status=status)
        assert (callback.event, callback.call, callback.price) == (None, None, None)
        assert read("stream", status=status).event is None


def test_the_end_of_a_call_tells_how_long_it_was_and_what_it_cost():
    completed = RECORDED["scenarios"]["answered_by_human"][-1]["request"]
    parsed = parse("event", completed["body"].encode(), headers=completed["headers"], received_at=RECEIVED_AT)
    assert parsed.event == Progress(
        state=CallState.ENDED,
        at=datetime(2026, 1, 1, 12, 1, 8, tzinfo=UTC),
        carrier_call=CALL,
        end_reason=EndReason.COMPLETED,
        by_callee=True,
        duration_s=60.0,
    )
    assert parsed.price == Price(amount="0.01400000", currency="EUR")


@pytest.mark.parametrize(
    ("told", "end_reason", "codes"),
    [
        ({"status": "rejected", "detail": "declined"}, EndReason.DECLINED, None),
        ({"status": "rejected", "sip_code": 603}, EndReason.DECLINED, None),
        ({"status": "rejected", "detail": "invalid_number"}, EndReason.FAILED, ("number_invalid", "invalid_number")),
        (
            {"status": "rejected", "detail": "invalid_number", "sip_code": 603},
            EndReason.FAILED,
            ("number_invalid", "invalid_number"),
        ),
        ({"status": "rejected", "detail": "restricted"}, EndReason.FAILED, ("destination_not_allowed", "restricted")),
        ({"status": "rejected"}, EndReason.FAILED, ("not_connected", None)),
        ({"status": "rejected", "detail": "moody"}, EndReason.FAILED, ("not_connected", "moody")),
        ({"status": "failed", "sip_code": 404}, EndReason.FAILED, ("number_not_in_service", "sip_404")),
        (
            {"status": "failed", "detail": "number_out_of_service"},
            EndReason.FAILED,
            ("number_not_in_service", "number_out_of_service"),
        ),
        ({"status": "failed", "detail": "<b>", "sip_code": "x"}, EndReason.FAILED, ("not_connected", None)),
        ({"status": "unanswered", "sip_code": 480}, EndReason.NO_ANSWER, None),
        ({"status": "evaporated", "disconnected_by": "user"}, EndReason.FAILED, ("not_connected", None)),
    ],
)
def test_why_nobody_answered(told, end_reason, codes):
    event = read(**told).event
    assert (event.state, event.end_reason) == (CallState.ENDED, end_reason)
    assert (event.error and (event.error.code, event.error.carrier_code)) == codes


def test_detection_names_the_call_differently():
    told = {"status": "machine", "sub_state": "beep_start", "call_uuid": UUID, "timestamp": "2026-01-01T12:00:05Z"}
    assert parse("event", json.dumps(told).encode(), headers={}, received_at=RECEIVED_AT).event == Verdict(
        answered_by=AnsweredBy.MACHINE,
        at=AT,
        evidence=("vonage:beep_start",),
        message_end=True,
        beeped=True,
        carrier_call=CarrierCall(id=UUID),
    )
    assert read(status="human").event.message_end is False
    timeout = read(status="machine", sub_state="beep_timeout").event
    assert (timeout.message_end, timeout.beeped) == (True, False)


def test_the_region_of_a_call_is_kept_with_it():
    assert read(status="ringing", region_url="https://api-us-3.vonage.com").call == CarrierCall(
        id=UUID, refs={"region_url": "https://api-us-3.vonage.com"}
    )
    assert read(status="ringing", region_url="a\0b", conversation_uuid="\ud800").call == CarrierCall(id=UUID)


def test_an_unknown_status_is_ignored_while_the_call_goes_on():
    assert read(status="pondering").event is None


def test_repeats_have_the_same_key_and_other_callbacks_another():
    callbacks = RECORDED["scenarios"]["answered_by_human"]
    keys = [
        parse("event", each["request"]["body"].encode(), headers=each["request"]["headers"], received_at=at).dedupe_key
        for at in (RECEIVED_AT, AT)
        for each in callbacks
        if each["request"]["method"] == "POST"
    ]
    assert len(set(keys)) == len(keys) / 2
    assert read(status="ringing").dedupe_key == read(status="ringing").dedupe_key != read(status="busy").dedupe_key


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", b"\xff", b"[]", b"7", b"[" * 100_000, b"{}", b'{"status":"ringing"}', b'{"status":1}',
     b'{"status":"ringing","uuid":"../x"}', b'{"status":"ringing","uuid":"a\\u0000bcdefgh"}'],
)
def test_a_malformed_body_is_a_bad_callback(body):
    with pytest.raises(BadCallback):
        parse("event", body, headers={}, received_at=RECEIVED_AT)


def test_only_a_transfer_that_nobody_answered_is_answered_with_a_sentence():
    for status in ("timeout", "busy", "unanswered", "rejected", "failed", "cancelled"):
        said = reply("transfer", json.dumps({"status": status}).encode())
        assert said.media_type == "application/json"
        assert json.loads(said.body)[0]["text"].startswith("Sorry, nobody is available")
    for status in ("started", "ringing", "answered", "completed"):
        assert reply("transfer", json.dumps({"status": status}).encode()) is None
    assert reply("event", b'{"status":"busy"}') is None
    talked = read("transfer", status="completed", duration="7").event
    assert (talked.outcome, talked.is_over, talked.duration_s) == ("answered", True, 7.0)


def test_a_call_that_comes_in_is_announced_with_plus_signs():
    request = RECORDED["single"]["answer_post"]["request"]
    assert incoming(request["body"].encode(), received_at=RECEIVED_AT) == IncomingCall(
        call=CarrierCall(
            id=UUID, refs={"conversation_uuid": CONVERSATION, "region_url": "https://api-us-3.vonage.com"}
        ),
        from_="+15551230002",
        to="+15551230001",
        at=RECEIVED_AT,
    )
    anonymous = {"to": "15551230002", "from": "unknown", "uuid": UUID}
    assert incoming(json.dumps(anonymous).encode(), received_at=RECEIVED_AT).from_ == "unknown"


@pytest.mark.parametrize("body", [b"{}", b'{"to":"15551230002"}', b'{"uuid":"63f61863-4a51"}', b"x"])
def test_what_is_no_announcement_is_a_bad_callback(body):
    with pytest.raises(BadCallback):
        incoming(body, received_at=RECEIVED_AT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(["status", "uuid", "call_uuid", "to", "timestamp", "price", "duration", "sip_code", "detail"])
known_words = st.sampled_from(["completed", "machine", "beep_start", UUID, "rejected", "2026-01-01", "NaN", "9" * 99])


@given(st.sampled_from(["event", "stream", "transfer", "x"]), st.dictionaries(fields, json_values | known_words))
def test_arbitrary_fields_never_raise_anything_but_bad_callback(kind, told):
    body = json.dumps(told).encode()
    with contextlib.suppress(BadCallback):
        parse(kind, body, headers={}, received_at=RECEIVED_AT)
    with contextlib.suppress(BadCallback):
        reply(kind, body)
    with contextlib.suppress(BadCallback):
        incoming(body, received_at=RECEIVED_AT)


@given(st.binary())
def test_arbitrary_bodies_never_raise_anything_but_bad_callback(body):
    with contextlib.suppress(BadCallback):
        parse("event", body, headers={"Authorization": body.decode("latin-1")}, received_at=RECEIVED_AT)


@pytest.mark.parametrize(("by", "by_callee"), [("user", True), ("platform", False), ("moon", None), (None, None)])
def test_the_end_of_a_call_says_who_hung_up_where_vonage_does(by, by_callee):
    told = {} if by is None else {"disconnected_by": by}
    assert read(status="completed", **told).event.by_callee is by_callee


# -- transfers


@pytest.mark.parametrize(
    ("told", "outcome", "is_over"),
    [
        ({"status": "started"}, None, False),
        ({"status": "answered"}, "answered", False),
        ({"status": "completed", "duration": "12"}, "answered", True),
        ({"status": "busy"}, "busy", True),
        ({"status": "timeout"}, "no_answer", True),
        ({"status": "unanswered"}, "no_answer", True),
        ({"status": "rejected", "detail": "declined"}, "declined", True),
        ({"status": "failed", "detail": "number_out_of_service"}, "failed", True),
        ({"status": "cancelled"}, "no_answer", True),
    ],
)
def test_the_other_leg_says_what_became_of_a_transfer(told, outcome, is_over):
    event = read("transfer", to="15551230003", **told).event
    assert (event.outcome, event.is_over, event.to) == (outcome, is_over, "+15551230003")
    assert (event.duration_s, event.error is not None) == (12.0 if "duration" in told else None, outcome == "failed")


def test_a_failed_transfer_goes_back_to_its_agent_where_there_is_one():
    back = BackToAgent(
        ref="call_1", from_="+15551230002", callback_url="https://voice.example/c", stream_url="wss://voice.example/m/t",
        max_duration_s=600,
    )
    [connect] = json.loads(reply("transfer", b'{"status": "busy"}', back=back).body)
    assert (connect["from"], connect["endpoint"][0]["uri"]) == ("15551230002", "wss://voice.example/m/t")
    assert reply("transfer", b'{"status": "completed"}', back=back) is None
