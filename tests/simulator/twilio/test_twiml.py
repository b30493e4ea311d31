"""TwiML parsing: documents of Twilio's own library in, verbs out; anything else is a TwimlError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Connect as SdkConnect
from twilio.twiml.voice_response import Dial as SdkDial
from twilio.twiml.voice_response import VoiceResponse

from outdial.simulator.twilio.twiml import (
    Connect,
    Dial,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    TwimlError,
    parse,
)


def test_documents_of_twilios_library_are_understood():
    response = VoiceResponse()
    response.say("Hello & welcome", voice="alice", loop=2)
    response.play(digits="ww1#")
    response.play("http://127.0.0.1/a.wav")
    response.pause(length=3)
    connect = SdkConnect()
    stream = connect.stream(url="wss://voice.example/media", name="s", status_callback="https://voice.example/s")
    stream.parameter(name="call_id", value="call_1")
    response.append(connect)
    dial = SdkDial(caller_id="+15551230002", timeout=25, action="/action", method="GET")
    dial.number("+15551230003", status_callback="/status", status_callback_event="ringing answered")
    response.append(dial)
    response.redirect("/next", method="POST")
    response.hangup()
    response.reject(reason="busy")

    assert parse(str(response)) == (
        Say(text="Hello & welcome", loop=2),
        Play(digits="ww1#"),
        Play(url="http://127.0.0.1/a.wav"),
        Pause(length_s=3),
        Connect(
            url="wss://voice.example/media",
            name="s",
            status_callback="https://voice.example/s",
            parameters={"call_id": "call_1"},
        ),
        Dial(
            number="+15551230003",
            caller_id="+15551230002",
            timeout_s=25,
            action="/action",
            method="GET",
            status_callback="/status",
            status_callback_events=frozenset({"ringing", "answered"}),
        ),
        Redirect(url="/next"),
        Hangup(),
        Reject(reason="busy"),
    )


def test_a_number_may_stand_in_dial_itself():
    assert parse("<Response><Dial>+15551230003</Dial></Response>") == (Dial(number="+15551230003"),)


def test_markup_inside_say_is_spoken_as_its_text():
    document = "<Response><Say>One <break/>\n <emphasis>two</emphasis></Say></Response>"
    assert parse(document) == (Say(text="One two"),)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "Hello",
        "<Response>",
        "<Response><Say>Hi</Response>",
        "<response/>",
        "<Message/>",
        " <?xml version='1.0'?><Response/>",
        "<?xml version='1.0' encoding='no-such'?><Response/>",
        "<!DOCTYPE Response [<!ENTITY a 'b'>]><Response><Say>&a;</Say></Response>",
        "<Response><Say>&unknown;</Say></Response>",
        "<Response><Say>\ud800</Say></Response>",
        "<Response><Say>" + "x" * 70_000 + "</Say></Response>",
    ],
)
def test_what_is_not_a_response_document_is_a_parse_failure(document):
    with pytest.raises(TwimlError) as error:
        parse(document)
    assert error.value.code == 12100


@pytest.mark.parametrize(
    "inner",
    [
        "<say>Hi</say>",
        "<Shout>Hi</Shout>",
        "<Gather/>",
        "<Stream url='wss://voice.example'/>",
        "Hello",
        "<Say volume='11'>Hi</Say>",
        "<Say><Play/></Say>",
        "<Play/>",
        "<Play digits='1x'/>",
        "<Pause length='long'/>",
        "<Pause length='-1'/>",
        "<Pause>x</Pause>",
        "<Dial/>",
        "<Dial timeout='0'>+15551230003</Dial>",
        "<Dial><Number>+15551230003</Number><Number>+15551230004</Number></Dial>",
        "<Dial><Client>jane</Client></Dial>",
        "<Connect/>",
        "<Connect><Stream/></Connect>",
        "<Connect><Stream url='wss://voice.example' track='both_tracks'/></Connect>",
        "<Connect><Stream url='wss://voice.example'><Parameter value='1'/></Stream></Connect>",
        f"<Connect><Stream url='wss://v.example'><Parameter name='a' value='{'x' * 499}'/></Stream></Connect>",
        "<Redirect/>",
        "<Redirect method='PUT'>/next</Redirect>",
        "<Reject reason='tired'/>",
        "<Hangup now='yes'/>",
    ],
)
def test_what_breaks_the_schema_is_refused(inner):
    with pytest.raises(TwimlError) as error:
        parse(f"<Response>{inner}</Response>")
    assert error.value.code == 12200


TAGS = st.sampled_from(
    ["Response", "Say", "Play", "Pause", "Dial", "Number", "Connect", "Stream", "Parameter", "Hangup", "x"]
)
NAMES = st.sampled_from(
    ["url", "digits", "length", "loop", "timeout", "action", "method", "name", "value", "callerId", "x"]
)
VALUES = st.text(alphabet="0123456789abc+#w:/.-é ", max_size=8)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> str:
    tag = draw(TAGS)
    attributes = "".join(f' {k}="{v}"' for k, v in draw(st.dictionaries(NAMES, VALUES, max_size=3)).items())
    children = draw(st.lists(elements(depth=depth - 1), max_size=3)) if depth else []
    return f"<{tag}{attributes}>{draw(VALUES)}{''.join(children)}</{tag}>"


RESPONSES = st.lists(elements(), max_size=4).map(lambda inner: f"<Response>{''.join(inner)}</Response>")


@given(st.one_of(st.text(), elements(), RESPONSES))
def test_any_text_is_verbs_or_a_twiml_error(document):
    try:
        verbs = parse(document)
    except TwimlError as error:
        verbs = error.code
    assert isinstance(verbs, tuple) or verbs in (12100, 12200)
