import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outdial.carriers.calls import PlaceCall
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.http import root_url
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS, carrier_named
from outdial.carriers.telnyx import mapping as telnyx
from outdial.carriers.twilio import mapping as twilio
from outdial.carriers.vonage import mapping as vonage
from outdial.media.stream import StreamStarted

FIXTURES = Path(__file__).parent / "fixtures"
RECORDED = {name: json.loads((FIXTURES / f"{name}_callbacks.json").read_text()) for name in CARRIERS}
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
CREDENTIALS = {
    CarrierName("twilio"): {
        "account_sid": RECORDED["twilio"]["account_sid"], "auth_token": RECORDED["twilio"]["auth_token"],
    },
    CarrierName("vonage"): {
        "api_key": RECORDED["vonage"]["api_key"], "api_secret": "secret",
        "signature_secret": RECORDED["vonage"]["signature_secret"],
        "application_id": RECORDED["vonage"]["application_id"],
    },
    CarrierName("telnyx"): {"api_key": "KEY1", "public_key": RECORDED["telnyx"]["public_key"]},
}
STARTS = {
    CarrierName("twilio"): json.loads((FIXTURES / "twilio_media_stream.json").read_text())["messages"][1]["text"],
    CarrierName("vonage"): '{"event":"websocket:connected","content-type":"audio/l16;rate=8000","ref":"att_1"}',
    CarrierName("telnyx"): json.loads((FIXTURES / "telnyx_media_stream.json").read_text())["messages"][1]["text"],
}
WORDS_FOR_WHO_ANSWERED = {
    "twilio": twilio.ANSWERED_BY,
    "vonage": {*vonage.ANSWERED_BY, *vonage.MESSAGE_END},
    "telnyx": {*telnyx.DETECTED, *(f"greeting_{word}" for word in telnyx.GREETING_ENDED)},
}
REFS = {CarrierName("twilio"): "account_sid", CarrierName("vonage"): "api_key", CarrierName("telnyx"): "public_key"}

every_carrier = pytest.mark.parametrize("kind", CARRIERS.values(), ids=list(CARRIERS))


def ringing_or_answered(name: str):
    callbacks = next(iter(RECORDED[name]["scenarios"].values()))
    return next(each for each in callbacks if each["means"].get("state") == "in_progress")


@every_carrier
def test_every_carrier_stands_under_its_own_name(kind):
    assert CARRIERS[kind.name] is kind
    assert carrier_named(str(kind.name)) == kind.name
    names = [field.name for field in kind.credential_fields]
    assert len(set(names)) == len(names)
    assert any(field.secret for field in kind.credential_fields)
    assert kind.default_calls_per_second > 0


@every_carrier
def test_every_region_has_a_name_and_a_host_of_the_carriers_own(kind):
    assert len({region.name for region in kind.regions}) == len({region.url for region in kind.regions})
    for region in kind.regions:
        assert root_url(region.url, version=kind.api_version) == region.url
        assert region.url.startswith("https://")
        assert kind.region(region.name) is region
        assert kind.api_url(region.name, None) == region.url
    assert kind.region(None) is kind.regions[0]
    assert kind.api_url(None, "http://127.0.0.1:1") == "http://127.0.0.1:1"
    with pytest.raises(CarrierRefused):
        kind.api_url("mars", None)


def test_a_carrier_nobody_knows_has_no_name():
    assert carrier_named("acme") is None


@every_carrier
async def test_an_account_is_opened_from_exactly_the_fields_that_are_asked_for(kind):
    for fields in (
        {field.name: "x" for field in kind.credential_fields},
        {field.name: "x" for field in kind.credential_fields if field.required},
    ):
        for opened in (kind.call_control, kind.number_control):
            await opened(fields, "http://127.0.0.1:1").aclose()
    assert kind.account_ref(CREDENTIALS[kind.name]) == CREDENTIALS[kind.name][REFS[kind.name]]


@every_carrier
async def test_no_account_name_is_a_secret(kind):
    secrets = {field.name for field in kind.credential_fields if field.secret}
    assert REFS[kind.name] not in secrets
    values = {field.name: f"hidden-{field.name}" for field in kind.credential_fields}
    assert kind.account_ref(values) not in {values[name] for name in secrets}


@every_carrier
def test_a_callback_signed_for_a_trial_is_taken_for_genuine_as_it_was_sent(kind):
    url, signer = "https://voice.example.com/callbacks/self-test/x?a=1&b=x%20y", kind.trial_signer()
    signed = signer.callback(url, NOON)
    asked = {"url": url, "headers": signed.headers, "body": signed.body, "now": NOON}
    assert kind.verify(signer.credentials, **asked)
    assert not kind.verify(kind.trial_signer().credentials, **asked)
    assert not kind.verify(signer.credentials, **asked | {"body": signed.body + b" "})
    assert (signer.handshake is not None) == kind.signs_streams
    if signer.handshake is not None:
        url = "wss://voice.example.com/media/self-test/x/audio"
        given = {"url": url, "headers": signer.handshake(url, NOON), "body": b"", "now": NOON}
        assert kind.verify(signer.credentials, **given)
        assert not kind.verify(kind.trial_signer().credentials, **given)


@every_carrier
def test_a_callback_goes_through_the_door(kind):
    request = ringing_or_answered(kind.name)["request"]
    body, credentials = request["body"].encode(), CREDENTIALS[kind.name]
    asked = {"url": request["url"], "headers": request["headers"], "body": body, "now": NOON}
    assert kind.verify(credentials, **asked)
    assert not kind.verify(credentials, **asked | {"body": body + b" "})
    assert not kind.verify(credentials, **asked | {"headers": {}})
    for field in credentials:
        if field in ("auth_token", "signature_secret", "public_key"):
            assert not kind.verify(credentials | {field: "forged"}, **asked)
    parsed = kind.parse(
        request["url"].rpartition("/")[2], body, headers=request["headers"], received_at=NOON
    )
    assert parsed.event is not None
    assert parsed.event.carrier_call == parsed.call
    assert kind.reply("event", body) is None


@every_carrier
def test_the_example_of_credentials_is_what_an_account_takes_at_the_least(kind):
    assert all(kind.credential_example.values())
    assert kind.account_ref(kind.credential_example)


@every_carrier
def test_every_word_for_who_answered_can_be_said_in_english(kind):
    assert set(kind.evidence) == set(WORDS_FOR_WHO_ANSWERED[kind.name])
    told = [each for story in RECORDED[kind.name]["scenarios"].values() for each in story if each["request"]["body"]]
    words = set()
    for request in (each["request"] for each in told):
        name = request["url"].rpartition("/")[2]
        event = kind.parse(name, request["body"].encode(), headers=request["headers"], received_at=NOON).event
        words |= set(getattr(event, "evidence", ()))
    assert words
    assert words <= {f"{kind.name}:{word}" for word in kind.evidence}


@every_carrier
def test_every_websocket_has_a_codec_of_its_own(kind):
    for _ in range(2):
        assert isinstance(kind.stream_codec().receive(STARTS[kind.name]), StreamStarted)


@pytest.mark.parametrize("name", [CarrierName("vonage"), CarrierName("telnyx")])
async def test_a_carrier_that_lacks_something_to_place_calls_with_says_so_before_anything_is_sent(name):
    required = {field.name: "x" for field in CARRIERS[name].credential_fields if field.required}
    carrier = CARRIERS[name].call_control(required, "http://127.0.0.1:1")
    request = PlaceCall(
        ref="att_1",
        to="+15551230001",
        from_="+15551230002",
        callback_url="https://voice.example/callbacks/x/att_1",
        stream_url="wss://voice.example/media/x/att_1/token",
        ring_timeout_s=30,
        max_duration_s=600,
    )
    with pytest.raises(CarrierRefused) as raised:
        await carrier.place_call(request)
    assert raised.value.code == "account_not_set_up"
    await carrier.aclose()
