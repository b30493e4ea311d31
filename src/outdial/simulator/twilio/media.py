"""Media Streams, Twilio's side of one websocket: messages, the play-out buffer, marks. No I/O.

Source: twilio.com/docs/voice/media-streams/websocket-messages
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec

from outdial.media.frames import FRAME_MS, FRAME_SAMPLES, SILENT_FRAME
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.simulator.playout_buffer import Full, PlayoutBuffer

MAX_BUFFERED_BYTES = 8000 * 60 * 30  # half an hour of audio; nobody means to send more ahead
ULAW_SILENCE = b"\xff" * FRAME_SAMPLES
KEYS = frozenset("0123456789ABCD*#")


class InvalidMessage(ValueError):
    """Twilio would close the stream with error 31951."""


class _Media(msgspec.Struct):
    payload: str


class _Mark(msgspec.Struct):
    name: str


class _Message(msgspec.Struct, rename="camel"):
    event: str
    stream_sid: str
    media: _Media | None = None
    mark: _Mark | None = None


_decoder = msgspec.json.Decoder(_Message)


class MediaStream:
    """A line's peer. `send` gets every message to the customer's server, in order."""

    def __init__(
        self,
        send: Callable[[str], None],
        *,
        stream_sid: str,
        call_sid: str,
        account_sid: str,
        parameters: Mapping[str, str],
    ) -> None:
        self.open = True
        self.sent_ms = 0  # audio sent to the customer so far
        self._send = send
        self._sid = stream_sid
        self._ids = {"accountSid": account_sid, "callSid": call_sid}
        self._parameters = dict(parameters)
        self._sequence = 0
        self._chunk = 0
        self._playout = PlayoutBuffer(
            silence=ULAW_SILENCE,
            max_bytes=MAX_BUFFERED_BYTES,
            on_mark=lambda name: self._tell("mark", {"name": name}),
        )

    def start(self) -> None:
        self._send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        self._tell(
            "start",
            {
                "accountSid": self._ids["accountSid"],
                "streamSid": self._sid,
                "callSid": self._ids["callSid"],
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": self._parameters,
            },
        )

    def stop(self) -> None:
        if self.open:
            self._tell("stop", self._ids)
            self.open = False

    # -- the phone's side (line.Peer)

    def exchange(self, said: bytes) -> bytes:
        if not self.open:
            return SILENT_FRAME
        self._playout.heard()
        self._sequence += 1
        self._chunk += 1
        self.sent_ms += FRAME_MS
        self._send(
            f'{{"event":"media","sequenceNumber":"{self._sequence}","media":{{"track":"inbound",'
            f'"chunk":"{self._chunk}","timestamp":"{self.sent_ms}","payload":"{_payload(said)}"}},'
            f'"streamSid":"{self._sid}"}}'
        )
        frame = self._playout.frame()
        return SILENT_FRAME if frame is None else ulaw_to_pcm(frame)

    def press(self, digit: str) -> None:
        if self.open and digit in KEYS:
            self._tell("dtmf", {"track": "inbound_track", "digit": digit})

    # -- the customer's side

    def receive(self, message: str | bytes) -> None:
        """Raises InvalidMessage; the stream is unusable then."""
        if isinstance(message, bytes):
            raise InvalidMessage("a binary message")
        try:
            parsed = _decoder.decode(message)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
            raise InvalidMessage("not a message of this protocol") from exc
        if parsed.stream_sid != self._sid:
            raise InvalidMessage("another stream's message")
        match parsed:
            case _Message(event="media", media=_Media(payload=payload)):
                self._buffer_audio(payload)
            case _Message(event="mark", mark=_Mark(name=name)):
                self._playout.mark(name)
            case _Message(event="clear"):
                self._playout.clear()
            case _:
                raise InvalidMessage("an unknown or incomplete event")

    def _buffer_audio(self, payload: str) -> None:
        try:
            audio = base64.b64decode(payload, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise InvalidMessage("the payload is not base64") from exc
        try:
            self._playout.add(audio)
        except Full as exc:
            raise InvalidMessage("too much audio ahead") from exc

    def _tell(self, event: str, body: object) -> None:
        self._sequence += 1
        self._send(
            json.dumps(
                {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self._sid, event: body},
                separators=(",", ":"),
            )
        )


@lru_cache(maxsize=8192)  # callees repeat themselves, from call to call too
def _payload(pcm: bytes) -> str:
    return base64.b64encode(pcm_to_ulaw(pcm)).decode()
