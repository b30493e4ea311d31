import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.carriers.twilio import answer

FIXTURES = Path(__file__).parents[1] / "fixtures"
RECORDED = json.loads((FIXTURES / "twilio_rest.json").read_text())
STREAM_URL = "wss://voice.example/media/twilio"
NASTY = "<b a=\"1\">'&amp;' ]]> ☎"


def canonical(xml: str) -> str:
    return ElementTree.canonicalize(xml)


def recorded(name: str) -> str:
    return dict(RECORDED[name]["request"]["form"])["Twiml"]


def test_an_answered_call_is_connected_to_our_websocket_and_ends_with_it():
    twiml = answer.stream_answer(STREAM_URL, {"ref": "att_1"}, "https://voice.example/stream")
    assert canonical(twiml) == canonical(
        '<Response><Connect><Stream statusCallback="https://voice.example/stream" url="wss://voice.example/media/twilio">'
        '<Parameter name="ref" value="att_1"/></Stream></Connect><Hangup/></Response>'
    )


def test_a_transfer_is_what_was_recorded_and_tells_of_the_other_leg():
    url = "https://voice.example/callbacks/twilio/call_1/transfer"
    twiml = answer.transfer_answer("+15551230003", "+15551230002", 25, url, f"{url}_leg")
    told = f'<Number statusCallback="{url}_leg" statusCallbackEvent="initiated answered completed">'
    assert canonical(twiml) == canonical(recorded("transfer").replace("<Number>", told))


def test_short_answers():
    assert answer.hang_up() == "<Response><Hangup /></Response>"
    assert answer.reject() == '<Response><Reject reason="busy" /></Response>'
    assert answer.say_and_hang_up("Bye.") == "<Response><Say>Bye.</Say><Hangup /></Response>"


def test_nothing_a_user_writes_becomes_markup():
    response = ElementTree.fromstring(answer.say_and_hang_up(NASTY))
    assert [child.tag for child in response] == ["Say", "Hangup"]
    assert response[0].text == NASTY
    stream = ElementTree.fromstring(answer.stream_answer(STREAM_URL, {NASTY: NASTY}, NASTY)).find("Connect/Stream")
    assert stream.get("statusCallback") == NASTY
    assert [child.attrib for child in stream] == [{"name": NASTY, "value": NASTY}]


@pytest.mark.parametrize(
    "write",
    [
        lambda: answer.say_and_hang_up("x" * 4000),
        lambda: answer.say_and_hang_up("a\0b"),
        lambda: answer.say_and_hang_up("\ud800"),
        lambda: answer.stream_answer(STREAM_URL + "?token=1"),
        lambda: answer.stream_answer(STREAM_URL, {"ref": "x" * 497}),
        lambda: answer.stream_answer(STREAM_URL, {str(n): "x" * 400 for n in range(10)}),
    ],
)
def test_what_twilio_would_refuse_is_refused_here(write):
    with pytest.raises(ValueError):
        write()


@given(st.text())
def test_any_text_is_said_as_it_is_or_refused(text):
    try:
        twiml = answer.say_and_hang_up(text)
    except ValueError:
        return
    said = ElementTree.fromstring(twiml)[0].text or ""
    assert said == text.replace("\r\n", "\n").replace("\r", "\n")  # XML reads every line end as \n
