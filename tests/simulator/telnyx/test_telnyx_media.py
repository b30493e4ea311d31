"""Telnyx's side of a media stream: messages, play-out buffer, marks, codecs."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.frames import FRAME_MS, SILENT_FRAME
from outdial.media.tones import tone
from outdial.simulator.telnyx import codecs
from outdial.simulator.telnyx.audio import mix
from outdial.simulator.telnyx.media import MediaStream
from outdial.simulator.telnyx.parameters import Stream

FIXTURE = json.loads((Path(__file__).parents[2] / "carriers/fixtures/telnyx_media_stream.json").read_text())
START = json.loads(FIXTURE["messages"][1]["text"])
FRAME = tone((440,), 20)


class Harness:
    def __init__(self, *, leg_codec: str = "PCMA", reordered: bool = False, **wanted: str) -> None:
        self.sent: list[str] = []
        start = {name: value for name, value in START["start"].items() if name != "media_format"}
        self.wanted = Stream(url="wss://voice.example/media", **{"codec": "PCMU", "mode": "rtp", **wanted})
        self.stream = MediaStream(
            self.sent.append,
            wanted=self.wanted,
            leg_codec=leg_codec,
            stream_id=START["stream_id"],
            start=start,
            now=lambda: datetime(2026, 1, 1, 12, 0, 20, tzinfo=UTC),
            reordered=reordered,
        )

    def audio(self, pcm: bytes) -> None:
        payload = base64.b64encode(codecs.encode(self.wanted.bidirectional_codec, pcm)).decode()
        self.stream.receive(json.dumps({"event": "media", "media": {"payload": payload}}))

    def mark(self, name: str) -> None:
        self.stream.receive(json.dumps({"event": "mark", "mark": {"name": name}}))

    def clear(self) -> None:
        self.stream.receive('{"event":"clear"}')

    def tick(self, said: bytes = SILENT_FRAME) -> bytes:
        return self.stream.exchange(said)

    def of(self, event: str) -> list[dict]:
        return [message for message in map(json.loads, self.sent) if message["event"] == event]

    @property
    def marks(self) -> list[str]:
        return [message["mark"]["name"] for message in self.of("mark")]


def test_the_recorded_conversation_comes_out_message_for_message():
    harness = Harness(reordered=True)
    stream = harness.stream
    stream.start()
    ticks = 0
    for item in FIXTURE["messages"]:
        event = json.loads(item["text"])["event"]
        match item["direction"], event:
            case "out", _:
                stream.receive(item["text"])
            case _, "media":
                ticks += 1
                harness.tick()
            case _, "dtmf":
                stream.press("1")
            case _, "mark" if not harness.marks:
                harness.tick()
                harness.tick()
            case _, "error":
                stream.receive('{"event":"media","media":{"payload":"###"}}')
            case _, "stop":
                stream.stop()
    expected = [json.loads(item["text"]) for item in FIXTURE["messages"] if item["direction"] == "in"]
    got = [json.loads(text) for text in harness.sent]
    assert got[:2] == expected[:2]
    assert got[2:5] == expected[2:5]  # the second and third frame have changed places
    numbers = {"sequence_number"}
    plain = [{k: v for k, v in message.items() if k not in numbers} for message in got]
    for message in expected:
        assert {k: v for k, v in message.items() if k not in numbers} in plain
    sequence = [int(message["sequence_number"]) for message in got if "sequence_number" in message]
    assert sorted(sequence) == list(range(1, len(sequence) + 1))


@pytest.mark.parametrize("codec", codecs.NAMES)
def test_audio_is_played_in_order_and_in_frames_whatever_the_sizes(codec):
    harness = Harness(bidirectional_codec=codec)
    sent = tone((440,), 250)
    for start, end in ((0, 20), (20, 75), (75, 101), (101, 250)):
        harness.audio(sent[start * 16 : end * 16])
    played = b"".join(harness.tick() for _ in range(13))
    assert correlation(played[: len(sent)], sent) > 0.95
    assert played[len(sent) :] == bytes(len(played) - len(sent))
    assert harness.tick() == SILENT_FRAME


@pytest.mark.parametrize("codec", codecs.NAMES)
def test_what_the_phone_says_arrives_in_the_codec_asked_for(codec):
    harness = Harness(codec=codec)
    harness.stream.start()
    harness.tick(FRAME)
    media_format = harness.of("start")[0]["start"]["media_format"]
    assert (media_format["encoding"], media_format["channels"]) == (codec, 1)
    assert media_format["sample_rate"] == (16_000 if codec == "L16" else 8000)
    payload = base64.b64decode(harness.of("media")[0]["media"]["payload"])
    assert codecs.FORMATS[codec].duration_ms(payload) == FRAME_MS
    assert correlation(codecs.decode(codec, payload), FRAME) > 0.95


def test_without_a_codec_it_is_the_legs():
    harness = Harness(codec="default")
    harness.stream.start()
    assert harness.of("start")[0]["start"]["media_format"] == FIXTURE["start_with_pcma"]["start"]["media_format"]


def test_l16_is_big_endian():
    loud = np.full(160, 4096, dtype="<i2").tobytes()
    assert codecs.encode("L16", loud)[:2] == b"\x10\x00"


def test_both_tracks_are_numbered_apart():
    harness = Harness(track="both_tracks")
    for _ in range(2):
        harness.tick()
        harness.stream.heard(FRAME)
    told = [(m["media"]["track"], m["media"]["chunk"], m["media"]["timestamp"]) for m in harness.of("media")]
    assert told == [("inbound", "1", "20"), ("outbound", "1", "20"), ("inbound", "2", "40"), ("outbound", "2", "40")]
    assert [m["sequence_number"] for m in harness.of("media")] == ["1", "2", "3", "4"]


def test_a_mark_returns_when_the_audio_before_it_was_played():
    harness = Harness()
    harness.audio(FRAME * 2)
    harness.mark("a")
    harness.audio(FRAME)
    harness.mark("b")
    seen = []
    for _ in range(5):
        harness.tick()
        seen.append(list(harness.marks))
    assert seen == [[], [], ["a"], ["a", "b"], ["a", "b"]]


def test_a_mark_without_audio_before_it_returns_at_once():
    harness = Harness()
    harness.mark("now")
    assert harness.marks == ["now"]


def test_clear_drops_the_audio_and_returns_all_marks_at_once():
    harness = Harness()
    harness.audio(FRAME * 2)
    harness.mark("a")
    harness.audio(FRAME)
    harness.mark("b")
    harness.tick()
    harness.clear()
    assert harness.marks == ["a", "b"]
    assert harness.tick() == SILENT_FRAME
    assert harness.marks == ["a", "b"]


def test_without_rtp_mode_our_audio_is_taken_for_mp3_and_nothing_is_heard():
    harness = Harness(mode="mp3")
    harness.audio(FRAME)
    assert harness.tick() == SILENT_FRAME
    assert not harness.of("error")
    harness.audio(FRAME)  # one message a second
    assert [error["payload"]["code"] for error in harness.of("error")] == [100005]
    for _ in range(50):
        harness.tick()
    harness.audio(FRAME)
    assert len(harness.of("error")) == 1


def test_a_frame_that_waits_to_be_overtaken_is_not_lost_at_the_end():
    harness = Harness(reordered=True)
    harness.tick()
    harness.tick()
    harness.stream.stop()
    assert [message["event"] for message in map(json.loads, harness.sent)] == ["media", "media", "stop"]


def test_nothing_is_sent_after_the_stop():
    harness = Harness()
    harness.audio(FRAME)
    harness.stream.stop()
    sent = len(harness.sent)
    assert harness.tick() == SILENT_FRAME
    harness.stream.heard(FRAME)
    harness.stream.press("1")
    harness.mark("late")
    harness.stream.stop()
    assert len(harness.sent) == sent


@pytest.mark.parametrize(
    ("message", "code"),
    [
        *[(text, 100004 if "###" in text else 100003) for text in FIXTURE["hostile_input"]],
        (b"binary", 100002),
        ('{"event":"media","media":{"payload":5}}', 100003),
        ('{"event":"mark","mark":{}}', 100003),
        ("[" * 100_000, 100003),
        (json.dumps({"event": "media", "media": {"payload": base64.b64encode(bytes(159)).decode()}}), 100004),
        (json.dumps({"event": "media", "media": {"payload": base64.b64encode(bytes(240_001)).decode()}}), 100004),
        (json.dumps({"event": "media", "media": {"payload": ""}}), 100004),
    ],
)
def test_a_message_that_is_wrong_is_answered_with_an_error_and_the_stream_goes_on(message, code):
    harness = Harness()
    harness.stream.receive(message)
    [error] = harness.of("error")
    assert set(error) == {"event", "payload", "stream_id"}
    assert error["payload"]["code"] == code
    assert error["payload"]["title"] in [known["title"] for known in FIXTURE["errors"]]
    harness.mark("still here")
    assert harness.marks == ["still here"]


def test_too_much_audio_ahead_is_refused():
    harness = Harness()
    half_a_minute = json.dumps({"event": "media", "media": {"payload": base64.b64encode(bytes(240_000)).decode()}})
    for _ in range(61):
        harness.stream.receive(half_a_minute)
    assert [error["payload"]["code"] for error in harness.of("error")] == [100005]


MESSAGES = st.dictionaries(
    st.sampled_from(["event", "media", "mark"]),
    st.sampled_from(["media", "mark", "clear", {"payload": "AA=="}, {"payload": "/" * 320}, {"name": "x"}, None, 1]),
)


@given(st.one_of(st.text(), st.binary(), MESSAGES.map(json.dumps)))
def test_any_message_is_taken_or_answered_with_an_error(message):
    harness = Harness()
    harness.stream.receive(message)
    harness.tick()


def test_sounds_that_are_heard_at_once_are_added_up():
    low, high = tone((200,), 20), tone((900,), 20)
    both = np.frombuffer(mix([low, high, SILENT_FRAME]), dtype="<i2")
    assert (both == np.frombuffer(low, "<i2") + np.frombuffer(high, "<i2")).all()
    assert mix([low, SILENT_FRAME]) == low
    assert mix([]) is SILENT_FRAME


def correlation(one: bytes, other: bytes) -> float:
    size = min(len(one), len(other)) // 2
    return float(np.corrcoef(np.frombuffer(one, "<i2")[:size], np.frombuffer(other, "<i2")[:size])[0, 1])
