import contextlib
import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.carriers.telnyx.stream import MAX_MESSAGE_CHARS, TelnyxStream
from outdial.media.frames import SILENT_FRAME
from outdial.media.g711 import alaw_to_pcm, pcm_to_ulaw, ulaw_to_pcm
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    DigitPressed,
    MarkReached,
    StreamCodec,
    StreamEnded,
    StreamStarted,
)

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures/telnyx_media_stream.json").read_text())
INCOMING = [message["text"] for message in RECORDED["messages"] if message["direction"] == "in"]
OUTGOING = [message["text"] for message in RECORDED["messages"] if message["direction"] == "out"]
START, MEDIA = INCOMING[1], INCOMING[2]
STREAM_ID = "32de0dea-53cb-4b21-89a4-9e1819c043bc"
CONTROL_ID = "v3:T02ll1GWcZWTWDYdKoSEVTQZnPF5cYbqNFsFnwUyKwWcaVVsf1QjHg"


def started(start: str = START) -> TelnyxStream:
    stream = TelnyxStream()
    assert isinstance(stream.receive(start), StreamStarted)
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


def media(payload: bytes, chunk: int = 1, **fields: object) -> str:
    text = b64encode(payload).decode()
    return changed(MEDIA, media__payload=text, media__chunk=str(chunk), media__timestamp=str(20 * chunk), **fields)


def test_one_recorded_conversation_is_understood_whole():
    stream: StreamCodec = TelnyxStream()
    assert [stream.receive(text) for text in INCOMING] == [
        None,
        StreamStarted(stream_id=STREAM_ID, carrier_call_id=CONTROL_ID, parameters={"client_state": "Y2FsbF8x"}),
        AudioReceived(SILENT_FRAME, 20),
        None,                                      # ahead of its turn
        AudioReceived(SILENT_FRAME * 2, 40),       # and both
        DigitPressed("1"),
        MarkReached("turn-1-end"),
        MarkReached("turn-2-end"),
        None,                                      # an error, logged
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


def test_a_law_is_read_as_a_law():
    stream = started(json.dumps(RECORDED["start_with_pcma"]))
    payload = bytes(range(160))
    assert stream.receive(media(payload)) == AudioReceived(alaw_to_pcm(payload), 20)
    assert stream.audio(SILENT_FRAME) == OUTGOING[0]  # what we send stays mu-law: we asked for that


def test_l16_comes_in_network_byte_order():
    stream = started(changed(START, start__media_format__encoding="L16"))
    assert stream.receive(media(b"\x01\x02\xff\xfe")) == AudioReceived(b"\x02\x01\xfe\xff", 20)
    with pytest.raises(BadFrame):
        stream.receive(media(b"\x01\x02\x03", chunk=2))


@pytest.mark.parametrize("error", RECORDED["errors"], ids=lambda error: error["title"])
def test_every_documented_error_is_logged_and_the_stream_goes_on(error, caplog):
    stream = started()
    text = json.dumps({"event": "error", "payload": error, "stream_id": STREAM_ID})
    assert stream.receive(text) is None
    assert caplog.records[-1].code == error["code"]


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
        TelnyxStream().receive(text)


@pytest.mark.parametrize("text", INCOMING[2:])
def test_a_message_of_another_stream_is_refused(text):
    with pytest.raises(BadFrame):
        started().receive(changed(text, stream_id="another"))


@pytest.mark.parametrize(
    "fields",
    [
        {"start__media_format__encoding": "OPUS"},
        {"start__media_format__encoding": "G722"},
        {"start__media_format__sample_rate": 16000},
        {"start__media_format__channels": 2},
        {"start__media_format": None},
        {"start__call_control_id": None},
        {"stream_id": None},
    ],
)
def test_a_start_we_could_not_serve_is_refused(fields):
    with pytest.raises(BadFrame):
        TelnyxStream().receive(changed(START, **fields))


def test_a_second_start_is_refused():
    with pytest.raises(BadFrame):
        started().receive(START)


def test_our_own_voice_is_not_taken_for_the_callee():
    assert started().receive(media(b"\xff", media__track="outbound")) is None


def test_an_empty_payload_says_nothing():
    assert started().receive(media(b"")) is None


@pytest.mark.parametrize(
    "text",
    [
        changed(MEDIA, media__payload="//8"),
        changed(MEDIA, media__payload=None),
        changed(MEDIA, media__chunk="soon"),
        changed(MEDIA, media__chunk="-1"),
        changed(MEDIA, media__chunk="9" * 400),
        changed(MEDIA, media__timestamp=None),
        changed(MEDIA, media__track=7),
        changed(MEDIA, event=1),
        changed(INCOMING[5], dtmf__digit="12"),
        changed(INCOMING[6], mark__name="x" * 600),
        changed(INCOMING[8], payload={}),
        media(bytes(65 * 1024)),
        changed(START, event="news", padding="x" * MAX_MESSAGE_CHARS),
        "[" * 100_000,
        '{"event":"media","media":' + '{"a":' * 20_000,
        "\ud800",
        b"\xff\xfe",
    ],
    ids=range(17),
)
def test_what_is_not_of_the_protocol_is_a_bad_frame(text):
    with pytest.raises(BadFrame):
        started().receive(text)


# -- order


def heard(stream: TelnyxStream, *chunks: int) -> bytes:
    """The first byte of each frame that comes out, when frames of these numbers go in."""
    events = [stream.receive(media(bytes([chunk % 256]) * 160, chunk)) for chunk in chunks]
    frames = b"".join(event.pcm for event in events if event is not None)
    return bytes(chunk % 256 for chunk in _chunks(frames))


def _chunks(pcm: bytes):
    by_sample = {ulaw_to_pcm(bytes([value])): value for value in range(256)}
    return [by_sample[pcm[at : at + 2]] for at in range(0, len(pcm), 320)]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([1, 3, 2, 4], [1, 2, 3, 4]),
        ([1, 4, 3, 2, 5], [1, 2, 3, 4, 5]),
        ([1, 1, 2, 2], [1, 2]),                                # repeated
        ([7, 6, 8], [7, 8]),                                   # nobody waits for what came before the first
        ([1, 3, 4, 5, 6, 7, 8], [1, 3, 4, 5, 6, 7, 8]),        # 2 is lost: waited for, then given up
        ([1, 3, 4, 5, 6, 7, 8, 2, 9], [1, 3, 4, 5, 6, 7, 8, 9]),
        ([100, 101, 1, 2], [100, 101, 1, 2]),                  # counted anew
    ],
)
def test_frames_come_out_in_order(chunks, expected):
    assert list(heard(started(), *chunks)) == expected


# -- any input


@given(st.binary(min_size=1, max_size=2000))
def test_any_audio_comes_in_as_it_was_sent(ulaw):
    assert started().receive(media(ulaw)) == AudioReceived(ulaw_to_pcm(ulaw), 20)


@given(st.binary(max_size=2000).map(lambda half: half * 2))
def test_any_audio_goes_out_as_the_message_telnyx_reads(pcm):
    message = json.loads(started().audio(pcm))
    assert b64decode(message["media"].pop("payload"), validate=True) == pcm_to_ulaw(pcm)
    assert message == {"event": "media", "media": {}}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_mark_comes_back_under_its_name(name):
    stream = started()
    message = json.loads(stream.mark(name)) | {"stream_id": STREAM_ID}
    assert stream.receive(json.dumps(message)) == MarkReached(name)


@given(st.text() | st.binary())
def test_arbitrary_input_never_raises_anything_but_bad_frame(message):
    for stream in (TelnyxStream(), started()):
        with contextlib.suppress(BadFrame):
            assert stream.receive(message) is None


@given(st.sampled_from(INCOMING), st.data())
def test_a_damaged_message_never_raises_anything_but_bad_frame(text, data):
    cut = data.draw(st.integers(0, len(text)))
    message = text[:cut] + data.draw(st.text(max_size=20)) + text[cut + data.draw(st.integers(0, 20)) :]
    for stream in (TelnyxStream(), started()):
        with contextlib.suppress(BadFrame):
            stream.receive(message)
