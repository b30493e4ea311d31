import contextlib
import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.carriers.twilio.stream import MAX_MESSAGE_CHARS, TwilioStream
from outdial.media.frames import SILENT_FRAME
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    DigitPressed,
    MarkReached,
    StreamCodec,
    StreamEnded,
    StreamStarted,
)

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures/twilio_media_stream.json").read_text())
INCOMING = [message["text"] for message in RECORDED["messages"] if message["direction"] == "in"]
OUTGOING = [message["text"] for message in RECORDED["messages"] if message["direction"] == "out"]
START = INCOMING[1]
MEDIA = INCOMING[2]
STREAM_ID = "MZ00000000000000000000000000000001"


def started() -> TwilioStream:
    stream = TwilioStream()
    assert isinstance(stream.receive(START), StreamStarted)
    return stream


def changed(text: str, **fields: object) -> str:
    """`text` with fields replaced; a__b names the field b inside a, the value None removes one."""
    message = json.loads(text)
    for path, value in fields.items():
        *parents, name = path.split("__")
        at = message
        for parent in parents:
            at = at[parent]
        if value is None:
            del at[name]
        else:
            at[name] = value
    return json.dumps(message)


def media(payload: str, **fields: object) -> str:
    return changed(MEDIA, media__payload=payload, **fields)


def test_one_recorded_conversation_is_understood_whole():
    stream: StreamCodec = TwilioStream()
    assert [stream.receive(text) for text in INCOMING] == [
        None,
        StreamStarted(
            stream_id=STREAM_ID,
            carrier_call_id="CA00000000000000000000000000000001",
            parameters={"call_id": "call_1"},
        ),
        AudioReceived(SILENT_FRAME, 20),
        AudioReceived(SILENT_FRAME, 40),
        DigitPressed("1"),
        MarkReached("turn-1-end"),
        MarkReached("turn-2-end"),
        StreamEnded(),
    ]


def test_what_we_send_is_what_was_recorded():
    stream = started()
    assert [
        stream.audio(SILENT_FRAME),
        stream.mark("turn-1-end"),
        stream.audio(SILENT_FRAME),
        stream.mark("turn-2-end"),
        stream.clear(),
    ] == OUTGOING


def test_bytes_are_read_like_text():
    stream = TwilioStream()
    assert [stream.receive(text.encode()) for text in INCOMING[1:3]] == [
        TwilioStream().receive(START),
        AudioReceived(SILENT_FRAME, 20),
    ]


@pytest.mark.parametrize("text", RECORDED["hostile_input"])
def test_recorded_hostile_input_is_refused_and_an_unknown_event_ignored(text):
    stream = started()
    if "unknown_event" in text:
        assert stream.receive(text) is None
    else:
        with pytest.raises(BadFrame):
            stream.receive(text)
    assert stream.receive(MEDIA) == AudioReceived(SILENT_FRAME, 20)  # the stream goes on


@pytest.mark.parametrize("text", INCOMING[2:])
def test_nothing_comes_before_start(text):
    with pytest.raises(BadFrame):
        TwilioStream().receive(text)


@pytest.mark.parametrize("text", INCOMING[2:])
def test_a_message_of_another_stream_is_refused(text):
    with pytest.raises(BadFrame):
        started().receive(changed(text, streamSid="MZ00000000000000000000000000000002"))


def test_a_second_start_is_refused():
    with pytest.raises(BadFrame):
        started().receive(START)


@pytest.mark.parametrize(
    "fields",
    [
        {"start__mediaFormat__encoding": "audio/l16"},
        {"start__mediaFormat__sampleRate": 16000},
        {"start__mediaFormat__channels": 2},
        {"start__mediaFormat": None},
        {"start__streamSid": "MZ00000000000000000000000000000002"},
        {"start__callSid": None},
        {"start__callSid": ""},
        {"start__customParameters": {"ref": 1}},
        {"streamSid": None},
    ],
)
def test_a_start_we_could_not_serve_is_refused(fields):
    stream = TwilioStream()
    with pytest.raises(BadFrame):
        stream.receive(changed(START, **fields))
    with pytest.raises(RuntimeError):
        stream.audio(SILENT_FRAME)


def test_a_start_without_parameters_has_none():
    event = TwilioStream().receive(changed(START, start__customParameters=None))
    assert isinstance(event, StreamStarted)
    assert event.parameters == {}


def test_our_own_voice_is_not_taken_for_the_callee():
    assert started().receive(media("////", media__track="outbound")) is None


def test_an_empty_payload_says_nothing():
    assert started().receive(media("")) is None


@pytest.mark.parametrize(
    "text",
    [
        media("###"),
        media("//8"),               # padding is missing
        media("////\n"),
        changed(MEDIA, media__payload=7),
        changed(MEDIA, media__payload=None),
        changed(MEDIA, media__timestamp="soon"),
        changed(MEDIA, media__timestamp="-20"),
        changed(MEDIA, media__timestamp="9" * 400),
        changed(MEDIA, media__track=["inbound"]),
        changed(MEDIA, media="////"),
        changed(MEDIA, event=1),
        changed(INCOMING[4], dtmf__digit="12"),
        changed(INCOMING[4], dtmf__digit="1\n"),
        changed(INCOMING[4], dtmf__digit="x"),
        changed(INCOMING[5], mark__name="x" * 600),
        media(b64encode(bytes(65 * 1024)).decode()),
        changed(START, event="news", padding="x" * MAX_MESSAGE_CHARS),
        MEDIA + MEDIA,
        "[" * 100_000,
        '{"event":"media","media":' + '{"a":' * 20_000,
        "\ud800",
        b"\xff\xfe",
        b"",
    ],
    ids=range(23),
)
def test_what_is_not_of_the_protocol_is_a_bad_frame(text):
    with pytest.raises(BadFrame):
        started().receive(text)


def test_sending_before_start_is_our_own_mistake():
    stream = TwilioStream()
    for send in (lambda: stream.audio(SILENT_FRAME), lambda: stream.mark("m"), stream.clear):
        with pytest.raises(RuntimeError):
            send()


@given(st.binary(min_size=1, max_size=2000))
def test_any_audio_comes_in_as_it_was_sent(ulaw):
    event = started().receive(media(b64encode(ulaw).decode()))
    assert event == AudioReceived(ulaw_to_pcm(ulaw), 20)


@given(st.binary(max_size=2000).map(lambda half: half * 2))
def test_any_audio_goes_out_as_the_message_twilio_reads(pcm):
    message = json.loads(started().audio(pcm))
    payload = b64decode(message["media"].pop("payload"), validate=True)
    assert payload == pcm_to_ulaw(pcm)
    assert message == {"event": "media", "streamSid": STREAM_ID, "media": {}}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_mark_comes_back_under_its_name(name):
    stream = started()
    assert stream.receive(stream.mark(name)) == MarkReached(name)


@given(st.text() | st.binary())
def test_arbitrary_input_never_raises_anything_but_bad_frame(message):
    for stream in (TwilioStream(), started()):
        with contextlib.suppress(BadFrame):
            assert stream.receive(message) is None


@given(st.sampled_from(INCOMING), st.data())
def test_a_damaged_message_never_raises_anything_but_bad_frame(text, data):
    cut = data.draw(st.integers(0, len(text)))
    garbage = data.draw(st.text(max_size=20))
    message = text[:cut] + garbage + text[cut + data.draw(st.integers(0, 20)) :]
    for stream in (TwilioStream(), started()):
        with contextlib.suppress(BadFrame):
            stream.receive(message)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(INCOMING), st.data())
def test_a_field_of_the_wrong_type_never_raises_anything_but_bad_frame(text, data):
    message = json.loads(text)
    target = message
    while True:
        name = data.draw(st.sampled_from(sorted(target)))
        if isinstance(target[name], dict) and target[name] and data.draw(st.booleans()):
            target = target[name]
            continue
        target[name] = data.draw(json_values)
        break
    for stream in (TwilioStream(), started()):
        with contextlib.suppress(BadFrame):
            stream.receive(json.dumps(message))
