import asyncio
import contextlib
import json
import logging
import socket
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import httpx
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.http.http_client import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from outdial.carriers import errors
from outdial.carriers.callbacks import BackToAgent
from outdial.carriers.calls import Detection, PlaceCall
from outdial.carriers.errors import (
    CarrierError,
    CarrierRefused,
    CarrierThrottled,
    CarrierUncertain,
    CarrierUnreachable,
)
from outdial.carriers.numbers import NumberRecord
from outdial.carriers.twilio.account import TwilioAccount, TwilioCredentials
from outdial.carriers.twilio.calls import TwilioCalls
from outdial.carriers.twilio.numbers import TwilioNumbers
from outdial.carriers.twilio.regions import REGIONS
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason
from outdial.telephony.verdict import AnsweredBy

HERE = Path(__file__).parents[1]
RECORDED = json.loads((HERE / "fixtures/twilio_rest.json").read_text())
SCHEMAS = json.loads((HERE / "specs/twilio_calls.json").read_text())
ACCOUNT = "AC00000000000000000000000000000001"
CALL = CarrierCall(id="CA00000000000000000000000000000001")
TO, FROM = "+15551230001", "+15551230002"
CALLBACK_URL = "https://voice.example/callbacks/twilio/call_1"
STREAM_URL = "wss://voice.example/media/twilio/call_1/token"
CREDENTIALS = TwilioCredentials(account_sid=ACCOUNT, auth_token="secret-token")
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


class Twilio:
    """The other end: answers with what it was given, in turn, and keeps the requests."""

    def __init__(self, *replies: httpx.Response | Exception) -> None:
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []

    def carrier(self) -> TwilioCalls:
        return TwilioCalls(TwilioAccount(CREDENTIALS, transport=httpx.MockTransport(self._answer)))

    def numbers(self, credentials: TwilioCredentials = CREDENTIALS, base_url: str = REGIONS[0].url) -> TwilioNumbers:
        transport = httpx.MockTransport(self._answer)
        return TwilioNumbers(TwilioAccount(credentials, base_url=base_url, transport=transport))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.requests[-1].content.decode(), keep_blank_values=True, strict_parsing=True)


def recorded(name: str) -> httpx.Response:
    response = RECORDED[name]["response"]
    return httpx.Response(response["status"], json=response["json"])


def recorded_error(name: str) -> httpx.Response:
    error = RECORDED["errors"][name]
    return httpx.Response(error["status"], json=error["json"], headers=error["headers"])


def call(**fields: object) -> dict[str, object]:
    return RECORDED["fetch_completed"]["response"]["json"] | fields


def basic_auth(request: httpx.Request) -> str:
    return b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()


def assert_recorded_request(request: httpx.Request, name: str) -> None:
    expected = RECORDED[name]["request"]
    assert (request.method, str(request.url)) == (expected["method"], expected["url"])


def assert_of_the_specification(form: list[tuple[str, str]], schema_name: str) -> None:
    """Twilio's OpenAPI document judges names and types; forms hold text, so numbers are read first."""
    schema = SCHEMAS[schema_name]
    values: dict[str, object] = {}
    for name, value in form:
        match schema["properties"].get(name, {}).get("type"):
            case "array":
                values.setdefault(name, []).append(value)
            case "integer":
                values[name] = int(value)
            case _:
                assert name not in values
                values[name] = value
    jsonschema.validate(values, schema)


# -- placing a call


async def test_a_call_is_placed_as_recorded_but_with_the_answer_inside():
    twilio = Twilio(recorded("create_call"))
    assert await twilio.carrier().place_call(DIAL) == CALL
    assert_recorded_request(twilio.requests[0], "create_call")
    assert_of_the_specification(twilio.form, "create_call")
    sent = dict(twilio.form)
    twiml = ElementTree.fromstring(sent["Twiml"])
    assert [each.tag for each in twiml.iter()] == ["Response", "Connect", "Stream", "Parameter", "Hangup"]
    assert twiml.find("Connect/Stream").attrib == {"url": STREAM_URL, "statusCallback": f"{CALLBACK_URL}/stream"}
    assert twiml.find("Connect/Stream/Parameter").attrib == {"name": "ref", "value": "call_1"}
    expected = [tuple(field) for field in RECORDED["create_call"]["request"]["form"] if field[0] != "Url"]
    ours = [field for field in twilio.form if field[0] != "Twiml"]
    assert sorted(ours) == sorted([*expected, ("MachineDetectionTimeout", "30")])


async def test_twilios_own_sdk_would_send_the_same():
    class Recorder(HttpClient):
        def request(self, method, uri, data=None, **_):
            self.sent = data
            return Response(201, json.dumps(RECORDED["create_call"]["response"]["json"]))

    twilio = Twilio(recorded("create_call"))
    await twilio.carrier().place_call(DIAL)
    recorder = Recorder(logging.getLogger(__name__), False)
    Client(ACCOUNT, "secret-token", http_client=recorder).calls.create(
        to=TO,
        from_=FROM,
        twiml=dict(twilio.form)["Twiml"],
        status_callback=f"{CALLBACK_URL}/status",
        status_callback_event=["initiated", "ringing", "answered", "completed"],
        timeout=30,
        time_limit=1800,
        machine_detection="Enable",
        machine_detection_timeout=30,
        async_amd="true",
        async_amd_status_callback=f"{CALLBACK_URL}/amd",
    )
    theirs = httpx.Request("POST", "https://example.org", data=recorder.sent).content.decode()
    assert sorted(twilio.form) == sorted(parse_qsl(theirs))


@pytest.mark.parametrize(
    ("detection", "expected"),
    [(Detection.OFF, None), (Detection.FAST, "Enable"), (Detection.MESSAGE_END, "DetectMessageEnd")],
)
async def test_detection_runs_beside_the_conversation_or_not_at_all(detection, expected):
    twilio = Twilio(recorded("create_call"))
    await twilio.carrier().place_call(
        PlaceCall(**{name: getattr(DIAL, name) for name in DIAL.__slots__} | {"detection": detection})
    )
    sent = dict(twilio.form)
    assert sent.get("MachineDetection") == expected
    assert sent.get("AsyncAmd") == (expected and "true")


@pytest.mark.parametrize("name", RECORDED["errors"])
async def test_every_recorded_error_says_what_may_be_done_next(name):
    twilio = Twilio(recorded_error(name))
    error = RECORDED["errors"][name]
    with pytest.raises(getattr(errors, error["means"]["raises"])) as raised:
        await twilio.carrier().place_call(DIAL)
    assert raised.value.carrier_code == str(error["json"]["code"])
    assert raised.value.code in FailureCode
    assert "+1" not in raised.value.message + str(raised.value)
    assert len(twilio.requests) == 1


async def test_an_error_nobody_knows_yet_is_a_refusal_with_a_place_to_read_on():
    twilio = Twilio(httpx.Response(400, json={"code": 29999, "message": "No +15551230001"}))
    with pytest.raises(CarrierRefused) as raised:
        await twilio.carrier().place_call(DIAL)
    assert raised.value.message == "Twilio refused the request. See https://www.twilio.com/docs/errors/29999"
    assert raised.value.codes == {"code": "carrier_refused", "carrier_code": "29999"}


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (httpx.ConnectError("refused"), CarrierUnreachable),
        (httpx.ConnectTimeout("no answer"), CarrierUnreachable),
        (httpx.PoolTimeout("all busy"), CarrierUnreachable),
        (httpx.ReadTimeout("no reply"), CarrierUncertain),
        (httpx.WriteTimeout("stuck"), CarrierUncertain),
        (httpx.ReadError("reset"), CarrierUncertain),
        (httpx.WriteError("reset"), CarrierUncertain),
        (httpx.RemoteProtocolError("closed"), CarrierUncertain),
        (httpx.Response(500), CarrierUncertain),
        (httpx.Response(503, headers={"Retry-After": "5"}), CarrierUncertain),
        (httpx.Response(302, headers={"Location": "https://example.org"}), CarrierUncertain),
        (httpx.Response(408), CarrierUncertain),
        (httpx.Response(201, text="<html>"), CarrierUncertain),
        (httpx.Response(201, json=[]), CarrierUncertain),
        (httpx.Response(201, json={"sid": None}), CarrierUncertain),
        (httpx.Response(201, text="[" * 100_000), CarrierUncertain),
        (httpx.Response(403, text="<html>Forbidden"), CarrierRefused),
        (httpx.Response(400, json={"code": 10004}), CarrierThrottled),
        (httpx.Response(429, text="slow down"), CarrierThrottled),
    ],
)
async def test_a_dial_is_sent_once_and_its_failure_says_whether_a_phone_may_ring(failure, raised):
    twilio = Twilio(failure)
    with pytest.raises(raised):
        await twilio.carrier().place_call(DIAL)
    assert len(twilio.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 1.0), ("", 1.0), ("soon", 1.0), ("9" * 50, 3600.0), ("Thu, 01 Jan 2015 00:00:00 GMT", 1.0),
     ("Thu, 01 Jan 2099 00:00:00 GMT", 3600.0)],
)
async def test_when_throttled_twilio_may_say_for_how_long(header, seconds):
    twilio = Twilio(httpx.Response(429, json={"code": 20429}, headers={"Retry-After": header}))
    with pytest.raises(CarrierThrottled) as raised:
        await twilio.carrier().place_call(DIAL)
    assert raised.value.retry_after_s == seconds


async def test_a_real_socket_nobody_listens_on_is_unreachable():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        account = TwilioAccount(CREDENTIALS, base_url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        carrier = TwilioCalls(account)
        with pytest.raises(CarrierUnreachable):
            await carrier.place_call(DIAL)
    await carrier.aclose()


async def test_a_real_connection_that_dies_before_the_reply_is_uncertain(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # not asked: what is on this machine needs no proxy
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    async with await asyncio.start_server(die, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        carrier = TwilioCalls(TwilioAccount(CREDENTIALS, base_url=f"http://127.0.0.1:{port}"))
        with pytest.raises(CarrierUncertain):
            await carrier.place_call(DIAL)
        await carrier.aclose()


# -- a call that is there


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        (lambda carrier: carrier.hang_up(CALL), "hang_up"),
        (lambda carrier: carrier.transfer(CALL, "+15551230003", FROM, CALLBACK_URL), "transfer"),
    ],
)
async def test_a_live_call_is_changed_as_recorded(verb, name):
    twilio = Twilio(recorded(name))
    await verb(twilio.carrier())
    assert_recorded_request(twilio.requests[0], name)
    assert_of_the_specification(twilio.form, "update_call")
    expected = dict(RECORDED[name]["request"]["form"])
    told = f' statusCallback="{CALLBACK_URL}/transfer_leg" statusCallbackEvent="initiated answered completed"'
    assert {name: value.replace(" />", "/>").replace(told, "") for name, value in twilio.form} == expected


@pytest.mark.parametrize(("name", "answer"), [("unknown_call", "not_known"), ("redirect_not_in_progress", "ended")])
async def test_ending_an_ended_call_is_no_error(name, answer):
    assert await Twilio(recorded_error(name)).carrier().hang_up(CALL) == answer
    assert await Twilio(recorded("hang_up")).carrier().hang_up(CALL) == "taken"


async def test_a_page_that_is_none_of_twilios_is_no_word_about_a_call():
    with pytest.raises(CarrierRefused):
        await Twilio(httpx.Response(404, text="<h1>Not found</h1>")).carrier().hang_up(CALL)


@pytest.mark.parametrize(
    ("verb", "raised"),
    [
        (lambda twilio: twilio.carrier().hang_up(CALL), CarrierUnreachable),  # may be said twice
        (lambda twilio: twilio.carrier().look_up(CALL), CarrierUnreachable),
        (lambda twilio: twilio.numbers().check(), CarrierUnreachable),
        (lambda twilio: twilio.carrier().transfer(CALL, TO, FROM, CALLBACK_URL), CarrierUncertain),
    ],
)
@pytest.mark.parametrize("failure", [recorded_error("server_error"), httpx.ReadTimeout("no reply")], ids=type)
async def test_what_does_no_harm_twice_is_safe_to_retry(verb, raised, failure):
    with pytest.raises(raised):
        await verb(Twilio(failure))


async def test_a_call_id_cannot_lead_to_another_resource():
    twilio = Twilio(recorded("fetch_busy"))
    await twilio.carrier().look_up(CarrierCall(id="../Balance?x="))
    assert twilio.requests[0].url.raw_path.endswith(b"/Calls/..%2FBalance%3Fx%3D.json")


@pytest.mark.parametrize("name", ["fetch_ringing", "fetch_completed", "fetch_busy"])
async def test_twilios_record_of_a_call_means_what_it_says(name):
    twilio = Twilio(recorded(name))
    record = await twilio.carrier().look_up(CALL)
    assert_recorded_request(twilio.requests[0], name)
    assert record.progress.state == RECORDED[name]["means"]["state"]
    assert record.progress.end_reason == RECORDED[name]["means"].get("end_reason")
    assert record.call == record.progress.carrier_call == CALL
    assert record.created_at == datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


async def test_the_record_of_a_completed_call_is_read_whole():
    record = await Twilio(recorded("fetch_completed")).carrier().look_up(CALL)
    assert record.progress.at == datetime(2026, 1, 1, 12, 1, 8, tzinfo=UTC)
    assert record.progress.duration_s == 60.0
    assert record.price == Price(amount="0.01400", currency="USD")
    assert record.verdict is not None
    assert record.verdict.answered_by is AnsweredBy.HUMAN


@pytest.mark.parametrize(
    ("status", "end_time", "state", "end_reason"),
    [
        ("queued", None, CallState.DIALING, None),
        ("in-progress", None, CallState.IN_PROGRESS, None),
        ("failed", "Thu, 01 Jan 2026 12:00:05 +0000", CallState.ENDED, EndReason.FAILED),
        ("canceled", "Thu, 01 Jan 2026 12:00:05 +0000", CallState.ENDED, EndReason.CANCELED),
        ("pondering", None, CallState.DIALING, None),  # changes nothing: states only move forward
        ("evaporated", "Thu, 01 Jan 2026 12:00:05 +0000", CallState.ENDED, EndReason.FAILED),
    ],
)
async def test_every_status_has_a_meaning(status, end_time, state, end_reason):
    reply = httpx.Response(200, json=call(status=status, end_time=end_time))
    record = await Twilio(reply).carrier().look_up(CALL)
    assert (record.progress.state, record.progress.end_reason) == (state, end_reason)
    assert (record.progress.error is not None) == (end_reason is EndReason.FAILED)


@pytest.mark.parametrize("price", [None, "", "free", "NaN", "-Infinity", 3])
async def test_a_price_that_is_none_is_none(price):
    record = await Twilio(httpx.Response(200, json=call(price=price))).carrier().look_up(CALL)
    assert record.price is None


json_values = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(call())), json_values))
def test_a_strange_record_is_an_error_of_the_carrier_and_no_other(fields):
    async def look_up() -> None:
        with contextlib.suppress(CarrierError):
            await Twilio(httpx.Response(200, json=call(**fields))).carrier().look_up(CALL)

    asyncio.run(look_up())


# -- finding calls


def page(*calls: dict[str, object], next_page: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"calls": list(calls), "next_page_uri": next_page})


async def test_calls_are_found_by_numbers_newest_first_and_those_that_wait_are_among_them():
    waiting = call(sid="CAwaiting", status="queued", date_created=None, start_time=None, end_time=None)
    old = call(sid="CAold", date_created="Thu, 01 Jan 2026 11:59:59 +0000")
    first = call(sid="CAfirst", date_created="Thu, 01 Jan 2026 12:00:00 +0000")
    second = call(sid="CAsecond", date_created="Thu, 01 Jan 2026 12:00:01 +0000")
    next_page = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json?To=%2B15551230001&PageSize=1000&Page=1&PageToken=x"
    twilio = Twilio(page(old, first, next_page=next_page), page(second, waiting))
    found = await twilio.carrier().find(ref="att_1", to=TO, from_=FROM, since=datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
    assert [record.call.id for record in found] == ["CAwaiting", "CAsecond", "CAfirst"]
    assert dict(twilio.requests[0].url.params) == {"To": TO, "From": FROM, "PageSize": "1000"}
    assert twilio.requests[1].url.raw_path.decode() == next_page


async def test_a_call_created_in_the_same_second_is_found():
    created = call(date_created="Thu, 01 Jan 2026 12:00:00 +0000")
    since = datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    assert len(await Twilio(page(created)).carrier().find(ref="att_1", to=TO, from_=FROM, since=since)) == 1


async def test_a_leg_of_a_transfer_is_not_taken_for_a_call_of_ours():
    leg = call(parent_call_sid="CA00000000000000000000000000000009", direction="outbound-dial")
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert await Twilio(page(leg)).carrier().find(ref="att_1", to=TO, from_=FROM, since=since) == []


async def test_a_list_that_cannot_be_read_to_its_end_is_never_taken_for_complete():
    next_page = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json?Page=1"
    twilio = Twilio(*(page(call(), next_page=next_page) for _ in range(100)))
    with pytest.raises(CarrierUncertain):
        await twilio.carrier().find(ref="att_1", to=TO, from_=FROM, since=datetime(2026, 1, 1, tzinfo=UTC))
    assert len(twilio.requests) < 10


@pytest.mark.parametrize(
    "reply",
    [
        page(call(), next_page="https://evil.example/2010-04-01/Calls.json"),
        page(call(), next_page="//evil.example/"),
        httpx.Response(200, json={"calls": None}),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"calls": [1]}),
    ],
)
async def test_a_list_that_is_none_or_leads_elsewhere_is_not_believed(reply):
    twilio = Twilio(reply)
    with pytest.raises(CarrierUnreachable):
        await twilio.carrier().find(ref="att_1", to=TO, from_=FROM, since=datetime(2026, 1, 1, tzinfo=UTC))
    assert len(twilio.requests) == 1


async def test_no_number_reaches_the_log(caplog):
    caplog.set_level(logging.INFO)
    await Twilio(page(call())).carrier().find(ref="att_1", to=TO, from_=FROM, since=datetime(2026, 1, 1, tzinfo=UTC))
    assert "555123" not in caplog.text


# -- account and numbers


async def test_good_credentials_pass_the_check():
    twilio = Twilio(recorded("check_credentials"))
    await twilio.numbers().check()
    assert_recorded_request(twilio.requests[0], "check_credentials")
    assert basic_auth(twilio.requests[0]) == f"{ACCOUNT}:secret-token"


@pytest.mark.parametrize(
    "reply", [recorded_error("bad_credentials"), httpx.Response(200, json={"status": "suspended"})]
)
async def test_an_account_that_cannot_call_fails_the_check(reply):
    with pytest.raises(CarrierRefused):
        await Twilio(reply).numbers().check()


async def test_an_api_key_is_used_for_requests_but_the_account_stays_in_the_path():
    twilio = Twilio(recorded("check_credentials"))
    credentials = TwilioCredentials(
        account_sid=ACCOUNT, auth_token="secret-token", api_key="SK1", api_secret="secret-key"
    )
    await twilio.numbers(credentials).check()
    request = twilio.requests[0]
    assert basic_auth(request) == "SK1:secret-key"
    assert ACCOUNT in request.url.path


async def test_a_region_has_its_own_host():
    twilio = Twilio(recorded("check_credentials"))
    await twilio.numbers(base_url="https://api.dublin.ie1.twilio.com").check()
    assert twilio.requests[0].url.host == "api.dublin.ie1.twilio.com"


def test_secrets_stay_out_of_the_repr():
    credentials = TwilioCredentials(
        account_sid=ACCOUNT, auth_token="secret-1", next_auth_token="secret-2", api_key="SK1", api_secret="secret-3"
    )
    assert "secret" not in repr(credentials)


async def test_a_rented_number_is_known_with_what_it_can_do():
    twilio = Twilio(recorded("find_number"))
    record = await twilio.numbers().owns(FROM)
    assert record == NumberRecord(
        number=FROM,
        carrier_number_id="PN00000000000000000000000000000001",
        name="(555) 123-0002",
        can_call=True,
        rented=True,
    )
    assert twilio.requests[0].url.params["PhoneNumber"] == FROM


async def test_a_verified_caller_id_can_be_called_from():
    none = httpx.Response(200, json={"incoming_phone_numbers": [], "next_page_uri": None})
    verified = httpx.Response(
        200, json={"outgoing_caller_ids": [{"sid": "PN2", "phone_number": FROM, "friendly_name": "Office"}]}
    )
    record = await Twilio(none, verified).numbers().owns(FROM)
    assert record is not None
    assert (record.carrier_number_id, record.can_call, record.rented) == ("PN2", True, False)


async def test_a_number_that_only_looks_alike_is_not_owned():
    alike = httpx.Response(200, json={"incoming_phone_numbers": [{"sid": "PN1", "phone_number": FROM + "9"}]})
    none = httpx.Response(200, json={"outgoing_caller_ids": []})
    assert await Twilio(alike, none).numbers().owns(FROM) is None


# -- transfers


BACK = BackToAgent(
    ref="call_1",
    from_=FROM,
    callback_url=CALLBACK_URL,
    stream_url="wss://voice.example/again/token",
    max_duration_s=600,
)
SINCE_TRANSFER = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def child(**fields: object) -> dict[str, object]:
    return call(sid="CA" + "2" * 32, to="+15551230003", parent_call_sid=CALL.id) | fields


@pytest.mark.parametrize(
    ("leg", "outcome", "is_over", "duration_s"),
    [
        ({"status": "completed", "duration": "12"}, "answered", True, 12),
        ({"status": "busy", "duration": "0"}, "busy", True, None),
        ({"status": "no-answer", "duration": "0"}, "no_answer", True, None),
        ({"status": "failed", "duration": "0"}, "failed", True, None),
        ({"status": "in-progress", "end_time": None, "duration": None}, "answered", False, None),
        ({"status": "ringing", "end_time": None, "start_time": None, "duration": None}, None, False, None),
    ],
)
async def test_what_became_of_a_transfer_is_told_by_the_leg_that_was_dialled(leg, outcome, is_over, duration_s):
    old = child(status="busy", date_created="Thu, 01 Jan 2026 11:59:00 +0000")
    twilio = Twilio(page(child(to="+15551230009"), child(**leg), old))
    told = await twilio.carrier().look_up_transfer(CALL, to="+15551230003", leg=None, since=SINCE_TRANSFER)
    assert (told.outcome, told.is_over, told.duration_s) == (outcome, is_over, duration_s)
    assert (told.leg, told.carrier_call) == ("CA" + "2" * 32, CALL)
    assert twilio.requests[0].url.params["ParentCallSid"] == CALL.id


async def test_a_leg_that_is_not_listed_is_none():
    twilio = Twilio(page(child(date_created="Thu, 01 Jan 2026 11:59:00 +0000")), page(child()))
    for leg in (None, "CA" + "3" * 32):
        look_up = twilio.carrier().look_up_transfer(CALL, to="+15551230003", leg=leg, since=SINCE_TRANSFER)
        assert await look_up is None


async def test_a_call_is_brought_back_by_new_twiml():
    twilio = Twilio(recorded("transfer"))
    await twilio.carrier().resume(CALL, BACK)
    [(name, twiml)] = twilio.form
    assert (name, '<Stream url="wss://voice.example/again/token"' in twiml) == ("Twiml", True)


async def test_two_calls_are_connected_in_a_conference_that_ends_with_either():
    twilio = Twilio(recorded("transfer"), recorded("transfer"))
    await twilio.carrier().join(CALL, CarrierCall(id="CA" + "2" * 32), room="att_1-7")
    asked = [request.url.path.rpartition("/")[2] for request in twilio.requests]
    assert asked == [f"CA{'2' * 32}.json", f"{CALL.id}.json"]
    [(name, twiml)] = twilio.form
    assert name == "Twiml"
    assert twiml == (
        '<Response><Dial><Conference beep="false" waitUrl="" startConferenceOnEnter="true" endConferenceOnExit="true">'
        "att_1-7</Conference></Dial><Hangup /></Response>"
    )
