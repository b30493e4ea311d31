"""NCCO read from JSON: what is understood, and what is refused with which words."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vonage_voice.models import AdvancedMachineDetection, Connect, Conversation, Input, Notify, Record, Stream, Talk
from vonage_voice.models.connect_endpoints import PhoneEndpoint, WebsocketEndpoint
from vonage_voice.models.input_types import Dtmf

from outdial.simulator.vonage import ncco
from outdial.simulator.vonage.validation import Invalid

REST = json.loads((Path(__file__).parents[2] / "carriers/fixtures/vonage_rest.json").read_text())
SOCKET = {"type": "websocket", "uri": "wss://voice.example/media", "content-type": "audio/l16;rate=8000"}


def connect(**endpoint) -> list:
    return [{"action": "connect", "endpoint": [endpoint]}]


def test_a_published_document_is_understood():
    [action] = ncco.parse(REST["answer_ncco"])
    assert isinstance(action, ncco.Connect)
    assert action.event_type == "synchronous"
    assert action.from_ == "15551230002"
    [endpoint] = action.endpoint
    assert isinstance(endpoint, ncco.WebSocketEndpoint)
    assert (endpoint.rate_hz, endpoint.headers) == (16000, {"call_id": "call_1"})
    assert endpoint.authorization == ncco.Authorization(type="vonage")


def test_what_the_sdk_builds_is_understood():
    built = [
        Talk(text="Hello", bargeIn=True, loop=2, level=0.5, language="en-GB", style=3, premium=True),
        Stream(streamUrl=["https://voice.example/a.wav"], loop=0),
        Input(type=["dtmf"], dtmf=Dtmf(timeOut=5, maxDigits=1, submitOnHash=True), eventUrl=["https://voice.example/e"]),
        Record(split="conversation", channels=2, endOnSilence=3, endOnKey="#", timeOut=10, beepStart=True),
        Conversation(name="room", startOnEnter=False, endOnExit=True, mute=True),
        Notify(payload={"a": 1}, eventUrl=["https://voice.example/e"], eventMethod="POST"),
        Connect(
            endpoint=[PhoneEndpoint(number="15551230003", dtmfAnswer="1p2#")],
            from_="15551230002",
            timeout=25,
            advancedMachineDetection=AdvancedMachineDetection(behavior="hangup", mode="detect_beep", beep_timeout=50),
        ),
        Connect(
            endpoint=[
                WebsocketEndpoint(uri="wss://voice.example/m", contentType="audio/l16;rate=24000", headers={"a": 1})
            ],
            randomFromNumber=True,
        ),
    ]
    document = json.loads(json.dumps([action.model_dump(by_alias=True, exclude_none=True) for action in built]))
    names = ["Talk", "Stream", "Input", "Record", "Conversation", "Notify", "Connect", "Connect"]
    assert [type(action).__name__ for action in ncco.parse(document)] == names


@pytest.mark.parametrize(
    ("document", "name", "reason"),
    [
        ({}, "ncco", "Expected `array`"),
        ([{}], "ncco[0].action", "is required"),
        ([{"action": "sing"}], "ncco[0].action", "Invalid value"),
        ([{"action": "talk"}], "ncco[0].text", "is required"),
        ([{"action": "talk", "text": "Hi", "voice": "x"}], "ncco[0].voice", "is not allowed"),
        ([{"action": "talk", "text": "x" * 1501}], "ncco[0].text", "length <= 1500"),
        ([{"action": "talk", "text": "Hi", "bargeIn": True}], "ncco[0].bargeIn", "followed by an input"),
        ([{"action": "input"}], "ncco[0].type", "is required"),
        ([{"action": "stream", "streamUrl": ["file:///etc/passwd"]}], "ncco[0].streamUrl[0]", "http or https"),
        (connect(type="phone", number="not a number"), "ncco[0].endpoint[0].number", "up to 15 digits"),
        (connect(type="phone", number="15551230001\n"), "ncco[0].endpoint[0].number", "up to 15 digits"),
        (connect(type="pigeon"), "ncco[0].endpoint[0].type", "Invalid value"),
        (connect(**{**SOCKET, "content-type": "audio/l16;rate=44100"}), "ncco[0].endpoint[0].content-type", "Invalid"),
        (connect(**SOCKET, headers={"a": "x" * 512}), "ncco[0].endpoint[0].headers", "512 bytes"),
        (connect(**SOCKET, authorization={"type": "custom"}), "ncco[0].endpoint[0].authorization.value", "required"),
        (connect(**{**SOCKET, "uri": "wss://voice.example:99999/"}), "ncco[0].endpoint[0].uri", "websocket URL"),
        ([{**connect(**SOCKET)[0], "from": "1555", "randomFromNumber": True}], "ncco[0].from", "randomFromNumber"),
    ],
)
def test_a_mistake_is_named(document, name, reason):
    with pytest.raises(Invalid) as caught:
        ncco.parse(document)
    assert caught.value.name == name
    assert reason in caught.value.reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
actions = st.fixed_dictionaries(
    {"action": st.sampled_from(["talk", "stream", "connect", "input", "record", "conversation", "notify", "wait"])},
    optional=dict.fromkeys(
        ("text", "endpoint", "streamUrl", "payload", "eventUrl", "name", "dtmf", "timeOut", "loop", "from"), json_values
    ),
)


@given(json_values | st.lists(actions, max_size=3))
def test_any_json_is_an_ncco_or_invalid(document):
    with suppress(Invalid):
        ncco.parse(document)
