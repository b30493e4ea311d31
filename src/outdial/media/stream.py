"""A carrier's media stream: the events it brings, and the codec that reads and writes its messages. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    stream_id: str
    carrier_call_id: str | None  # where the stream tells it
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Callee audio: PCM16 little-endian, 8000 Hz, mono; usually 320 bytes (20 ms), several frames at once when the
    carrier's came out of order."""

    pcm: bytes
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class DigitPressed:
    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """The carrier played everything sent before this mark, or dropped it at our `clear` (see MarksAtClear)."""

    name: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    pass


StreamEvent = StreamStarted | AudioReceived | DigitPressed | MarkReached | StreamEnded


class BadFrame(ValueError):
    """A frame on the media websocket that is not of the carrier's protocol."""


class MarksAtClear(StrEnum):
    """What `clear` does to the marks of audio that was not played yet."""

    RETURNED = "returned"    # the carrier sends them back at once: such a mark is no proof that anything was played
    FORGOTTEN = "forgotten"  # none of them comes out of the codec: one that comes was played up to


class StreamCodec(Protocol):
    """One media websocket's protocol, without I/O: messages in, events out; our wishes in, messages out.

    What is true of every stream of a carrier stands beside it:
    `lead_ms`: how much audio the carrier is given ahead of the ear. Enough for what the network holds up, and no more:
    all of it is thrown away when the callee barges in.
    `says_stop`: the carrier announces the end of a stream. Where it doesn't, an orderly close of the websocket
    has to stand for it.
    `marks_at_clear`: what a mark is worth that comes after a `clear`.
    """

    lead_ms: int
    says_stop: bool
    marks_at_clear: MarksAtClear

    def receive(self, message: str | bytes) -> StreamEvent | None:
        """The event in a message, None for one that says nothing. Raises BadFrame."""
        ...

    def audio(self, pcm: bytes) -> str | bytes: ...
    def mark(self, name: str) -> str | bytes: ...
    def clear(self) -> str | bytes:
        """Drop audio the carrier has buffered: the callee barged in."""
        ...
