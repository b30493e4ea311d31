"""Telnyx media streaming on one websocket, bidirectional in rtp mode. Text in, events out; no I/O.

Source: developers.telnyx.com, docs/voice/programmable-voice/media-streaming. We send G.711 mu-law (PCMU), 8000 Hz,
because we ask for that; what we get is told by `start`, and is the phone's own codec where Telnyx can't convert
(A-law read as mu-law is loud noise). Frames may overtake each other and are put in order by their chunk numbers;
numbers are strings. `clear` returns all pending marks at once, so a mark after a clear proves nothing.
"""

import logging
from array import array
from binascii import b2a_base64
from collections.abc import Callable
from typing import Annotated

import msgspec

from outdial.media.g711 import alaw_to_pcm, pcm_to_ulaw, ulaw_to_pcm
from outdial.media.jitter_buffer import JitterBuffer
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    DigitPressed,
    MarkReached,
    MarksAtClear,
    StreamEnded,
    StreamEvent,
    StreamStarted,
)

logger = logging.getLogger(__name__)

MAX_MESSAGE_CHARS = 128 * 1024
MAX_PAYLOAD_BYTES = 64 * 1024  # 8 s of audio; Telnyx sends 20 ms
CLEAR = '{"event":"clear"}'

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


# What Telnyx sends, one struct an event. Fields nobody needs are left out: decoding skips them unread.


class Media(msgspec.Struct, frozen=True, gc=False):
    track: str
    payload: bytes  # msgspec decodes the base64, strictly
    chunk: Count
    timestamp: Count


class MediaMessage(msgspec.Struct, tag_field="event", tag="media", frozen=True, gc=False):
    media: Media
    stream_id: Name


class ConnectedMessage(msgspec.Struct, tag_field="event", tag="connected", frozen=True):
    pass


class MediaFormat(msgspec.Struct, frozen=True):
    encoding: str
    sample_rate: int
    channels: int


class Start(msgspec.Struct, frozen=True):
    call_control_id: Name
    media_format: MediaFormat
    client_state: str | None = None


class StartMessage(msgspec.Struct, tag_field="event", tag="start", frozen=True):
    start: Start
    stream_id: Name


class Dtmf(msgspec.Struct, frozen=True):
    digit: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-D]\Z")]


class DtmfMessage(msgspec.Struct, tag_field="event", tag="dtmf", frozen=True):
    dtmf: Dtmf
    stream_id: Name


class Mark(msgspec.Struct, frozen=True):
    name: Name


class MarkMessage(msgspec.Struct, tag_field="event", tag="mark", frozen=True):
    mark: Mark
    stream_id: Name


class Problem(msgspec.Struct, frozen=True):
    code: int


class ErrorMessage(msgspec.Struct, tag_field="event", tag="error", frozen=True):
    payload: Problem
    stream_id: Name


class StopMessage(msgspec.Struct, tag_field="event", tag="stop", frozen=True):
    stream_id: Name


Message = MediaMessage | ConnectedMessage | StartMessage | DtmfMessage | MarkMessage | ErrorMessage | StopMessage
EVENTS = frozenset({"media", "connected", "start", "dtmf", "mark", "error", "stop"})


class Envelope(msgspec.Struct, frozen=True):
    event: str


# Not strict: that is how "chunk":"1" becomes an int.
_decode = msgspec.json.Decoder(Message, strict=False).decode
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_quoted = msgspec.json.encode


def _l16_to_pcm(l16: bytes) -> bytes:
    """Telnyx documents no byte order for L16; network order (RFC 3551) is what others found. We never ask for it."""
    if len(l16) % 2:
        raise BadFrame("half a sample")
    samples = array("h", l16)
    samples.byteswap()
    return samples.tobytes()


DECODERS: dict[str, Callable[[bytes], bytes]] = {"PCMU": ulaw_to_pcm, "PCMA": alaw_to_pcm, "L16": _l16_to_pcm}


class TelnyxStream:
    """The codec of one websocket (see media.stream.StreamCodec)."""

    __slots__ = ("_jitter_buffer", "_stream_id", "_to_pcm")

    lead_ms = 200
    says_stop = True
    marks_at_clear = MarksAtClear.RETURNED

    def __init__(self) -> None:
        self._stream_id: str | None = None
        self._to_pcm: Callable[[bytes], bytes] = ulaw_to_pcm
        self._jitter_buffer = JitterBuffer()

    def receive(self, message: str | bytes) -> StreamEvent | None:
        """The event in a message; None for one that says nothing (or that we don't know). Raises BadFrame."""
        if len(message) > MAX_MESSAGE_CHARS:
            raise BadFrame("message too long")
        try:
            decoded = _decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            _refuse_unless_unknown(message, error)
            return None
        if type(decoded) is MediaMessage:  # 50 times a second and call: before everything else
            return self._media(decoded)
        match decoded:
            case ConnectedMessage():
                return None
            case StartMessage():
                return self._started(decoded)
        self._must_be_ours(decoded.stream_id)
        match decoded:
            case DtmfMessage():
                return DigitPressed(decoded.dtmf.digit)
            case MarkMessage():
                return MarkReached(decoded.mark.name)
            case ErrorMessage():
                logger.warning("Telnyx refused our audio", extra={"code": decoded.payload.code})
                return None
        return StreamEnded()

    def audio(self, pcm: bytes) -> str:
        """Audio to play after what was sent before: 20 ms or more, else Telnyx doesn't take it."""
        payload = b2a_base64(pcm_to_ulaw(pcm), newline=False).decode("ascii")
        return f'{{"event":"media","media":{{"payload":"{payload}"}}}}'

    def mark(self, name: str) -> str:
        """Comes back as MarkReached when everything sent before it was played or dropped."""
        return f'{{"event":"mark","mark":{{"name":{_quoted(name).decode()}}}}}'

    def clear(self) -> str:
        return CLEAR

    def _media(self, message: MediaMessage) -> StreamEvent | None:
        self._must_be_ours(message.stream_id)
        media = message.media
        if media.track != "inbound":  # never take our own voice for the callee's
            return None
        if len(media.payload) > MAX_PAYLOAD_BYTES:
            raise BadFrame("payload too long")
        if not media.payload:
            return None
        due = self._jitter_buffer.put(media.chunk, media.timestamp, self._to_pcm(media.payload))
        return None if due is None else AudioReceived(due[1], due[0])

    def _started(self, message: StartMessage) -> StreamStarted:
        start = message.start
        if self._stream_id is not None:
            raise BadFrame("a second start")
        decoder = DECODERS.get(start.media_format.encoding.upper())
        if decoder is None or start.media_format.sample_rate != 8000 or start.media_format.channels != 1:
            raise BadFrame("neither G.711 nor L16 at 8000 Hz, mono")
        self._to_pcm = decoder
        self._stream_id = message.stream_id
        return StreamStarted(
            stream_id=message.stream_id,
            carrier_call_id=start.call_control_id,
            parameters={"client_state": start.client_state} if start.client_state else {},
        )

    def _must_be_ours(self, stream_id: str) -> None:
        if stream_id != self._stream_id:
            raise BadFrame("before start" if self._stream_id is None else "of another stream")


def _refuse_unless_unknown(message: str | bytes, error: Exception) -> None:
    """Tell an event Telnyx may have added since from a message that is wrong (BadFrame)."""
    try:
        event = _decode_envelope(message).event
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadFrame("not a message of this protocol") from error
    if event in EVENTS:
        raise BadFrame(f"malformed {event} message") from error
    logger.info("Telnyx stream event unknown; ignored", extra={"word": event[:40]})
