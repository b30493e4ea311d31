"""The messages of ConversationRelay: recorded ones in, whole values out, and what is no message."""

import json

import pytest

from outdial.agents.relay import protocol
from outdial.agents.relay.protocol import End, Play, SendDigits, Session, SwitchLanguage, TextToken, WrongMessage

SESSION = Session(
    call_id="call_1",
    user_number="+15551230001",
    agent_number="+15551230002",
    is_outbound=True,
    parameters={"first_name": "Ada"},
)


def test_the_handshake_is_signed_as_twilios_own_library_signs_it():
    assert protocol.signature("12345", "wss://app.example/ws") == "uqcGnTyCQPf2qf85nFdQCRDR/oo="


def test_a_setup_says_who_calls_whom():
    said = json.loads(protocol.setup(SESSION))
    assert (said["type"], said["from"], said["to"]) == ("setup", "+15551230002", "+15551230001")
    assert (said["direction"], said["callType"]) == ("outbound-api", "PSTN")
    assert said["customParameters"] == {"first_name": "Ada", "call_id": "call_1"}
    ids = said["callSid"], said["sessionId"]
    assert [(one[:2], len(one)) for one in ids] == [("CA", 34), ("VX", 34)]


def test_an_incoming_call_is_from_the_other_party():
    session = Session(call_id="c", user_number="+1", agent_number="+2", is_outbound=False, parameters={})
    said = json.loads(protocol.setup(session))
    assert (said["from"], said["to"], said["direction"]) == ("+1", "+2", "inbound")


def test_a_call_keeps_its_id_on_every_connection():
    one, other = protocol.setup(SESSION), protocol.setup(Session(**{**_fields(), "parameters": {}}))
    assert json.loads(one)["callSid"] == json.loads(other)["callSid"]
    assert json.loads(one)["sessionId"] != json.loads(other)["sessionId"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"text","token":"Hi "}', TextToken(token="Hi ")),
        ('{"type":"text","token":"","last":true}', TextToken(token="", last=True)),
        (
            '{"type":"text","token":"a","last":false,"lang":"es-ES","interruptible":"none","preemptible":true,"x":1}',
            TextToken(token="a", lang="es-ES", interruptible=False, preemptible=True),
        ),
        ('{"type":"play","source":"https://a.example/x.wav"}', Play(source="https://a.example/x.wav")),
        ('{"type":"play","source":"https://a","loop":0}', Play(source="https://a", loop=1000)),
        ('{"type":"sendDigits","digits":"9ww1#"}', SendDigits("9ww1#")),
        ('{"type":"language","ttsLanguage":"sv-SE"}', SwitchLanguage(spoken="sv-SE")),
        ('{"type":"end"}', End()),
        ('{"type":"end","handoffData":"{\\"reasonCode\\":\\"done\\"}"}', End('{"reasonCode":"done"}')),
    ],
)  # fmt: skip
def test_a_message_of_the_server_is_read_whole(text, message):
    assert protocol.read(text) == message


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "[]", "null", "7", "{", '{"type":"text"}', '{"type":"text","token":null}', "[" * 100_000,
        '{"type":"text","token":"a","last":"perhaps"}', '{"type":"play"}', '{"type":"play","source":"x","loop":-1}',
        '{"type":"play","source":"x","loop":true}', '{"type":"sendDigits","digits":""}', '{"type":"error"}',
        '{"type":"sendDigits","digits":"call me"}', '{"type":"language"}', '{"type":"language","ttsLanguage":7}',
        '{"type":"end","handoffData":{"a":1}}', '{"foo":"bar"}', '{"type":["text"]}',
    ],
)  # fmt: skip
def test_what_is_no_message_is_described_and_never_quoted_at_length(text):
    with pytest.raises(WrongMessage) as wrong:
        protocol.read(text)
    assert str(wrong.value).startswith("Invalid message received: ")
    assert len(str(wrong.value)) < 140


def test_what_we_tell_the_server_has_its_words():
    assert json.loads(protocol.prompt("Yes", "en-US")) == {
        "type": "prompt", "voicePrompt": "Yes", "lang": "en-US", "last": True,
    }  # fmt: skip
    assert json.loads(protocol.dtmf("1")) == {"type": "dtmf", "digit": "1"}
    assert json.loads(protocol.interrupt("Your order", 1460)) == {
        "type": "interrupt", "utteranceUntilInterrupt": "Your order", "durationUntilInterruptMs": 1460,
    }  # fmt: skip


def _fields():
    return {name: getattr(SESSION, name) for name in ("call_id", "user_number", "agent_number", "is_outbound")}
