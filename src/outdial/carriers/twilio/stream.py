"""Twilio Media Streams on one websocket, bidirectional (`<Connect><Stream>`). Text in, events out; no I/O.

Source: twilio.com/docs/voice/media-streams/websocket-messages. Audio is G.711 mu-law, 8000 Hz, mono, base64,
160 bytes (20 ms) a message; numbers are strings. Twilio gives us the callee's audio only, plays what we send
in order, and returns a mark when it has come that far. `clear` returns all pending marks at once, so a mark
after a clear is no proof that something was played.
"""

import logging
from binascii import b2a_base64
from typing import Annotated

import msgspec

from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
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
MAX_PAYLOAD_BYTES = 64 * 1024  # 8 s of audio; Twilio sends 20 ms

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


# What Twilio sends, one struct an event. Fields nobody needs are left out: decoding skips them unread.


class Media(msgspec.Struct, frozen=True, gc=False):
    track: str
    timestamp: Milliseconds
    payload: bytes  # msgspec decodes the base64, strictly


class MediaMessage(msgspec.Struct, tag_field="event", tag="media", frozen=True, gc=False):
    media: Media
    stream_id: Name = msgspec.field(name="streamSid")


class ConnectedMessage(msgspec.Struct, tag_field="event", tag="connected", frozen=True):
    pass


class MediaFormat(msgspec.Struct, frozen=True):
    encoding: str
    sample_rate_hz: int = msgspec.field(name="sampleRate")
    channels: int


class Start(msgspec.Struct, frozen=True):
    stream_id: Name = msgspec.field(name="streamSid")
    carrier_call_id: Name = msgspec.field(name="callSid")
    media_format: MediaFormat = msgspec.field(name="mediaFormat")
    parameters: dict[str, str] = msgspec.field(name="customParameters", default_factory=dict)


class StartMessage(msgspec.Struct, tag_field="event", tag="start", frozen=True):
    start: Start
    stream_id: Name = msgspec.field(name="streamSid")


class Dtmf(msgspec.Struct, frozen=True):
    digit: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-D]\Z")]


class DtmfMessage(msgspec.Struct, tag_field="event", tag="dtmf", frozen=True):
    dtmf: Dtmf
    stream_id: Name = msgspec.field(name="streamSid")


class Mark(msgspec.Struct, frozen=True):
    name: Name


class MarkMessage(msgspec.Struct, tag_field="event", tag="mark", frozen=True):
    mark: Mark
    stream_id: Name = msgspec.field(name="streamSid")


class StopMessage(msgspec.Struct, tag_field="event", tag="stop", frozen=True):
    stream_id: Name = msgspec.field(name="streamSid")


Message = MediaMessage | ConnectedMessage | StartMessage | DtmfMessage | MarkMessage | StopMessage
EVENTS = frozenset({"media", "connected", "start", "dtmf", "mark", "stop"})


class Envelope(msgspec.Struct, frozen=True):
    event: str


# Not strict: that is how "timestamp":"20" becomes an int.
_decode = msgspec.json.Decoder(Message, strict=False).decode
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_quoted = msgspec.json.encode
_MULAW = MediaFormat(encoding="audio/x-mulaw", sample_rate_hz=8000, channels=1)


class TwilioStream:
    """The codec of one websocket (see media.stream.StreamCodec).

    `audio`, `mark` and `clear` need the stream's id, which comes with `start`: before it they raise
    RuntimeError.
    """

    __slots__ = ("_audio_prefix", "_stream_id")

    lead_ms = 200
    says_stop = True
    marks_at_clear = MarksAtClear.RETURNED

    def __init__(self) -> None:
        self._stream_id: str | None = None
        self._audio_prefix = ""

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
        return StreamEnded()

    def audio(self, pcm: bytes) -> str:
        """Audio to play after what was sent before. `pcm` is usually one 20 ms frame; any length will do."""
        if self._stream_id is None:
            raise RuntimeError("the media stream has not started")
        return f'{self._audio_prefix}{b2a_base64(pcm_to_ulaw(pcm), newline=False).decode("ascii")}"}}}}'

    def mark(self, name: str) -> str:
        """Comes back as MarkReached when everything sent before it was played or dropped."""
        return f'{self._prefix("mark")},"mark":{{"name":{_quoted(name).decode()}}}}}'

    def clear(self) -> str:
        return self._prefix("clear") + "}"

    def _media(self, message: MediaMessage) -> StreamEvent | None:
        self._must_be_ours(message.stream_id)
        media = message.media
        if media.track != "inbound":  # never take our own voice for the callee's
            return None
        if len(media.payload) > MAX_PAYLOAD_BYTES:
            raise BadFrame("payload too long")
        if not media.payload:
            return None
        return AudioReceived(ulaw_to_pcm(media.payload), media.timestamp)

    def _started(self, message: StartMessage) -> StreamStarted:
        start = message.start
        if self._stream_id is not None:
            raise BadFrame("a second start")
        if start.stream_id != message.stream_id:
            raise BadFrame("start of another stream")
        if start.media_format != _MULAW:
            raise BadFrame("not mu-law at 8000 Hz, mono")
        self._stream_id = start.stream_id
        self._audio_prefix = self._prefix("media") + ',"media":{"payload":"'
        return StreamStarted(
            stream_id=start.stream_id, carrier_call_id=start.carrier_call_id, parameters=start.parameters
        )

    def _must_be_ours(self, stream_id: str) -> None:
        if stream_id != self._stream_id:
            raise BadFrame("before start" if self._stream_id is None else "of another stream")

    def _prefix(self, event: str) -> str:
        if self._stream_id is None:
            raise RuntimeError("the media stream has not started")
        return f'{{"event":"{event}","streamSid":{_quoted(self._stream_id).decode()}'


def _refuse_unless_unknown(message: str | bytes, error: Exception) -> None:
    """Tell an event Twilio may have added since from a message that is wrong (BadFrame)."""
    try:
        event = _decode_envelope(message).event
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadFrame("not a message of this protocol") from error
    if event in EVENTS:
        raise BadFrame(f"malformed {event} message") from error
    logger.info("Twilio stream event unknown; ignored", extra={"word": event[:40]})
