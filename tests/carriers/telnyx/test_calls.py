import json
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote
from uuid import UUID

import httpx
import pytest

from carriers.other_end import OtherEnd, recorded, recorded_error
from carriers.telnyx.telnyx_spec import check, needs_spec
from outdial.carriers import errors
from outdial.carriers.callbacks import BackToAgent, IncomingCall
from outdial.carriers.calls import Detection, PlaceCall
from outdial.carriers.errors import (
    CarrierError,
    CarrierRefused,
    CarrierThrottled,
    CarrierUncertain,
    CarrierUnreachable,
)
from outdial.carriers.telnyx import answer
from outdial.carriers.telnyx.account import TelnyxAccount, TelnyxCredentials
from outdial.carriers.telnyx.calls import TelnyxCalls
from outdial.carriers.telnyx.numbers import TelnyxNumbers
from outdial.simulator.callees import Sound
from outdial.simulator.telnyx.amd import Tuning, listener
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures/telnyx_rest.json").read_text())
CONNECTION = "1494404757140276705"
CREDENTIALS = TelnyxCredentials(
    api_key="KEY-secret", public_key="jrMBoswHlhhVx2W2Www72WU/xn4UMpjreslD0m2u0qs=", connection_id=CONNECTION
)
CONTROL_ID = "v3:T02ll1GWcZWTWDYdKoSEVTQZnPF5cYbqNFsFnwUyKwWcaVVsf1QjHg"
LEG = "2dc6fc34-f9e0-11ea-b68e-02420a0f7768"
REFS = {"call_leg_id": LEG, "call_session_id": "2dc1b3c8-f9e0-11ea-bc5a-02420a0f7768"}
CALL = CarrierCall(id=CONTROL_ID, refs=REFS)
TO, FROM = "+15551230001", "+15551230002"
CALLBACK_URL = "https://voice.example/callbacks/telnyx/call_1"
STREAM_URL = "wss://voice.example/media/telnyx/call_1/token"
DIAL = PlaceCall(
    ref="call_1",
    to=TO,
    from_=FROM,
    callback_url=CALLBACK_URL,
    stream_url=STREAM_URL,
    ring_timeout_s=30,
    max_duration_s=1800,
    detection=Detection.FAST,
)
SINCE = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
INCOMING = IncomingCall(call=CALL, from_=TO, to=FROM, at=SINCE)
DONE = httpx.Response(200, json={"data": {"result": "ok"}})
NO_SUCH = httpx.Response(404, json={"errors": [{"code": "10005"}]})
REFUSED = httpx.Response(422, json={"errors": [{"code": "10032"}]})


class Naps(list):
    """Time that passes at once: what was slept, in seconds."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def account(telnyx: OtherEnd, **changes: str) -> TelnyxAccount:
    return TelnyxAccount(replace(CREDENTIALS, **changes), transport=telnyx.transport)


def carrier(telnyx: OtherEnd, naps: Naps | None = None, **changes: str) -> TelnyxCalls:
    return TelnyxCalls(account(telnyx, **changes), sleep=Naps() if naps is None else naps)


def numbers(telnyx: OtherEnd, **changes: str) -> TelnyxNumbers:
    return TelnyxNumbers(account(telnyx, **changes))


def reply(name: str) -> httpx.Response:
    return recorded(RECORDED, name)


def error(name: str) -> httpx.Response:
    return recorded_error(RECORDED, name)


def dial(**changes: object) -> PlaceCall:
    return PlaceCall(**{name: getattr(DIAL, name) for name in DIAL.__slots__} | changes)


def assert_recorded_request(request: httpx.Request, name: str) -> None:
    expected = RECORDED[name]["request"]
    assert (request.method, unquote(str(request.url).partition("?")[0])) == (
        expected["method"], expected["url"].partition("?")[0],
    )
    check(request)
    assert request.headers["Authorization"] == "Bearer KEY-secret"


@needs_spec
def test_the_document_judges_our_requests():
    check(httpx.Request("GET", "https://api.telnyx.com/v2/balance"))
    with pytest.raises(AssertionError):
        check(httpx.Request("POST", "https://api.telnyx.com/v2/calls", json={"to": TO}))


# -- placing a call


async def test_a_call_is_placed_as_recorded():
    telnyx = OtherEnd(reply("create_call"))
    assert await carrier(telnyx).place_call(DIAL) == CALL
    assert_recorded_request(telnyx.last, "create_call")
    sent, expected = telnyx.json, RECORDED["create_call"]["request"]["json"]
    UUID(sent["command_id"])
    assert sent.pop("answering_machine_detection_config") == {"total_analysis_time_millis": 30000}
    assert sent == expected | {
        "command_id": DIAL.command_id, "webhook_url": f"{CALLBACK_URL}/event", "stream_url": STREAM_URL,
    }


async def test_the_same_attempt_has_the_same_command_id_and_another_one_another():
    assert dial().command_id == DIAL.command_id != dial(ref="call_2").command_id


@pytest.mark.parametrize("kind", ["premium", "standard"])
async def test_without_detection_none_is_asked_for(kind):
    telnyx = OtherEnd(reply("create_call"))
    await carrier(telnyx, detection=kind).place_call(dial(detection=Detection.OFF))
    assert not {name for name in telnyx.json if "detection" in name}


@pytest.mark.parametrize(
    ("detection", "mode"), [(Detection.FAST, "detect"), (Detection.MESSAGE_END, "greeting_end")]
)
async def test_an_account_may_have_the_cheaper_detection(detection, mode):
    telnyx = OtherEnd(reply("create_call"))
    await carrier(telnyx, detection="standard").place_call(dial(detection=detection, detection_timeout_s=12))
    check(telnyx.last)
    assert telnyx.json["answering_machine_detection"] == mode
    assert telnyx.json["answering_machine_detection_config"]["total_analysis_time_millis"] == 12_000


def what_standard_detection_hears(sounds: list[tuple[Sound, float]]) -> list[str]:
    """What comes of the settings we send, by the simulator's reading of them; seconds of each sound."""
    request = dial(detection=Detection.MESSAGE_END, detection_timeout_s=10)
    command = answer.dial(request, CONNECTION, standard_detection=True)
    config = command["answering_machine_detection_config"]
    tuning = Tuning(**{name.removesuffix("_millis"): value for name, value in config.items()})
    ear = listener(command["answering_machine_detection"], tuning)
    found = []
    for sound, seconds in sounds:
        for _ in range(round(seconds * 50)):
            finding = None if ear.done else ear.hear(sound)
            found += [finding.result] if finding else []
    return found


def test_the_cheaper_detection_takes_nobody_who_is_silent_for_a_machine():
    hello = [(Sound.SILENCE, 4.0), (Sound.SPEECH, 0.6), (Sound.SILENCE, 2.0)]
    assert what_standard_detection_hears(hello) == ["human"]
    assert what_standard_detection_hears([(Sound.SILENCE, 20.0)]) == ["not_sure"]


def test_the_cheaper_detection_waits_for_the_end_of_a_long_greeting():
    voicemail = [(Sound.SPEECH, 12.0), (Sound.SILENCE, 0.5), (Sound.BEEP, 0.4), (Sound.SILENCE, 3.0)]
    assert what_standard_detection_hears(voicemail) == ["machine", "beep_detected"]


async def test_limits_of_telnyx_are_kept():
    for limits, expected in (((1, 1), (5, 30)), ((10**6, 10**6), (600, 14400))):
        telnyx = OtherEnd(reply("create_call"))
        await carrier(telnyx).place_call(dial(ring_timeout_s=limits[0], max_duration_s=limits[1]))
        assert (telnyx.json["timeout_secs"], telnyx.json["time_limit_secs"]) == expected
        check(telnyx.last)


@pytest.mark.parametrize("name", RECORDED["errors"])
async def test_every_recorded_error_says_what_may_be_done_next(name):
    uncertain = RECORDED["errors"][name]["means"]["raises"] == "CarrierUncertain"
    telnyx = OtherEnd(*[error(name)] * (2 if uncertain else 1))
    with pytest.raises(getattr(errors, RECORDED["errors"][name]["means"]["raises"])) as raised:
        await carrier(telnyx).place_call(DIAL)
    assert raised.value.carrier_code == RECORDED["errors"][name]["json"]["errors"][0]["code"]
    assert raised.value.code in FailureCode
    assert "555123" not in raised.value.message + str(raised.value)
    assert telnyx.replies == []


async def test_the_same_code_may_be_a_limit_or_a_refusal():
    body = {"errors": [{"code": "10011"}]}
    with pytest.raises(CarrierRefused):
        await carrier(OtherEnd(httpx.Response(422, json=body))).place_call(DIAL)
    reset = httpx.Response(429, json=body, headers={"x-ratelimit-reset": "7"})
    with pytest.raises(CarrierThrottled) as raised:
        await carrier(OtherEnd(reset)).place_call(DIAL)
    assert raised.value.retry_after_s == 7.0


@pytest.mark.parametrize("body", [None, [], {"errors": None}, {"errors": [1]}, {"errors": [{"code": 7}]}])
async def test_a_refusal_without_a_readable_code_is_a_refusal_all_the_same(body):
    with pytest.raises(CarrierRefused) as raised:
        await carrier(OtherEnd(httpx.Response(422, json=body))).place_call(DIAL)
    assert raised.value.codes == {"code": "carrier_refused", "carrier_code": "http_422"}


LOST = [
    httpx.ReadTimeout("no reply"),
    httpx.RemoteProtocolError("closed"),
    httpx.Response(500),
    httpx.Response(503),
    httpx.Response(408),
    httpx.Response(200, text="<html>"),
    httpx.Response(200, json={}),
    httpx.Response(200, json={"data": {"call_leg_id": "x"}}),
]


@pytest.mark.parametrize("lost", LOST, ids=str)
async def test_an_uncertain_dial_is_sent_once_more_as_the_same_command(lost):
    telnyx = OtherEnd(lost, reply("create_call"))
    assert await carrier(telnyx).place_call(DIAL) == CALL
    first, second = (json.loads(request.content) for request in telnyx.requests)
    assert first == second


@pytest.mark.parametrize(
    "second",
    [httpx.ReadTimeout("no reply"), httpx.ConnectError("refused"), error("dials_per_second"), error("not_e164"),
     httpx.Response(200, json={"data": {"result": "ok"}})],
    ids=str,
)
async def test_only_a_call_in_the_second_reply_ends_the_doubt(second):
    telnyx = OtherEnd(httpx.ReadTimeout("no reply"), second)
    with pytest.raises(CarrierUncertain):
        await carrier(telnyx).place_call(DIAL)
    assert len(telnyx.requests) == 2


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("no answer")])
async def test_what_never_left_is_not_repeated(failure):
    telnyx = OtherEnd(failure)
    with pytest.raises(CarrierUnreachable):
        await carrier(telnyx).place_call(DIAL)
    assert len(telnyx.requests) == 1


async def test_without_an_application_nothing_is_sent():
    with pytest.raises(CarrierRefused) as raised:
        await carrier(OtherEnd(), connection_id="").place_call(DIAL)
    assert raised.value.code == "account_not_set_up"


def test_secrets_stay_out_of_the_repr():
    assert "secret" not in repr(CREDENTIALS)


# -- a call that is there


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        (lambda carrier: carrier.hang_up(CALL), "hang_up"),
        (lambda carrier: carrier.transfer(CALL, "+15551230003", FROM, CALLBACK_URL), "transfer"),
    ],
)
async def test_a_live_call_is_changed_as_recorded(verb, name):
    telnyx = OtherEnd(reply(name))
    await verb(carrier(telnyx))
    assert_recorded_request(telnyx.last, name)
    expected = {k: v for k, v in RECORDED[name]["request"]["json"].items() if k not in ("client_state", "command_id")}
    sent = telnyx.json
    if name == "transfer":
        assert sent.pop("target_leg_client_state") == b64encode(f"transfer:{CONTROL_ID}".encode()).decode()
        assert (sent.pop("webhook_url"), sent.pop("webhook_url_method")) == (f"{CALLBACK_URL}/event", "POST")
    assert sent == expected


@pytest.mark.parametrize(("name", "answer"), [("call_ended", "ended"), ("bad_call_control_id", "not_known")])
async def test_ending_an_ended_call_is_no_error(name, answer):
    assert await carrier(OtherEnd(error(name))).hang_up(CALL) == answer
    assert await carrier(OtherEnd(DONE)).hang_up(CALL) == "taken"
    with pytest.raises(CarrierRefused):
        await carrier(OtherEnd(error("bad_key"))).hang_up(CALL)


async def test_who_is_left_alone_hears_a_sentence_to_its_end():
    telnyx, naps = OtherEnd(DONE, DONE), Naps()
    await carrier(telnyx, naps).say_and_hang_up(CALL, "Sorry, nobody is available.")
    assert [request.url.path.rpartition("/")[2] for request in telnyx.requests] == ["speak", "hangup"]
    for request in telnyx.requests:
        check(request)
    assert 2 < sum(naps) < 6


async def test_a_sentence_waits_until_the_call_is_answered_but_not_for_ever():
    telnyx = OtherEnd(error("call_not_answered"), error("call_not_answered"), DONE, DONE)
    await carrier(telnyx).say_and_hang_up(CALL, "Sorry.")
    assert telnyx.replies == []
    telnyx = OtherEnd(*[error("call_not_answered")] * 20, DONE)
    with pytest.raises(CarrierRefused):
        await carrier(telnyx).say_and_hang_up(CALL, "Sorry.")
    assert telnyx.last.url.path.endswith("/actions/hangup")


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("no reply"), httpx.Response(503), httpx.Response(429), REFUSED])
async def test_nobody_is_left_in_silence_when_a_sentence_cannot_be_said(fault):
    telnyx = OtherEnd(fault, DONE)
    with suppress(CarrierError):
        await carrier(telnyx).say_and_hang_up(CALL, "Sorry.")
    assert [request.url.path.rpartition("/")[2] for request in telnyx.requests] == ["speak", "hangup"]


async def test_a_caller_whose_answer_had_no_reply_is_told_and_hung_up_all_the_same():
    telnyx = OtherEnd(httpx.ReadTimeout("no reply"), DONE, DONE)
    await carrier(telnyx).refuse(INCOMING, sentence="Sorry.")
    assert [request.url.path.rpartition("/")[2] for request in telnyx.requests] == ["answer", "speak", "hangup"]


async def test_a_sentence_to_somebody_who_is_gone_is_not_said():
    telnyx = OtherEnd(error("call_ended"))
    await carrier(telnyx).say_and_hang_up(CALL, "Sorry.")
    assert len(telnyx.requests) == 1


# -- what became of it


def events(*names: str, metadata: object = None) -> httpx.Response:
    data = [
        RECORDED["call_events"]["response"]["json"]["data"][0]
        | {"name": name, "event_timestamp": f"2026-01-01T12:00:0{n}.000000Z", "metadata": metadata or {}}
        for n, name in enumerate(names)
    ]
    return httpx.Response(200, json={"data": data, "meta": {"total_pages": 1}})


HANGUP = {"raw": {"data": {"payload": {"hangup_cause": "user_busy", "sip_hangup_cause": "486"}}}}


@pytest.mark.parametrize(
    ("record", "log", "state", "end_reason"),
    [
        ("fetch_alive", events("call.initiated"), CallState.DIALING, None),
        ("fetch_alive", events(), CallState.DIALING, None),
        ("fetch_alive", events("call.initiated", "call.answered"), CallState.IN_PROGRESS, None),
        ("fetch_alive", events("call.answered", "call.hangup"), CallState.ENDED, EndReason.COMPLETED),
        ("fetch_ended", events("call.initiated", "call.answered"), CallState.ENDED, EndReason.COMPLETED),
        ("fetch_ended", events("call.initiated"), CallState.ENDED, EndReason.FAILED),
        ("fetch_ended", reply("call_events"), CallState.ENDED, EndReason.FAILED),
        ("fetch_ended", events("call.hangup", metadata=HANGUP), CallState.ENDED, EndReason.BUSY),
    ],
)
async def test_the_record_and_the_log_of_a_call_tell_how_far_it_came(record, log, state, end_reason):
    telnyx = OtherEnd(reply(record), log)
    found = await carrier(telnyx).look_up(CALL)
    assert (found.progress.state, found.progress.end_reason) == (state, end_reason)
    assert found.call == found.progress.carrier_call == CALL
    assert_recorded_request(telnyx.requests[0], record)
    assert_recorded_request(telnyx.requests[1], "call_events")
    assert telnyx.last.url.params["filter[leg_id]"] == LEG


async def test_the_log_tells_length_and_price_when_no_callback_did():
    cost = {"payload": {"total_cost": "0.0070", "cost_parts": [{"currency": "EUR", "cost": "0.0070"}]}}
    telnyx = OtherEnd(reply("fetch_ended"), events("call.answered", "call.hangup", "call.cost", metadata=cost))
    found = await carrier(telnyx).look_up(CALL)
    assert found.price == Price(amount="0.0070", currency="EUR")
    assert found.progress.duration_s == 1.0
    telnyx = OtherEnd(reply("fetch_ended"), events("call.initiated", "call.hangup", metadata=HANGUP))
    found = await carrier(telnyx).look_up(CALL)
    assert (found.price, found.progress.duration_s) == (None, None)


@pytest.mark.parametrize("gone", [error("bad_call_control_id"), NO_SUCH])
async def test_ten_minutes_after_the_end_only_the_log_is_left(gone):
    telnyx = OtherEnd(gone, events("call.answered", "call.hangup"))
    found = await carrier(telnyx).look_up(CALL)
    assert (found.progress.state, found.progress.end_reason) == (CallState.ENDED, EndReason.COMPLETED)
    with pytest.raises(CarrierRefused):  # nothing to look it up by
        await carrier(OtherEnd(gone)).look_up(CarrierCall(id=CONTROL_ID))


@pytest.mark.parametrize("log", [events(), events("call.initiated"), events("call.initiated", "call.answered")])
@pytest.mark.parametrize("gone", [error("bad_call_control_id"), NO_SUCH])
async def test_a_call_of_which_no_end_is_on_record_is_not_known(gone, log):
    """Right after its dial it may only be not known yet."""
    with pytest.raises(CarrierRefused) as raised:
        await carrier(OtherEnd(gone, log)).look_up(CALL)
    assert raised.value.code is FailureCode.NOT_KNOWN_THERE


def active(*calls: dict, after: str = "") -> httpx.Response:
    meta = {"cursors": {"after": after, "before": ""}, "next": "/x" if after else None, "total_items": len(calls)}
    return httpx.Response(200, json={"data": list(calls), "meta": meta})


def live(**changes: object) -> dict:
    return RECORDED["create_call"]["response"]["json"]["data"] | {"call_duration": 3} | changes


async def test_a_lost_call_that_is_up_is_known_by_our_own_mark():
    other = live(client_state=b64encode(b"call_9").decode(), call_control_id="v3:other")
    log = [events("call.answered"), events("call.answered")]
    telnyx = OtherEnd(active(other, after="c1"), active(live()), reply("fetch_alive"), *log)
    (found,) = await carrier(telnyx).find(ref="call_1", to=TO, from_=FROM, since=SINCE)
    assert (found.call, found.progress.state) == (CALL, CallState.IN_PROGRESS)
    for request in telnyx.requests:
        check(request)
    assert telnyx.requests[1].url.params["page[after]"] == "c1"
    assert dict(telnyx.last.url.params) == {
        "filter[connection_id]": CONNECTION,
        "filter[to]": TO,
        "filter[from]": FROM,
        "filter[occurred_at][gte]": "2026-01-01T12:00:00+00:00",
        "page[size]": "250",
    }


@pytest.mark.parametrize(("metadata", "call_id"), [(HANGUP, LEG), ({"call_control_id": "v3:x"}, "v3:x")])
async def test_a_lost_call_that_has_ended_is_known_by_the_log(metadata, call_id):
    telnyx = OtherEnd(active(), events("call.initiated", "call.hangup", metadata=metadata))
    (found,) = await carrier(telnyx).find(ref="call_1", to=TO, from_=FROM, since=SINCE)
    assert found.call == CarrierCall(id=call_id, refs={"call_leg_id": LEG})
    assert found.progress.state is CallState.ENDED


@pytest.mark.parametrize(
    "payload", [{"client_state": b64encode(b"call_9").decode()}, {"to": "+15559990000"}], ids=str
)
async def test_a_call_the_log_shows_to_be_another_is_not_taken_for_the_lost_one(payload):
    telnyx = OtherEnd(active(), events("call.initiated", "call.hangup", metadata={"payload": payload}))
    assert await carrier(telnyx).find(ref="call_1", to=TO, from_=FROM, since=SINCE) == []


async def test_a_call_telnyx_never_had_is_not_found():
    assert await carrier(OtherEnd(active(), events())).find(ref="x", to=TO, from_=FROM, since=SINCE) == []


async def test_a_list_that_cannot_be_read_to_its_end_is_never_taken_for_complete():
    telnyx = OtherEnd(*(active(live(client_state=""), after="more") for _ in range(50)))
    with pytest.raises(CarrierUncertain):
        await carrier(telnyx).find(ref="x", to=TO, from_=FROM, since=SINCE)


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": [1]}])
async def test_a_list_that_is_none_is_not_believed(body):
    with pytest.raises(CarrierUnreachable):
        await carrier(OtherEnd(httpx.Response(200, json=body))).find(ref="x", to=TO, from_=FROM, since=SINCE)


# -- calls that come in


async def test_a_call_that_comes_in_is_answered_with_our_stream():
    telnyx = OtherEnd(DONE)
    said = await carrier(telnyx).accept(
        INCOMING, ref="att_1", callback_url=CALLBACK_URL, stream_url=STREAM_URL, max_duration_s=600
    )
    assert said is None
    check(telnyx.last)
    assert telnyx.last.url.path.endswith("/actions/answer")
    sent = telnyx.json
    assert sent["client_state"] == b64encode(b"att_1").decode()
    assert (sent["webhook_url"], sent["stream_url"]) == (f"{CALLBACK_URL}/event", STREAM_URL)
    assert sent["stream_bidirectional_mode"] == "rtp"


async def test_a_call_that_is_told_twice_is_answered_by_the_same_command():
    """The second one would be refused, and so end a call that is being answered."""
    telnyx = OtherEnd(DONE, DONE, DONE)
    told = carrier(telnyx)
    for ref in ("att_1", "att_1", "att_2"):
        await told.accept(INCOMING, ref=ref, callback_url=CALLBACK_URL, stream_url=STREAM_URL, max_duration_s=600)
    first, again, other = [json.loads(request.content)["command_id"] for request in telnyx.requests]
    assert first == again != other


async def test_a_call_is_refused_with_a_sentence_or_a_busy_tone():
    telnyx = OtherEnd(DONE)
    assert await carrier(telnyx).refuse(INCOMING, sentence=None) is None
    check(telnyx.last)
    assert telnyx.json == {"cause": "USER_BUSY"}
    telnyx = OtherEnd(DONE, error("call_not_answered"), DONE, DONE)
    assert await carrier(telnyx).refuse(INCOMING, sentence="Sorry.") is None
    actions = [request.url.path.rpartition("/")[2] for request in telnyx.requests]
    assert actions == ["answer", "speak", "speak", "hangup"]


async def test_refusing_a_call_that_is_gone_is_no_error():
    for sentence in (None, "Sorry."):
        await carrier(OtherEnd(error("call_ended"))).refuse(INCOMING, sentence=sentence)


# -- the account


async def test_good_credentials_pass_the_check():
    application = httpx.Response(200, json={"data": {"id": CONNECTION}})
    telnyx = OtherEnd(reply("balance"), application)
    await numbers(telnyx).check()
    assert_recorded_request(telnyx.requests[0], "balance")
    check(telnyx.last)
    await numbers(OtherEnd(error("not_allowed")), connection_id="").check()  # a restricted key is a key


@pytest.mark.parametrize(
    ("replies", "changes", "code"),
    [
        ([error("bad_key")], {}, "bad_credentials"),
        ([error("account_inactive")], {}, "account_inactive"),
        ([reply("balance"), NO_SUCH], {}, "account_not_set_up"),
        ([], {"public_key": "KEY"}, "bad_credentials"),
        ([], {"public_key": "☎"}, "bad_credentials"),
    ],
)
async def test_an_account_that_cannot_call_fails_the_check(replies, changes, code):
    with pytest.raises(CarrierRefused) as raised:
        await numbers(OtherEnd(*replies), **changes).check()
    assert raised.value.code == code


# -- transfers


BACK = BackToAgent(
    ref="call_1",
    from_=FROM,
    callback_url=CALLBACK_URL,
    stream_url="wss://voice.example/again/token",
    max_duration_s=600,
)
SINCE_TRANSFER = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


OTHER_LEG = "3dc6fc34-f9e0-11ea-b68e-02420a0f7768"


def of_other_leg(*names: str, **payload: object) -> httpx.Response:
    """The log of the session: our leg, and the other party's."""
    state = b64encode(f"transfer:{CALL.id}".encode()).decode()
    log = events(*names, metadata={"payload": {"client_state": state, "to": "+15551230003", **payload}}).json()["data"]
    theirs = [each | {"call_leg_id": OTHER_LEG} for each in log]
    return httpx.Response(200, json={"data": [*events("call.answered").json()["data"], *theirs], "meta": {}})


@pytest.mark.parametrize(
    ("log", "outcome", "is_over", "duration_s"),
    [
        (of_other_leg("call.initiated"), None, False, None),
        (of_other_leg("call.initiated", "call.answered"), "answered", False, None),
        (of_other_leg("call.initiated", "call.answered", "call.hangup"), "answered", True, 1.0),
        (
            of_other_leg("call.initiated", "call.hangup", hangup_cause="user_busy", sip_hangup_cause="486"),
            "busy", True, None,
        ),
        (
            of_other_leg("call.initiated", "call.hangup", hangup_cause="call_rejected", sip_hangup_cause="603"),
            "declined", True, None,
        ),
    ],
)
async def test_what_became_of_a_transfer_is_told_by_the_log_of_the_session(log, outcome, is_over, duration_s):
    telnyx = OtherEnd(log)
    call = CarrierCall(id=CALL.id, refs=REFS)
    told = await carrier(telnyx).look_up_transfer(call, to="+15551230003", leg=None, since=SINCE_TRANSFER)
    assert (told.outcome, told.is_over, told.duration_s, told.leg) == (outcome, is_over, duration_s, OTHER_LEG)
    assert telnyx.last.url.params["filter[application_session_id]"] == REFS["call_session_id"]


async def test_a_leg_that_is_not_in_the_log_is_none_and_an_unknown_session_a_refusal():
    call = CarrierCall(id=CALL.id, refs=REFS)
    look_up = carrier(OtherEnd(events("call.answered"))).look_up_transfer
    assert await look_up(call, to="+15551230003", leg=None, since=SINCE_TRANSFER) is None
    with pytest.raises(CarrierRefused):
        await look_up(CarrierCall(id=CALL.id), to="+15551230003", leg=None, since=SINCE_TRANSFER)


async def test_a_call_is_brought_back_by_a_new_stream():
    telnyx = OtherEnd(DONE)
    await carrier(telnyx).resume(CALL, BACK)
    assert unquote(telnyx.last.url.path).endswith(f"/calls/{CALL.id}/actions/streaming_start")
    assert (telnyx.json["stream_url"], telnyx.json["stream_bidirectional_mode"]) == (BACK.stream_url, "rtp")
    check(telnyx.last)


async def test_two_calls_are_connected_by_a_bridge_that_parks_neither():
    telnyx = OtherEnd(DONE)
    await carrier(telnyx).join(CALL, CarrierCall(id="v3:other"), room="att_1-7")
    assert unquote(telnyx.last.url.path).endswith(f"/calls/{CALL.id}/actions/bridge")
    assert telnyx.json == {"call_control_id": "v3:other"}
    check(telnyx.last)
