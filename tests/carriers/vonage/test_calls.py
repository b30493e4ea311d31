import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import jwt
import pytest
from vonage_voice.models import CreateCallRequest
from vonage_voice.models.ncco import Connect, Talk

from carriers.openapi import Spec
from carriers.other_end import OtherEnd, recorded, recorded_error
from outdial.carriers import errors
from outdial.carriers.callbacks import BackToAgent, IncomingCall
from outdial.carriers.calls import Detection, PlaceCall
from outdial.carriers.errors import CarrierRefused, CarrierUncertain, CarrierUnreachable
from outdial.carriers.vonage import tokens
from outdial.carriers.vonage.account import VonageAccount, VonageCredentials
from outdial.carriers.vonage.calls import VonageCalls
from outdial.carriers.vonage.numbers import VonageNumbers
from outdial.carriers.vonage.regions import REGIONS
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason
from outdial.telephony.verdict import AnsweredBy

HERE = Path(__file__).parents[1]
RECORDED = json.loads((HERE / "fixtures/vonage_rest.json").read_text())
SPEC = Spec(HERE / "specs/vonage.json", "https://api.nexmo.com", "https://rest.nexmo.com")
PEM = tokens.new_private_key()
KEY = tokens.load_private_key(PEM)
APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
CREDENTIALS = VonageCredentials(
    api_key="abcd1234",
    api_secret="secret-1",
    signature_secret="secret-2",
    application_id=APPLICATION,
    private_key=PEM,
)
UUID = "63f61863-4a51-4f6b-86e1-46edebcf9356"
CALL = CarrierCall(id=UUID)
TO, FROM = "+15551230001", "+15551230002"
CALLBACK_URL = "https://voice.example/callbacks/vonage/call_1"
STREAM_URL = "wss://voice.example/media/vonage/call_1/token"
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


def carrier(
    vonage: OtherEnd, credentials: VonageCredentials = CREDENTIALS, base_url: str = REGIONS[0].url
) -> VonageCalls:
    return VonageCalls(VonageAccount(credentials, base_url=base_url, transport=vonage.transport))


def numbers(vonage: OtherEnd, base_url: str = REGIONS[0].url) -> VonageNumbers:
    return VonageNumbers(VonageAccount(CREDENTIALS, base_url=base_url, transport=vonage.transport))


def reply(name: str) -> httpx.Response:
    return recorded(RECORDED, name)


def assert_token(request: httpx.Request) -> None:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, tokens.public_pem(KEY), algorithms=["RS256"])
    assert claims["application_id"] == APPLICATION


# -- placing a call


async def test_a_call_is_placed_as_recorded_but_with_the_answer_inside():
    vonage = OtherEnd(reply("create_call"))
    placed = await carrier(vonage).place_call(DIAL)
    assert placed == CarrierCall(
        id=UUID, refs={"conversation_uuid": "CON-f972836a-550f-45fa-956c-12a2ab5b7d22"}
    )
    SPEC.check(vonage.last)
    assert_token(vonage.last)
    sent = vonage.json
    ncco = sent.pop("ncco")
    expected = dict(RECORDED["create_call"]["request"]["json"])
    del expected["answer_url"], expected["answer_method"]
    assert sent == expected
    theirs = RECORDED["create_call_inline_ncco"]["request"]["json"]["ncco"][0]
    assert set(ncco[0]) == (set(theirs) - {"eventType"}) | {"limit"}
    assert ncco[0]["endpoint"] == [
        theirs["endpoint"][0]
        | {"uri": STREAM_URL, "content-type": "audio/l16;rate=8000", "headers": {"ref": "call_1"}}
    ]
    assert ncco[0]["eventUrl"] == [f"{CALLBACK_URL}/stream"]


async def test_vonages_own_sdk_takes_what_we_send():
    vonage = OtherEnd(reply("create_call"))
    await carrier(vonage).place_call(DIAL)
    sent = vonage.json
    (endpoint,) = sent["ncco"][0]["endpoint"]
    connect = {**sent["ncco"][0], "from_": sent["ncco"][0]["from"]}
    connect["endpoint"] = [{**endpoint, "contentType": endpoint["content-type"]}]
    request = CreateCallRequest(**{**sent, "from_": sent["from"], "ncco": [Connect(**connect)]})
    again = json.loads(request.model_dump_json(by_alias=True, exclude_none=True))
    assert again == sent


@pytest.mark.parametrize("detection", list(Detection))
async def test_detection_runs_beside_the_conversation_or_not_at_all(detection):
    vonage = OtherEnd(reply("create_call"))
    await carrier(vonage).place_call(
        PlaceCall(**{name: getattr(DIAL, name) for name in DIAL.__slots__} | {"detection": detection})
    )
    sent = vonage.json
    assert ("advanced_machine_detection" in sent) is (detection is not Detection.OFF)
    assert "machine_detection" not in sent


async def test_limits_of_vonage_are_kept():
    vonage = OtherEnd(reply("create_call"))
    longest = {"ring_timeout_s": 600, "max_duration_s": 10**6, "detection_timeout_s": 600}
    await carrier(vonage).place_call(
        PlaceCall(**{name: getattr(DIAL, name) for name in DIAL.__slots__} | longest)
    )
    sent = vonage.json
    assert (sent["ringing_timer"], sent["length_timer"], sent["ncco"][0]["limit"]) == (120, 86400, 7200)
    assert sent["advanced_machine_detection"]["beep_timeout"] == 120


@pytest.mark.parametrize("name", RECORDED["errors"])
async def test_every_recorded_error_says_what_may_be_done_next(name):
    vonage = OtherEnd(recorded_error(RECORDED, name))
    with pytest.raises(getattr(errors, RECORDED["errors"][name]["means"]["raises"])) as raised:
        await carrier(vonage).place_call(DIAL)
    assert "555123" not in raised.value.message + str(raised.value)
    assert raised.value.message.endswith((".", "api-errors"))
    assert len(vonage.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "code", "carrier_code"),
    [
        (402, {"type": "https://developer.nexmo.com/api-errors#low-balance"}, "no_funds", "low-balance"),
        (
            403,
            {"type": "https://developer.nexmo.com/api-errors#account-suspended"},
            "account_inactive",
            "account-suspended",
        ),
        (401, {"type": "UNAUTHORIZED"}, "bad_credentials", "unauthorized"),
        (401, {"error-code": "401"}, "bad_credentials", "http_401"),
        (400, {"type": 400, "invalid_parameters": [{"name": "number"}]}, "number_invalid", "http_400"),
        (400, {"type": 400, "invalid_parameters": [{"name": "event_url"}]}, "public_url_not_reachable", "http_400"),
        (400, {"type": ["x"], "invalid_parameters": "x"}, "carrier_refused", "http_400"),
        (418, "teapot", "carrier_refused", "http_418"),
    ],
)
async def test_a_refusal_is_told_in_our_word_and_the_carriers(status, body, code, carrier_code):
    with pytest.raises(CarrierRefused) as raised:
        await carrier(OtherEnd(httpx.Response(status, json=body))).place_call(DIAL)
    assert raised.value.codes == {"code": code, "carrier_code": carrier_code}


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (httpx.ConnectError("refused"), CarrierUnreachable),
        (httpx.ReadTimeout("no reply"), CarrierUncertain),
        (httpx.RemoteProtocolError("closed"), CarrierUncertain),
        (httpx.Response(500), CarrierUncertain),
        (httpx.Response(408), CarrierUncertain),
        (httpx.Response(302, headers={"Location": "https://example.org"}), CarrierUncertain),
        (httpx.Response(201, text="<html>"), CarrierUncertain),
        (httpx.Response(201, json=[]), CarrierUncertain),
        (httpx.Response(201, json={"uuid": None}), CarrierUncertain),
        (httpx.Response(204), CarrierUncertain),
    ],
)
async def test_a_dial_is_sent_once_and_its_failure_says_whether_a_phone_may_ring(failure, raised):
    vonage = OtherEnd(failure)
    with pytest.raises(raised):
        await carrier(vonage).place_call(DIAL)
    assert len(vonage.requests) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"application_id": ""}, "account_not_set_up"),
        ({"private_key": ""}, "account_not_set_up"),
        ({"private_key": "secret-3"}, "bad_credentials"),
    ],
)
async def test_without_an_application_and_its_key_nothing_is_sent(changes, code):
    vonage = OtherEnd()
    fields = {name: getattr(CREDENTIALS, name) for name in CREDENTIALS.__slots__} | changes
    with pytest.raises(CarrierRefused) as raised:
        await carrier(vonage, VonageCredentials(**fields)).place_call(DIAL)
    assert raised.value.code == code
    assert "secret-" not in raised.value.message
    assert vonage.requests == []


async def test_the_key_is_read_once_and_not_checked_again_while_others_talk(monkeypatch):
    read = []
    load = tokens.load_private_key

    def counted(pem, *, is_checked=False):
        read.append(is_checked)
        return load(pem, is_checked=is_checked)

    monkeypatch.setattr(tokens, "load_private_key", counted)
    vonage = OtherEnd(reply("hang_up"), reply("hang_up"))
    calling = carrier(vonage)
    for _ in range(2):
        await calling.hang_up(CALL)
    assert len(vonage.requests) == 2
    assert read == [True]


def test_secrets_stay_out_of_the_repr():
    assert "secret" not in repr(CREDENTIALS).replace("api_secret", "").replace("signature_secret", "")
    assert "PRIVATE" not in repr(CREDENTIALS)


# -- a call that is there


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        (lambda carrier: carrier.hang_up(CALL), "hang_up"),
        (lambda carrier: carrier.transfer(CALL, "+15551230003", FROM, CALLBACK_URL), "transfer"),
    ],
)
async def test_a_live_call_is_changed_as_recorded(verb, name):
    vonage = OtherEnd(reply(name))
    await verb(carrier(vonage))
    expected = RECORDED[name]["request"]
    assert (vonage.last.method, str(vonage.last.url)) == (expected["method"], expected["url"])
    SPEC.check(vonage.last)
    assert_token(vonage.last)
    sent = vonage.json
    if name == "transfer":  # so that our answer to a transfer that failed is run
        assert sent["destination"]["ncco"][0].pop("eventType") == "synchronous"
    assert sent == expected["json"]


async def test_who_is_left_alone_hears_a_sentence():
    vonage = OtherEnd(httpx.Response(204))
    await carrier(vonage).say_and_hang_up(CALL, "Sorry.")
    SPEC.check(vonage.last)
    (action,) = vonage.json["destination"]["ncco"]
    assert Talk(**action).text == "Sorry."


async def test_ending_an_ended_call_is_no_error():
    assert await carrier(OtherEnd(recorded_error(RECORDED, "unknown_call"))).hang_up(CALL) == "not_known"
    assert await carrier(OtherEnd(reply("hang_up"))).hang_up(CALL) == "taken"
    with pytest.raises(CarrierRefused):
        await carrier(OtherEnd(recorded_error(RECORDED, "bad_jwt"))).hang_up(CALL)


@pytest.mark.parametrize(
    ("verb", "raised"),
    [
        (lambda vonage: carrier(vonage).hang_up(CALL), CarrierUnreachable),  # may be said twice
        (lambda vonage: carrier(vonage).look_up(CALL), CarrierUnreachable),
        (lambda vonage: numbers(vonage).check(), CarrierUnreachable),
        (lambda vonage: carrier(vonage).transfer(CALL, TO, FROM, CALLBACK_URL), CarrierUncertain),
    ],
)
@pytest.mark.parametrize("failure", [httpx.Response(503), httpx.ReadTimeout("no reply")], ids=type)
async def test_what_does_no_harm_twice_is_safe_to_retry(verb, raised, failure):
    with pytest.raises(raised):
        await verb(OtherEnd(failure))


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("https://api-us-3.vonage.com", "api-us-3.vonage.com"),
        ("https://api-eu-1.nexmo.com/", "api-eu-1.nexmo.com"),
        ("http://api-us-3.vonage.com", "api.nexmo.com"),
        ("https://vonage.com.evil.example", "api.nexmo.com"),
        ("https://evilvonage.com", "api.nexmo.com"),
        ("https://user@api-us-3.vonage.com:1/x", "api.nexmo.com"),
        ("not a url", "api.nexmo.com"),
    ],
)
async def test_requests_about_a_call_go_to_its_region_if_that_is_vonages(region, host):
    vonage = OtherEnd(reply("hang_up"))
    await carrier(vonage).hang_up(CarrierCall(id=UUID, refs={"region_url": region}))
    assert vonage.last.url.host == host


async def test_a_region_is_for_calls_and_a_simulator_for_everything():
    vonage = OtherEnd(reply("hang_up"), reply("find_number"))
    european = "https://api-eu-3.vonage.com"
    await carrier(vonage, base_url=european).hang_up(CALL)
    await numbers(vonage, european).owns(FROM)
    assert [request.url.host for request in vonage.requests] == ["api-eu-3.vonage.com", "rest.nexmo.com"]
    vonage = OtherEnd(reply("hang_up"), reply("find_number"))
    simulated = "http://127.0.0.1:4010"
    await carrier(vonage, base_url=simulated).hang_up(
        CarrierCall(id=UUID, refs={"region_url": "https://api-us-3.vonage.com"})
    )
    await numbers(vonage, simulated).owns(FROM)
    assert {request.url.host for request in vonage.requests} == {"127.0.0.1"}


async def test_a_call_id_cannot_lead_to_another_resource():
    vonage = OtherEnd(reply("fetch_ringing"))
    await carrier(vonage).look_up(CarrierCall(id="../x?y="))
    assert vonage.last.url.raw_path == b"/v1/calls/..%2Fx%3Fy%3D"


@pytest.mark.parametrize("name", ["fetch_ringing", "fetch_completed"])
async def test_vonages_record_of_a_call_means_what_it_says(name):
    vonage = OtherEnd(reply(name))
    record = await carrier(vonage).look_up(CALL)
    SPEC.check(vonage.last)
    assert record.progress.state == RECORDED[name]["means"]["state"]
    assert record.progress.end_reason == RECORDED[name]["means"].get("end_reason")
    assert record.call.id == UUID
    assert record.call == record.progress.carrier_call


async def test_the_record_of_a_completed_call_is_read_whole():
    record = await carrier(OtherEnd(reply("fetch_completed"))).look_up(CALL)
    assert record.progress.at == datetime(2026, 1, 1, 12, 1, 8, tzinfo=UTC)
    assert record.progress.duration_s == 60.0
    assert record.price == Price(amount="0.01400000", currency="EUR")
    assert record.created_at == datetime(2026, 1, 1, 12, 0, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "state", "answered_by"),
    [
        ("machine", CallState.IN_PROGRESS, AnsweredBy.MACHINE),
        ("human", CallState.IN_PROGRESS, AnsweredBy.HUMAN),
        ("pondering", CallState.DIALING, None),
        (None, CallState.DIALING, None),
    ],
)
async def test_a_record_may_show_detections_result_or_a_new_word(status, state, answered_by):
    fields = RECORDED["fetch_ringing"]["response"]["json"] | {"status": status}
    record = await carrier(OtherEnd(httpx.Response(200, json=fields))).look_up(CALL)
    assert record.progress.state is state
    assert (record.verdict and record.verdict.answered_by) == answered_by


def page(*calls: dict) -> httpx.Response:
    return httpx.Response(200, json={"count": len(calls), "_embedded": {"calls": list(calls)}})


def call(**fields: object) -> dict:
    return RECORDED["fetch_ringing"]["response"]["json"] | fields


async def test_a_lost_call_is_looked_for_since_then_and_among_those_under_way():
    other = call(uuid="other", to={"type": "phone", "number": "15559990000"})
    leg = call(uuid="leg", to={"type": "websocket", "uri": "wss://voice.example"})
    ended = call(uuid="ended", status="busy")
    vonage = OtherEnd(page(other, ended), page(leg), page(ended), page(), page(call(status="machine")))
    found = await carrier(vonage).find(ref="call_1", to=TO, from_=FROM, since=SINCE)
    assert {record.call.id for record in found} == {"ended", UUID}
    assert [record.progress.end_reason for record in found if record.call.id == "ended"] == [EndReason.BUSY]
    for request in vonage.requests:
        SPEC.check(request)
    assert vonage.requests[0].url.params["date_start"] == "2026-01-01T12:00:00Z"
    assert [request.url.params.get("status") for request in vonage.requests] == [
        None, "started", "ringing", "answered", "machine",
    ]


async def test_a_list_that_cannot_be_read_to_its_end_is_never_taken_for_complete():
    vonage = OtherEnd(*(page(*[call()] * 100) for _ in range(50)))
    with pytest.raises(CarrierUncertain):
        await carrier(vonage).find(ref="call_1", to=TO, from_=FROM, since=SINCE)
    assert len(vonage.requests) == 10


@pytest.mark.parametrize("body", [{}, {"_embedded": None}, {"_embedded": {"calls": [1]}}, {"_embedded": {}}])
async def test_a_list_that_is_none_is_not_believed(body):
    with pytest.raises(CarrierUnreachable):
        await carrier(OtherEnd(httpx.Response(200, json=body))).find(ref="x", to=TO, from_=FROM, since=SINCE)


# -- calls that come in


async def test_a_call_that_comes_in_is_connected_to_our_websocket():
    said = await carrier(OtherEnd()).accept(
        INCOMING, ref="att_1", callback_url=CALLBACK_URL, stream_url=STREAM_URL, max_duration_s=600
    )
    assert said.media_type == "application/json"
    (action,) = json.loads(said.body)
    assert (action["action"], action["from"], action["limit"]) == ("connect", "15551230002", 600)
    assert action["endpoint"][0]["uri"] == STREAM_URL


async def test_a_call_is_refused_with_a_sentence_or_without():
    said = await carrier(OtherEnd()).refuse(INCOMING, sentence="Sorry.")
    assert json.loads(said.body) == [{"action": "talk", "text": "Sorry."}]
    assert (await carrier(OtherEnd()).refuse(INCOMING, sentence=None)).body == "[]"


# -- the account


def application(**changes: object) -> httpx.Response:
    recorded_one = RECORDED["get_application"]["response"]["json"]
    return httpx.Response(200, json=recorded_one | {"keys": {"public_key": tokens.public_pem(KEY)}} | changes)


async def test_good_credentials_pass_the_check():
    vonage = OtherEnd(reply("balance"), application(), page())
    await numbers(vonage).check()
    for request in vonage.requests:
        SPEC.check(request)
    assert [request.url.path for request in vonage.requests] == [
        "/account/get-balance", f"/v2/applications/{APPLICATION}", "/v1/calls",
    ]
    assert vonage.requests[0].headers["Authorization"] == httpx.BasicAuth("abcd1234", "secret-1")._auth_header


@pytest.mark.parametrize(
    ("replies", "code"),
    [
        ([recorded_error(RECORDED, "numbers_bad_key")], "bad_credentials"),
        ([reply("balance"), reply("get_application")], "bad_credentials"),  # another one's public key
        ([reply("balance"), recorded_error(RECORDED, "unknown_call")], "not_known_there"),
        ([reply("balance"), application(), recorded_error(RECORDED, "bad_jwt")], "bad_credentials"),
    ],
)
async def test_an_account_that_cannot_call_fails_the_check(replies, code):
    with pytest.raises(CarrierRefused) as raised:
        await numbers(OtherEnd(*replies)).check()
    assert raised.value.code == code


# -- transfers


BACK = BackToAgent(
    ref="call_1",
    from_=FROM,
    callback_url=CALLBACK_URL,
    stream_url="wss://voice.example/again/token",
    max_duration_s=600,
)

@pytest.mark.parametrize(
    ("leg", "outcome", "is_over", "duration_s"),
    [
        ({"status": "completed", "duration": "12", "end_time": "2026-01-01 12:00:40"}, "answered", True, 12.0),
        ({"status": "busy"}, "busy", True, None),
        ({"status": "timeout"}, "no_answer", True, None),
        ({"status": "answered"}, "answered", False, None),
        ({"status": "ringing"}, None, False, None),
    ],
)
async def test_what_became_of_a_transfer_is_told_by_the_leg_in_the_same_conversation(leg, outcome, is_over, duration_s):
    desk = {"type": "phone", "number": "15551230003"}
    moved = call(conversation_uuid="CON-2", status="answered")
    vonage = OtherEnd(httpx.Response(200, json=moved), page(moved, call(uuid="leg-2", to=desk, **leg)))
    told = await carrier(vonage).look_up_transfer(CALL, to="+15551230003", leg=None, since=SINCE)
    assert (told.outcome, told.is_over, told.duration_s, told.leg) == (outcome, is_over, duration_s, "leg-2")
    assert vonage.last.url.params["conversation_uuid"] == "CON-2"
    for request in vonage.requests:
        SPEC.check(request)


async def test_a_leg_that_was_told_is_looked_up_by_itself():
    vonage = OtherEnd(httpx.Response(200, json=call(uuid="leg-2", status="busy")))
    told = await carrier(vonage).look_up_transfer(CALL, to="+15551230003", leg="leg-2", since=SINCE)
    assert (told.outcome, vonage.last.url.path) == ("busy", "/v1/calls/leg-2")


async def test_where_nobody_else_is_in_the_conversation_the_leg_is_none():
    vonage = OtherEnd(httpx.Response(200, json=call()), page(call()))
    assert await carrier(vonage).look_up_transfer(CALL, to=TO, leg=None, since=SINCE) is None


async def test_a_call_is_brought_back_by_another_ncco():
    vonage = OtherEnd(reply("transfer"))
    await carrier(vonage).resume(CALL, BACK)
    SPEC.check(vonage.last)
    [connect] = vonage.json["destination"]["ncco"]
    assert (connect["action"], connect["endpoint"][0]["uri"]) == ("connect", BACK.stream_url)


async def test_two_calls_are_connected_in_a_conversation_that_ends_with_either():
    vonage = OtherEnd(reply("transfer"), reply("transfer"))
    await carrier(vonage).join(CALL, CarrierCall(id="the-other"), room="att_1-7")
    assert [request.url.path.rpartition("/")[2] for request in vonage.requests] == ["the-other", CALL.id]
    SPEC.check(vonage.last)
    assert vonage.json["destination"]["ncco"] == [
        {"action": "conversation", "name": "att_1-7", "startOnEnter": True, "endOnExit": True}
    ]
