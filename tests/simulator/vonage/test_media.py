"""The websocket's messages and buffer, without sockets."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.frames import SILENT_FRAME
from outdial.media.tones import tone
from outdial.simulator.vonage.audio import LegAudio, mix
from outdial.simulator.vonage.media import MAX_BUFFERED_FRAMES, MediaSocket, Upsampler, downsample

FIXTURE = json.loads((Path(__file__).parents[2] / "carriers/fixtures/vonage_websocket.json").read_text())


class Wire:
    """What went to the customer, and the codec."""

    def __init__(self, rate_hz: int = 8000) -> None:
        self.sent: list[str | bytes] = []
        self.media = MediaSocket(
            self.sent.append,
            content_type=f"audio/l16;rate={rate_hz}",
            rate_hz=rate_hz,
            headers={"call_id": "call_1"},
        )

    def told(self) -> list[dict]:
        return [json.loads(message) for message in self.sent if isinstance(message, str)]

    def notify(self, mark: str) -> None:
        self.media.receive(json.dumps({"action": "notify", "payload": {"mark": mark}}))


def frame(value: int, samples: int = 160) -> bytes:
    return np.full(samples, value, dtype="<i2").tobytes()


def test_a_published_conversation_is_reproduced():
    """The customer's half of the fixture goes in; what comes back is the carrier's half."""
    wire = Wire(16000)
    wire.media.start()
    for message in FIXTURE["messages"]:
        if message["direction"] == "in":
            continue
        text = message.get("text")
        wire.media.receive(text if text is not None else base64.b64decode(message["binary_base64"]))
        if text and "notify" in text:
            wire.media.press("5")
            for _ in range(3):
                wire.media.exchange(SILENT_FRAME)
    theirs = [json.loads(m["text"]) for m in FIXTURE["messages"] if m["direction"] == "in" and "text" in m]
    assert wire.told() == theirs
    assert {len(m) for m in wire.sent if isinstance(m, bytes)} == {640}
    assert wire.media.dropped == 0


@pytest.mark.parametrize("content_type", FIXTURE["frame_bytes"])
def test_frames_are_exactly_20_ms_both_ways(content_type):
    expected = FIXTURE["frame_bytes"][content_type]
    wire = Wire(int(content_type.rpartition("=")[2]))
    wire.media.receive(frame(1000, expected // 2))
    assert wire.media.exchange(frame(500)) == frame(1000)
    assert len(wire.sent[0]) == expected


def test_odd_frames_and_foreign_messages_are_dropped():
    wire = Wire(16000)
    odd = [base64.b64decode(text) for text in FIXTURE["odd_frames_base64"]]
    for message in [*odd, *FIXTURE["hostile_input"]]:
        wire.media.receive(message)
    assert wire.media.exchange(SILENT_FRAME) is SILENT_FRAME
    assert wire.media.dropped == len(odd) + len(FIXTURE["hostile_input"])
    assert wire.told() == []


def test_a_notify_returns_when_the_audio_before_it_was_heard():
    wire = Wire()
    wire.media.receive(frame(1))
    wire.notify("one")
    wire.notify("two")
    wire.media.receive(frame(2))
    wire.notify("three")
    heard_then_told = []
    for _ in range(4):
        heard = np.frombuffer(wire.media.exchange(SILENT_FRAME), dtype="<i2")[0]
        heard_then_told.append((int(heard), [message["payload"]["mark"] for message in wire.told()]))
    assert heard_then_told == [
        (1, []),
        (2, ["one", "two"]),
        (0, ["one", "two", "three"]),
        (0, ["one", "two", "three"]),
    ]


def test_a_notify_with_nothing_to_play_returns_at_once():
    wire = Wire()
    wire.notify("now")
    wire.media.exchange(SILENT_FRAME)
    assert wire.told() == [{"event": "websocket:notify", "payload": {"mark": "now"}}]


def test_clear_drops_audio_and_notifies():
    wire = Wire()
    wire.media.receive(frame(1))
    wire.notify("gone")
    wire.media.receive('{"action":"clear"}')
    assert wire.media.exchange(SILENT_FRAME) is SILENT_FRAME
    wire.media.exchange(SILENT_FRAME)
    assert wire.told() == [{"event": "websocket:cleared"}]


def test_a_full_buffer_takes_no_more():
    wire = Wire()
    for _ in range(MAX_BUFFERED_FRAMES + 10):
        wire.media.receive(SILENT_FRAME)
    assert wire.media.dropped == 10


@given(st.lists(st.binary(max_size=400) | st.text() | st.sampled_from(['{"action":"notify"}', '{"action":"clear"}'])))
def test_any_input_is_survived(messages):
    wire = Wire()
    for message in messages:
        wire.media.receive(message)
        assert len(wire.media.exchange(SILENT_FRAME)) == 320


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_tone_survives_other_rates(factor):
    up, pcm = Upsampler(factor), tone((300, 800), 200)
    frames = [pcm[at : at + 320] for at in range(0, len(pcm), 320)]
    back = b"".join(downsample(up.frame(each), factor) for each in frames)
    before, after = (np.frombuffer(each, dtype="<i2").astype(float) for each in (pcm, back))
    assert np.corrcoef(before, after)[0, 1] > 0.95


def test_a_headers_name_cannot_replace_the_events_own_fields():
    wire = Wire()
    headers = {"event": "x", "a": "b"}
    media = MediaSocket(wire.sent.append, content_type="audio/l16;rate=8000", rate_hz=8000, headers=headers)
    media.start()
    assert wire.told() == [{"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "a": "b"}]


# -- what a phone is connected to


def test_sounds_are_mixed_and_limited():
    assert mix(frame(100), frame(-30)) == frame(70)
    assert mix(frame(30_000), frame(30_000)) == frame(32_767)
    assert mix(SILENT_FRAME, frame(5)) == frame(5)


def test_a_muted_phone_is_not_heard_and_an_earmuffed_one_hears_nothing():
    class Party:
        said = b""

        def exchange(self, said: bytes) -> bytes:
            self.said = said
            return frame(7)

        def press(self, digit: str) -> None:
            pass

    audio, party = LegAudio(), Party()
    audio.party = party
    assert audio.exchange(frame(3)) == frame(7)
    assert party.said == frame(3)
    audio.muted = audio.earmuffed = True
    assert audio.exchange(frame(3)) is SILENT_FRAME
    assert party.said is SILENT_FRAME
