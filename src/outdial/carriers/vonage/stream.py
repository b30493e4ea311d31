"""Vonage's websocket leg, bidirectional (NCCO `connect` to a websocket). Messages in, events out; no I/O.

Source: developer.vonage.com/en/voice/voice-api/concepts/websockets. Audio is binary: PCM 16 bit, little-endian,
mono, exactly 20 ms a message, at 8000 Hz because we ask for that: our own format, so that it passes through as it
is. Everything else is JSON text. What we hear is the conversation without our own voice. Vonage announces no end:
it closes the websocket. Whether `clear` returns pending notifies is documented nowhere, so they are forgotten.
"""

import logging
from typing import Annotated

import msgspec

from outdial.media.frames import FRAME_BYTES, FRAME_MS
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    DigitPressed,
    MarkReached,
    MarksAtClear,
    StreamEvent,
    StreamStarted,
)

logger = logging.getLogger(__name__)

MAX_MESSAGE_CHARS = 16 * 1024
CONTENT_TYPE = "audio/l16;rate=8000"
CLEAR = '{"action":"clear"}'

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


# What Vonage sends, one struct an event.


class Connected(msgspec.Struct, tag_field="event", tag="websocket:connected", frozen=True):
    content_type: str = msgspec.field(name="content-type")


class Dtmf(msgspec.Struct, tag_field="event", tag="websocket:dtmf", frozen=True):
    digit: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-D]\Z")]


class Payload(msgspec.Struct, frozen=True):
    mark: Name


class Notify(msgspec.Struct, tag_field="event", tag="websocket:notify", frozen=True):
    payload: Payload


class Cleared(msgspec.Struct, tag_field="event", tag="websocket:cleared", frozen=True):
    pass


class Envelope(msgspec.Struct, frozen=True):
    event: str


EVENTS = frozenset({"websocket:connected", "websocket:dtmf", "websocket:notify", "websocket:cleared"})

_decode = msgspec.json.Decoder(Connected | Dtmf | Notify | Cleared).decode
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_quoted = msgspec.json.encode


class VonageStream:
    """The codec of one websocket (see media.stream.StreamCodec)."""

    __slots__ = ("_pending", "_received_ms", "_started")

    lead_ms = 200  # its buffer would hold 20 s and more
    says_stop = False
    marks_at_clear = MarksAtClear.FORGOTTEN

    def __init__(self) -> None:
        self._started = False
        self._received_ms = 0
        self._pending: set[str] = set()  # marks that may still come back

    def receive(self, message: str | bytes) -> StreamEvent | None:
        """The event in a message; None for one that says nothing (or that we don't know). Raises BadFrame."""
        if isinstance(message, bytes):  # 50 times a second and call: before everything else
            if len(message) != FRAME_BYTES:
                raise BadFrame("not 20 ms of audio")
            if not self._started:
                raise BadFrame("audio before websocket:connected")
            self._received_ms += FRAME_MS
            return AudioReceived(message, self._received_ms)
        if len(message) > MAX_MESSAGE_CHARS:
            raise BadFrame("message too long")
        try:
            decoded = _decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            _refuse_unless_unknown(message, error)
            return None
        if isinstance(decoded, Connected):
            return self._connected(decoded, message)
        if not self._started:
            raise BadFrame("before websocket:connected")
        match decoded:
            case Dtmf():
                return DigitPressed(decoded.digit)
            case Notify() if decoded.payload.mark in self._pending:
                self._pending.discard(decoded.payload.mark)
                return MarkReached(decoded.payload.mark)
        return None

    def audio(self, pcm: bytes) -> bytes:
        """One 20 ms frame, to play after what was sent before. A shorter one is filled up: Vonage takes no other
        length. Raises ValueError for a longer one."""
        if len(pcm) == FRAME_BYTES:
            return pcm
        if len(pcm) > FRAME_BYTES:
            raise ValueError("a message to Vonage is one frame of 20 ms")
        return pcm + bytes(FRAME_BYTES - len(pcm))

    def mark(self, name: str) -> str:
        """Comes back as MarkReached when everything sent before it was played; never after a `clear`."""
        self._pending.add(name)
        return f'{{"action":"notify","payload":{{"mark":{_quoted(name).decode()}}}}}'

    def clear(self) -> str:
        self._pending.clear()
        return CLEAR

    def _connected(self, message: Connected, text: str) -> StreamStarted:
        """The first message: the endpoint's headers lie flat beside the event's own fields."""
        if self._started:
            raise BadFrame("a second websocket:connected")
        if message.content_type.replace(" ", "").lower() != CONTENT_TYPE:
            raise BadFrame("not 16-bit PCM at 8000 Hz")
        parameters = {
            name: value
            for name, value in _decode_object(text).items()
            if isinstance(value, str) and name not in ("event", "content-type")
        }
        self._started = True
        return StreamStarted(stream_id=parameters.get("ref", ""), carrier_call_id=None, parameters=parameters)


def _refuse_unless_unknown(message: str, error: Exception) -> None:
    """Tell an event Vonage may have added since from a message that is wrong (BadFrame)."""
    try:
        event = _decode_envelope(message).event
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadFrame("not a message of this protocol") from error
    if event in EVENTS:
        raise BadFrame(f"malformed {event} message") from error
    logger.info("Vonage stream event unknown; ignored", extra={"word": event[:40]})
