import contextlib
import json
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.carriers.vonage.stream import MAX_MESSAGE_CHARS, VonageStream
from outdial.media.frames import SILENT_FRAME
from outdial.media.stream import AudioReceived, BadFrame, DigitPressed, MarkReached, StreamCodec, StreamStarted

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures/vonage_websocket.json").read_text())


def at_8000_hz(message: dict) -> str | bytes:
    """The recorded conversation has 16000 Hz, twice as much audio in the same 20 ms."""
    if "text" in message:
        return message["text"].replace("rate=16000", "rate=8000")
    return b64decode(message["binary_base64"])[::2]


INCOMING = [at_8000_hz(each) for each in RECORDED["messages"] if each["direction"] == "in"]
OUTGOING = [at_8000_hz(each) for each in RECORDED["messages"] if each["direction"] == "out"]
CONNECTED = INCOMING[0]


def started() -> VonageStream:
    stream = VonageStream()
    assert isinstance(stream.receive(CONNECTED), StreamStarted)
    return stream


def test_one_recorded_conversation_is_understood_and_spoken_whole():
    stream: StreamCodec = VonageStream()
    heard = [stream.receive(message) for message in INCOMING[:4]]
    spoken = [stream.audio(SILENT_FRAME), stream.audio(SILENT_FRAME), stream.mark("turn-1-end")]
    heard.append(stream.receive(INCOMING[4]))
    spoken += [stream.audio(SILENT_FRAME), stream.clear()]
    heard.append(stream.receive(INCOMING[5]))
    assert heard == [
        StreamStarted(stream_id="", carrier_call_id=None, parameters={"call_id": "call_1"}),
        AudioReceived(SILENT_FRAME, 20),
        AudioReceived(SILENT_FRAME, 40),
        DigitPressed("5"),
        MarkReached("turn-1-end"),
        None,
    ]
    assert spoken == OUTGOING


def test_the_frame_sizes_are_those_vonage_documents():
    assert RECORDED["frame_bytes"]["audio/l16;rate=8000"] == len(SILENT_FRAME)


@pytest.mark.parametrize("text", RECORDED["hostile_input"])
def test_recorded_hostile_input_is_refused_and_an_unknown_event_ignored(text):
    stream = started()
    if "unknown" in text:
        assert stream.receive(text) is None
    else:
        with pytest.raises(BadFrame):
            stream.receive(text)
    assert stream.receive(SILENT_FRAME) == AudioReceived(SILENT_FRAME, 20)  # the stream goes on


@pytest.mark.parametrize("frame", [b64decode(each) for each in RECORDED["odd_frames_base64"]], ids=len)
def test_a_frame_that_is_not_20_ms_is_refused(frame):
    with pytest.raises(BadFrame):
        started().receive(frame)


@pytest.mark.parametrize("message", INCOMING[1:], ids=range(len(INCOMING) - 1))
def test_nothing_comes_before_the_first_message(message):
    with pytest.raises(BadFrame):
        VonageStream().receive(message)


@pytest.mark.parametrize(
    "text",
    [
        CONNECTED,  # a second one
        "[" * 10_000,
        '{"event":"websocket:dtmf","digit":"12"}',
        '{"event":"websocket:dtmf","digit":"5\\n"}',
        '{"event":"websocket:notify","payload":{"mark":7}}',
        '{"event":"websocket:notify","payload":{}}',
        '{"event":1}',
        '{"event":"news","text":"' + "x" * MAX_MESSAGE_CHARS + '"}',
        "\ud800",
    ],
    ids=range(9),
)
def test_what_is_not_of_the_protocol_is_a_bad_frame(text):
    with pytest.raises(BadFrame):
        started().receive(text)


@pytest.mark.parametrize("content_type", ["audio/l16;rate=16000", "audio/pcmu;rate=8000", ""])
def test_audio_in_another_format_than_we_asked_for_is_refused(content_type):
    with pytest.raises(BadFrame):
        VonageStream().receive(json.dumps({"event": "websocket:connected", "content-type": content_type}))


def test_the_endpoints_headers_are_the_parameters_of_the_stream():
    text = '{"event":"websocket:connected","content-type":"audio/L16; rate=8000","ref":"att_1","n":7}'
    assert VonageStream().receive(text) == StreamStarted(
        stream_id="att_1", carrier_call_id=None, parameters={"ref": "att_1"}
    )


def test_marks_that_were_pending_at_a_clear_are_forgotten():
    stream = started()
    stream.mark("cut")
    stream.clear()
    assert stream.receive('{"event":"websocket:notify","payload":{"mark":"cut"}}') is None


def test_a_mark_we_did_not_set_or_that_comes_twice_says_nothing():
    stream = started()
    stream.mark("once")
    text = '{"event":"websocket:notify","payload":{"mark":"once"}}'
    assert stream.receive(text) == MarkReached("once")
    assert stream.receive(text) is None


def test_a_short_frame_is_filled_up_and_a_long_one_is_our_own_mistake():
    assert started().audio(b"\1\2") == b"\1\2" + bytes(318)
    with pytest.raises(ValueError, match="one frame"):
        started().audio(bytes(322))


@given(st.binary(min_size=320, max_size=320))
def test_any_audio_passes_through_both_ways(pcm):
    stream = started()
    assert stream.receive(stream.audio(pcm)) == AudioReceived(pcm, 20)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_mark_comes_back_under_its_name(name):
    stream = started()
    payload = json.loads(stream.mark(name))["payload"]
    assert stream.receive(json.dumps({"event": "websocket:notify", "payload": payload})) == MarkReached(name)


@given(st.text() | st.binary(max_size=400))
def test_arbitrary_input_never_raises_anything_but_bad_frame(message):
    for stream in (VonageStream(), started()):
        with contextlib.suppress(BadFrame):
            stream.receive(message)


@given(st.sampled_from([each for each in INCOMING if isinstance(each, str)]), st.data())
def test_a_damaged_message_never_raises_anything_but_bad_frame(text, data):
    cut = data.draw(st.integers(0, len(text)))
    message = text[:cut] + data.draw(st.text(max_size=20)) + text[cut + data.draw(st.integers(0, 20)) :]
    for stream in (VonageStream(), started()):
        with contextlib.suppress(BadFrame):
            stream.receive(message)
