"""Connecting a number: whose it is, what answers it, what is changed and put back; and calls that come in."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx
import pytest

from carriers.other_end import OtherEnd
from outdial.carriers.callbacks import BadCallback, IncomingCall
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.twilio.account import TwilioAccount, TwilioCredentials
from outdial.carriers.twilio.callbacks import incoming
from outdial.carriers.twilio.calls import TwilioCalls
from outdial.carriers.twilio.numbers import TwilioNumbers
from outdial.telephony.carrier_call import CarrierCall

NUMBER = "+15551230002"
URLS = {"inbound_url": "https://voice.example/inbound/twilio/a", "callback_url": "https://voice.example/callbacks/a"}
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
INCOMING = IncomingCall(call=CarrierCall(id="CA" + "0" * 32), from_="+15551230001", to=NUMBER, at=NOW)
BEFORE = {
    "voice_url": "https://demo.twilio.com/welcome/voice/",
    "voice_method": "GET",
    "status_callback": "",
    "status_callback_method": "POST",
}


def rented(**fields: object) -> httpx.Response:
    number = {"sid": "PN1", "phone_number": NUMBER, "friendly_name": "Office", "capabilities": {"voice": True}}
    return httpx.Response(200, json={"incoming_phone_numbers": [number | BEFORE | fields]})


NONE = httpx.Response(200, json={"incoming_phone_numbers": []})
NO_CALLER_IDS = httpx.Response(200, json={"outgoing_caller_ids": []})
VERIFIED = httpx.Response(200, json={"outgoing_caller_ids": [{"sid": "PN2", "phone_number": NUMBER}]})


def account(twilio: OtherEnd) -> TwilioAccount:
    credentials = TwilioCredentials(account_sid="AC1", auth_token="secret")
    return TwilioAccount(credentials, transport=twilio.transport)


def carrier(twilio: OtherEnd) -> TwilioNumbers:
    return TwilioNumbers(account(twilio))


async def test_what_will_be_changed_is_said_before_it_is_changed():
    twilio = OtherEnd(rented())
    found = await carrier(twilio).connection(NUMBER, **URLS)
    assert found.answered_by == BEFORE["voice_url"]
    assert found.changes == (
        "VoiceUrl will be https://voice.example/inbound/twilio/a instead of https://demo.twilio.com/welcome/voice/.",
        "StatusCallback will be https://voice.example/callbacks/a/status instead of nothing.",
    )
    assert [request.method for request in twilio.requests] == ["GET"]


async def test_a_number_is_connected_and_put_back_as_it_was():
    twilio = OtherEnd(rented(), httpx.Response(200, json={}))
    connected = await carrier(twilio).connect(NUMBER, **URLS)
    assert connected.credentials == {}
    assert twilio.last.url.path.endswith("/AC1/IncomingPhoneNumbers/PN1.json")
    ours = twilio.form
    assert ours == {
        "VoiceUrl": URLS["inbound_url"],
        "VoiceMethod": "POST",
        "StatusCallback": f"{URLS['callback_url']}/status",
        "StatusCallbackMethod": "POST",
    }
    twilio = OtherEnd(rented(voice_url=URLS["inbound_url"]), httpx.Response(200, json={}))
    await carrier(twilio).disconnect(NUMBER, connected.undo, is_last=True)
    assert twilio.form == {
        "VoiceUrl": BEFORE["voice_url"], "VoiceMethod": "GET", "StatusCallback": "", "StatusCallbackMethod": "POST",
    }


@pytest.mark.parametrize("now", [rented(voice_url="https://other.example/"), NONE])
async def test_what_somebody_changed_since_is_left_alone(now):
    twilio = OtherEnd(rented(), httpx.Response(200, json={}))
    connected = await carrier(twilio).connect(NUMBER, **URLS)
    twilio = OtherEnd(now)
    await carrier(twilio).disconnect(NUMBER, connected.undo, is_last=True)
    assert len(twilio.requests) == 1


async def test_connecting_twice_does_not_take_our_own_url_for_what_was_there_before():
    twilio = OtherEnd(rented(voice_url=URLS["inbound_url"]), httpx.Response(200, json={}))
    connected = await carrier(twilio).connect(NUMBER, **URLS)
    assert connected.undo["before"]["voice_url"] == ""


@pytest.mark.parametrize(
    ("replies", "code", "word"),
    [
        ([NONE, NONE, NO_CALLER_IDS], "number_not_owned", "does not belong"),
        ([NONE, NONE, VERIFIED], "number_only_verified", "verified caller ID"),
        ([rented(trunk_sid="TK1")], "number_in_use", "SIP trunk"),
        ([rented(voice_application_sid="AP1")], "number_in_use", "TwiML application"),
    ],
)
async def test_a_number_that_cannot_be_connected_says_why_and_what_to_do(replies, code, word):
    for verb in ("connection", "connect"):
        twilio = OtherEnd(*replies)
        with pytest.raises(CarrierRefused) as raised:
            await getattr(carrier(twilio), verb)(NUMBER, **URLS)
        assert raised.value.code == code
        assert word in raised.value.message
        assert all(request.method == "GET" for request in twilio.requests)


def read(**form: str):
    return incoming(urlencode({"CallSid": "CA" + "0" * 32, **form}).encode(), received_at=NOW)


def test_a_call_that_comes_in_is_announced():
    assert read(Direction="inbound", From="+15551230001", To=NUMBER, CallStatus="ringing") == INCOMING


def test_other_requests_to_the_same_url_announce_nothing():
    assert read(Direction="outbound-api", From=NUMBER, To="+15551230001") is None


@pytest.mark.parametrize("body", [b"", b"Direction=inbound&To=%2B1", b"\xff", b"CallSid=CA1&Direction=inbound&To=x"])
def test_what_is_no_announcement_is_a_bad_callback(body):
    if body == b"":
        assert incoming(body, received_at=NOW) is None
    else:
        with pytest.raises(BadCallback):
            incoming(body, received_at=NOW)


async def test_a_call_that_comes_in_is_connected_to_our_websocket():
    reply = await TwilioCalls(account(OtherEnd())).accept(
        INCOMING, ref="att_1", callback_url="https://v.example/c", stream_url="wss://v.example/m/t", max_duration_s=60
    )
    assert reply.media_type == "application/xml"
    assert reply.body == (
        '<Response><Connect><Stream url="wss://v.example/m/t" statusCallback="https://v.example/c/stream">'
        '<Parameter name="ref" value="att_1" /></Stream></Connect><Hangup /></Response>'
    )


async def test_a_call_is_refused_with_a_sentence_or_a_busy_tone():
    said = await TwilioCalls(account(OtherEnd())).refuse(INCOMING, sentence="Sorry.")
    assert said.body == "<Response><Say>Sorry.</Say><Hangup /></Response>"
    busy = await TwilioCalls(account(OtherEnd())).refuse(INCOMING, sentence=None)
    assert busy.body == '<Response><Reject reason="busy" /></Response>'


async def test_who_is_left_alone_hears_a_sentence():
    twilio = OtherEnd(httpx.Response(200, json={}))
    await TwilioCalls(account(twilio)).say_and_hang_up(INCOMING.call, "Sorry.")
    assert twilio.form == {"Twiml": "<Response><Say>Sorry.</Say><Hangup /></Response>"}


async def test_a_list_to_choose_from_is_one_page_and_names_what_can_not_call():
    page = {
        "next_page_uri": "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json?PageSize=100&Page=1",
        "incoming_phone_numbers": [
            {"sid": "PN1", "phone_number": NUMBER, "friendly_name": "Office", "capabilities": {"voice": True}},
            {"sid": "PN2", "phone_number": "+15551230004", "friendly_name": "", "capabilities": {"voice": False}},
        ],
    }
    twilio = OtherEnd(httpx.Response(200, json=page))
    owned = await carrier(twilio).owned("1230")
    assert [(each.number, each.name, each.can_call) for each in owned.numbers] == [
        (NUMBER, "Office", True),
        ("+15551230004", "", False),
    ]
    assert owned.more
    assert dict(twilio.last.url.params) == {"PhoneNumber": "1230", "PageSize": "100"}
