import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.carriers.callbacks import BackToAgent, BadCallback, Callback
from outdial.carriers.twilio.callbacks import parse, reply
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures/twilio_callbacks.json").read_text())
SCENARIOS = [
    pytest.param(callback, id=f"{name}-{callback['name']}")
    for name, callbacks in RECORDED["scenarios"].items()
    for callback in callbacks
    if not callback["request"]["url"].endswith("/twiml")  # asked only of those who don't send TwiML inline
] + [pytest.param(callback, id=name) for name, callback in RECORDED["single"].items()]
CALL_SID = RECORDED["call_sid"]
RECEIVED_AT = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def read(kind: str, headers: dict[str, str] | None = None, **form: str) -> Callback:
    body = urlencode({"CallSid": CALL_SID, **form}).encode()
    return parse(kind, body, headers=headers or {}, received_at=RECEIVED_AT)


@pytest.mark.parametrize("callback", SCENARIOS)
def test_every_recorded_callback_means_what_it_says(callback):
    request, means = callback["request"], callback["means"]
    kind = request["url"].rpartition("/")[2]
    parsed = parse(kind, request["body"].encode(), headers=request["headers"], received_at=RECEIVED_AT)
    assert parsed.kind == kind
    assert request["headers"]["I-Twilio-Idempotency-Token"] in parsed.dedupe_key
    match parsed.event:
        case Progress(state=state, end_reason=end_reason, carrier_call=carrier_call):
            assert state == means["state"]
            assert end_reason == means.get("end_reason")
            assert carrier_call == parsed.call == CarrierCall(id=CALL_SID)
        case Verdict(answered_by=answered_by):
            fax = callback["form"]["AnsweredBy"] == "fax"  # recorded as one kind of machine
            assert answered_by == ("fax" if fax else means["answered_by"])
        case None:
            assert not {"state", "answered_by"} & set(means)


def test_the_end_of_a_call_tells_when_and_how_long():
    parsed = read("status", CallStatus="completed", Timestamp="Thu, 01 Jan 2026 14:01:08 +0200", CallDuration="60")
    assert parsed.event == Progress(
        state=CallState.ENDED,
        at=datetime(2026, 1, 1, 12, 1, 8, tzinfo=UTC),
        carrier_call=CarrierCall(id=CALL_SID),
        end_reason=EndReason.COMPLETED,
        duration_s=60.0,
    )


@pytest.mark.parametrize(
    "timestamp", ["", "yesterday", "Thu, 99 Jan 2026 12:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 -2359"]
)
def test_a_callback_without_a_readable_time_happened_when_it_came(timestamp):
    assert read("status", CallStatus="ringing", Timestamp=timestamp).event.at == RECEIVED_AT


@pytest.mark.parametrize(
    ("answered_by", "category", "message_end"),
    [
        ("human", AnsweredBy.HUMAN, False),
        ("machine_start", AnsweredBy.MACHINE, False),
        ("machine_end_beep", AnsweredBy.MACHINE, True),
        ("machine_end_silence", AnsweredBy.MACHINE, True),
        ("machine_end_other", AnsweredBy.MACHINE, True),
        ("fax", AnsweredBy.FAX, False),
        ("unknown", AnsweredBy.UNKNOWN, False),
    ],
)
def test_detection_tells_who_answered_and_whether_to_leave_a_message(answered_by, category, message_end):
    assert read("amd", AnsweredBy=answered_by, MachineDetectionDuration="3120").event == Verdict(
        answered_by=category,
        at=RECEIVED_AT,
        evidence=(f"twilio:{answered_by}",),
        detection_ms=3120,
        message_end=message_end,
        beeped=answered_by == "machine_end_beep",
        carrier_call=CarrierCall(id=CALL_SID),
    )


@pytest.mark.parametrize(
    ("status", "sip_code", "end_reason"),
    [
        ("busy", "486", EndReason.BUSY),
        ("busy", "600", EndReason.BUSY),
        ("busy", "603", EndReason.DECLINED),
        ("no-answer", "603", EndReason.DECLINED),
        ("no-answer", "487", EndReason.NO_ANSWER),
        ("canceled", "487", EndReason.CANCELED),
        ("completed", "603", EndReason.COMPLETED),
        ("failed", "603", EndReason.DECLINED),
        ("failed", "486", EndReason.BUSY),
    ],
)
def test_declined_is_said_only_where_the_network_says_so(status, sip_code, end_reason):
    event = read("status", CallStatus=status, SipResponseCode=sip_code, CallDuration="0").event
    assert event.end_reason == end_reason
    assert event.error is None


NO_REASON = CallError(
    code=FailureCode.NOT_CONNECTED, message="The call could not be connected; Twilio gave no reason."
)


@pytest.mark.parametrize(
    ("sip_code", "error"),
    [
        ("404", CallError(
            code=FailureCode.NUMBER_NOT_IN_SERVICE,
            message="This number does not exist or is not in service.",
            carrier_code="sip_404",
        )),
        ("499", CallError(
            code=FailureCode.NOT_CONNECTED,
            message="The call could not be connected; the telephone network answered with SIP code 499.",
            carrier_code="sip_499",
        )),
        ("", NO_REASON),
        ("<b>", NO_REASON),
    ],
)
def test_a_failed_call_says_why(sip_code, error):
    event = read("status", CallStatus="failed", SipResponseCode=sip_code).event
    assert (event.end_reason, event.error) == (EndReason.FAILED, error)


def test_an_unknown_status_is_ignored_while_the_call_goes_on():
    assert read("status", CallStatus="pondering").event is None


def test_an_unknown_status_at_the_end_of_a_call_is_a_failure():
    event = read("status", CallStatus="evaporated", CallDuration="0").event
    assert (event.state, event.end_reason) == (CallState.ENDED, EndReason.FAILED)


def test_unknown_detection_results_and_kinds_are_ignored():
    assert read("amd", AnsweredBy="parrot").event is None
    assert read("recording", RecordingStatus="completed").event is None
    assert read("stream", StreamEvent="stream-paused").event is None


def test_repeats_have_the_same_key_and_other_callbacks_another():
    token = {"i-twilio-idempotency-token": "5ecd14c3"}
    first = read("status", token, CallStatus="ringing", SequenceNumber="1")
    assert read("status", token, CallStatus="ringing", SequenceNumber="1").dedupe_key == first.dedupe_key
    assert read("amd", token, AnsweredBy="human").dedupe_key != first.dedupe_key
    without = read("status", CallStatus="ringing", SequenceNumber="1")
    assert without.dedupe_key == read("status", CallStatus="ringing", SequenceNumber="1").dedupe_key
    assert without.dedupe_key != read("status", CallStatus="ringing", SequenceNumber="2").dedupe_key


def test_an_absurd_idempotency_token_is_not_used_as_a_key():
    plain = read("status", CallStatus="ringing").dedupe_key
    for token in ("x" * 10_000, "a\0b", "☎", ""):
        assert read("status", {"I-Twilio-Idempotency-Token": token}, CallStatus="ringing").dedupe_key == plain


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("status", b""),
        ("status", b"garbage"),
        ("status", b"\xff\xfe"),
        ("status", b'{"CallSid": 1}'),
        ("status", b"CallStatus=ringing"),
        ("status", b"CallSid=CA1&CallStatus=ringing"),
        ("status", f"CallSid={CALL_SID}".encode()),
        ("status", f"CallSid={CALL_SID}&CallStatus=".encode()),
        ("status", f"CallSid={CALL_SID}%00&CallStatus=ringing".encode()),
        ("status", f"CallSid={CALL_SID}&CallStatus=ringing&x=\0".encode()),
        ("status", f"CallSid={CALL_SID}&CallStatus=ringing{'&x=1' * 500}".encode()),
        ("amd", f"CallSid={CALL_SID}&CallStatus=ringing".encode()),
        ("stream", f"CallSid={CALL_SID}".encode()),
        ("transfer", f"CallSid={CALL_SID}".encode()),
    ],
)
def test_a_malformed_body_is_a_bad_callback(kind, body):
    with pytest.raises(BadCallback):
        parse(kind, body, headers={}, received_at=RECEIVED_AT)


def test_a_transfer_that_took_place_ends_the_call_and_a_failed_one_says_sorry_first():
    bodies = {
        name: RECORDED["single"][name]["request"]["body"].encode()
        for name in ("transfer_dial_action", "transfer_no_answer")
    }
    assert reply("transfer", bodies["transfer_dial_action"]).body == "<Response><Hangup /></Response>"
    said = reply("transfer", bodies["transfer_no_answer"])
    assert said.media_type == "application/xml"
    assert said.body.startswith("<Response><Say>Sorry,")
    assert said.body.endswith("</Say><Hangup /></Response>")


@pytest.mark.parametrize("kind", ["status", "amd", "stream"])
def test_twilio_reads_no_answer_to_other_callbacks(kind):
    assert reply(kind, b"") is None


words = st.sampled_from(
    ["CallSid", CALL_SID, "CallStatus", "failed", "Timestamp", "SipResponseCode", "AnsweredBy", "human", "&", "="]
)


@given(st.sampled_from(["status", "amd", "stream", "transfer", "x"]), st.binary() | st.lists(words | st.text()).map(
    lambda parts: "".join(parts).encode("utf-8", "surrogatepass")
))
def test_arbitrary_bodies_never_raise_anything_but_bad_callback(kind, body):
    try:
        parsed = parse(kind, body, headers={}, received_at=RECEIVED_AT)
    except BadCallback:
        return
    assert parsed.kind == kind


@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_arbitrary_field_values_are_no_reason_to_fail(timestamp, duration, sip_code, detection, stream_error):
    fields = {
        "Timestamp": timestamp,
        "CallDuration": duration,
        "SipResponseCode": sip_code,
        "MachineDetectionDuration": detection,
        "StreamError": stream_error,
    }
    fields = {name: value.encode("utf-8", "replace").decode().replace("\0", "") for name, value in fields.items()}
    assert read("status", CallStatus="failed", **fields).event.end_reason == EndReason.FAILED
    assert read("amd", AnsweredBy="human", **fields).event.answered_by == AnsweredBy.HUMAN
    assert read("stream", StreamEvent="stream-error", **fields).event is None


@pytest.mark.parametrize(
    ("received_s", "happened_s"),
    [(10.4, 10.4), (11.06, 11.0), (40.0, 10.0)],  # in its second; just after it; long after it
)
def test_a_time_in_whole_seconds_is_made_as_exact_as_its_arrival_allows(received_s, happened_s):
    minute = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    body = b"CallSid=CA" + b"0" * 32 + b"&CallStatus=ringing&Timestamp=Thu%2C+01+Jan+2026+12%3A00%3A10+%2B0000"
    callback = parse("status", body, headers={}, received_at=minute + timedelta(seconds=received_s))
    assert callback.event.at == minute + timedelta(seconds=happened_s)


def test_a_stream_that_twilio_could_not_open_is_told():
    callback = read("stream", StreamEvent="stream-error", StreamError="31920 Handshake")
    assert (callback.event, callback.stream_failed) == (None, True)
    assert callback.call.id == CALL_SID
    assert not read("stream", StreamEvent="stream-stopped").stream_failed


# -- transfers


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("completed", "answered"), ("answered", "answered"), ("busy", "busy"), ("no-answer", "no_answer"),
        ("failed", "failed"), ("canceled", "no_answer"), ("evaporated", "failed"),
    ],
)
def test_the_end_of_a_dial_says_what_became_of_the_transfer(status, outcome):
    leg = "CA" + "9" * 32
    form = {"CallSid": CALL_SID, "DialCallStatus": status, "DialCallSid": leg, "DialCallDuration": "12"}
    told = parse("transfer", urlencode(form).encode(), headers={}, received_at=RECEIVED_AT).event
    assert (told.outcome, told.is_over, told.leg, told.carrier_call.id) == (outcome, True, leg, CALL_SID)
    assert told.duration_s == (12 if outcome == "answered" else None)


def test_the_other_leg_tells_more_exactly_how_it_ended():
    form = {
        "CallSid": "CA" + "9" * 32, "ParentCallSid": CALL_SID, "CallStatus": "busy", "SipResponseCode": "603",
        "To": "+15551230003", "CallDuration": "0",
    }
    told = parse("transfer_leg", urlencode(form).encode(), headers={}, received_at=RECEIVED_AT).event
    assert (told.outcome, told.to, told.carrier_call.id) == ("declined", "+15551230003", CALL_SID)
    del form["ParentCallSid"]
    with pytest.raises(BadCallback):
        parse("transfer_leg", urlencode(form).encode(), headers={}, received_at=RECEIVED_AT)


def test_a_failed_transfer_goes_back_to_its_agent_where_there_is_one():
    back = BackToAgent(
        ref="call_1", from_="+15551230002", callback_url="https://voice.example/c", stream_url="wss://voice.example/m/t",
        max_duration_s=600,
    )
    failed, talked = (
        urlencode({"CallSid": CALL_SID, "DialCallStatus": status}).encode() for status in ("busy", "completed")
    )
    assert '<Stream url="wss://voice.example/m/t"' in reply("transfer", failed, back=back).body
    assert reply("transfer", talked, back=back).body == "<Response><Hangup /></Response>"
    assert reply("transfer_leg", failed, back=back) is None
