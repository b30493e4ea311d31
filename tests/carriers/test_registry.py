import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outdial.carriers.base import CarrierName, StreamStarted
from outdial.carriers.registry import CARRIERS

FIXTURES = Path(__file__).parent / "fixtures"
TWILIO = CARRIERS[CarrierName.TWILIO]
RECORDED = json.loads((FIXTURES / "twilio_callbacks.json").read_text())
CREDENTIALS = {"account_sid": RECORDED["account_sid"], "auth_token": RECORDED["auth_token"]}


@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_stands_under_its_own_name(name):
    kind = CARRIERS[name]
    assert kind.name == name
    names = [field.name for field in kind.credential_fields]
    assert len(set(names)) == len(names)
    assert any(field.secret for field in kind.credential_fields)
    assert kind.default_calls_per_second > 0


async def test_an_account_is_opened_from_exactly_the_fields_that_are_asked_for():
    for fields in (
        {field.name: "x" for field in TWILIO.credential_fields},
        {field.name: "x" for field in TWILIO.credential_fields if field.required},
    ):
        carrier = TWILIO.open(fields, "http://127.0.0.1:1")
        assert carrier.capabilities == TWILIO.capabilities
        await carrier.aclose()
    assert TWILIO.account_ref(CREDENTIALS) == RECORDED["account_sid"]


def test_a_callback_goes_through_the_door():
    callback = RECORDED["single"]["transfer_no_answer"]["request"]
    body = callback["body"].encode()
    assert TWILIO.verify(CREDENTIALS, url=callback["url"], headers=callback["headers"], body=body)
    assert not TWILIO.verify(
        CREDENTIALS | {"auth_token": "forged"}, url=callback["url"], headers=callback["headers"], body=body
    )
    parsed = TWILIO.parse("transfer", body, headers=callback["headers"], received_at=datetime.now(UTC))
    assert parsed.event is None
    reply = TWILIO.reply("transfer", body)
    assert reply is not None
    assert "<Say>" in reply.body


def test_every_websocket_has_a_codec_of_its_own():
    start = json.loads((FIXTURES / "twilio_media_stream.json").read_text())["messages"][1]["text"]
    for _ in range(2):
        assert isinstance(TWILIO.stream_codec().receive(start), StreamStarted)
