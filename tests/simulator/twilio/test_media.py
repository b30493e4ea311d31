"""Twilio's side of a media stream: messages, play-out buffer, marks."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.frames import SILENT_FRAME
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.media.tones import tone
from outdial.simulator.twilio.media import InvalidMessage, MediaStream

FIXTURE = json.loads((Path(__file__).parents[2] / "carriers/fixtures/twilio_media_stream.json").read_text())
SID = "MZ00000000000000000000000000000001"
FRAME = pcm_to_ulaw(tone((440,), 20))


class Harness:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.stream = MediaStream(
            self.sent.append,
            stream_sid=SID,
            call_sid="CA00000000000000000000000000000001",
            account_sid="AC00000000000000000000000000000001",
            parameters={"call_id": "call_1"},
        )

    def receive(self, event: str, **body: object) -> None:
        self.stream.receive(json.dumps({"event": event, "streamSid": SID, **body}))

    def audio(self, ulaw: bytes) -> None:
        self.receive("media", media={"payload": base64.b64encode(ulaw).decode()})

    def mark(self, name: str) -> None:
        self.receive("mark", mark={"name": name})

    def tick(self) -> bytes:
        return self.stream.exchange(SILENT_FRAME)

    @property
    def marks(self) -> list[str]:
        messages = map(json.loads, self.sent)
        return [message["mark"]["name"] for message in messages if message["event"] == "mark"]


def test_the_recorded_conversation_comes_out_message_for_message():
    """Everything Twilio sends in the fixture, at the same points of the conversation."""
    harness = Harness()
    harness.stream.start()
    for number, message in enumerate(FIXTURE["messages"]):
        if message["direction"] == "out":
            harness.stream.receive(message["text"])
        elif json.loads(message["text"])["event"] == "media":
            harness.tick()
        elif json.loads(message["text"])["event"] == "dtmf":
            harness.stream.press("1")
        elif number == 7:  # the mark whose audio is played
            harness.tick()
            harness.tick()
        elif json.loads(message["text"])["event"] == "stop":
            harness.stream.stop()
    expected = [json.loads(item["text"]) for item in FIXTURE["messages"] if item["direction"] == "in"]
    got = [json.loads(text) for text in harness.sent]
    assert got[:4] == expected[:4]  # connected, start, two media
    shape = [{key: type(value) for key, value in message.items()} for message in got]
    for message in expected:
        assert {key: type(value) for key, value in message.items()} in shape
    assert [m["event"] for m in got if m["event"] != "media"] == [
        "connected", "start", "dtmf", "mark", "mark", "stop",
    ]  # fmt: skip
    assert [int(m["sequenceNumber"]) for m in got[1:]] == list(range(1, len(got)))


def test_audio_is_played_in_order_and_in_frames_whatever_the_sizes():
    harness = Harness()
    for size in (1, 300, 159, 180):
        harness.audio(bytes([size % 128]) * size)
    played = b"".join(harness.tick() for _ in range(5))
    expected = b"".join(bytes([size % 128]) * size for size in (1, 300, 159, 180))
    assert played == ulaw_to_pcm(expected) + SILENT_FRAME
    assert harness.tick() == SILENT_FRAME


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
    harness.receive("clear")
    assert harness.marks == ["a", "b"]
    assert harness.tick() == SILENT_FRAME
    assert harness.marks == ["a", "b"]


def test_nothing_is_sent_after_the_stop():
    harness = Harness()
    harness.audio(FRAME)
    harness.stream.stop()
    sent = len(harness.sent)
    assert harness.tick() == SILENT_FRAME
    harness.stream.press("1")
    harness.stream.stop()
    assert len(harness.sent) == sent


@pytest.mark.parametrize(
    "message",
    [
        *FIXTURE["hostile_input"],
        b"binary",
        json.dumps({"event": "media", "streamSid": SID}),
        json.dumps({"event": "media", "streamSid": SID, "media": {"payload": "###"}}),
        json.dumps({"event": "media", "streamSid": SID, "media": {"payload": 5}}),
        json.dumps({"event": "mark", "streamSid": SID, "mark": {}}),
        json.dumps({"event": "clear", "streamSid": "MZ" + "9" * 32}),
        json.dumps({"event": "clear"}),
        "[" * 100_000,
    ],
)
def test_a_message_that_is_not_of_the_protocol_is_refused(message):
    with pytest.raises(InvalidMessage):
        Harness().stream.receive(message)


MESSAGES = st.dictionaries(
    st.sampled_from(["event", "streamSid", "media", "mark"]),
    st.sampled_from(["media", "mark", "clear", SID, {"payload": "AA=="}, {"name": "x"}, None, 1]),
)


@given(st.one_of(st.text(), st.binary(), MESSAGES.map(json.dumps)))
def test_any_message_is_taken_or_refused(message):
    harness = Harness()
    try:
        harness.stream.receive(message)
    except InvalidMessage:
        return
    harness.tick()
