"""Media streaming over WebSockets, Telnyx's side of one: messages, the play-out buffer, marks. No I/O.

Source: developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket
"""

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime

import msgspec

from outdial.media.frames import FRAME_MS, SILENT_FRAME
from outdial.simulator.playout_buffer import Full, PlayoutBuffer
from outdial.simulator.telnyx import codecs
from outdial.simulator.telnyx.parameters import Stream

MIN_CHUNK_MS = 20
MAX_CHUNK_MS = 30_000
MAX_BUFFERED_BYTES = 16_000 * 60 * 30  # half an hour of PCM; nobody means to send more ahead
MP3_EVERY_MS = 1000  # one message a second
SWAP_EVERY = 5  # chunks, when frames are to come out of order
KEYS = frozenset("0123456789ABCD*#")

UNKNOWN = (100002, "unknown_error")
MALFORMED = (100003, "malformed_frame")
INVALID_MEDIA = (100004, "invalid_media")
RATE_LIMIT = (100005, "rate_limit_reached")


class _Media(msgspec.Struct):
    payload: str


class _Mark(msgspec.Struct):
    name: str


class _Message(msgspec.Struct):
    event: str
    media: _Media | None = None
    mark: _Mark | None = None


_decoder = msgspec.json.Decoder(_Message)


class _Refused(Exception):
    def __init__(self, error: tuple[int, str], detail: str) -> None:
        super().__init__(detail)
        self.code, self.title = error
        self.detail = detail


class MediaStream:
    """What is wrong in the customer's messages is answered with an error message; the stream goes on."""

    def __init__(
        self,
        send: Callable[[str], None],
        *,
        wanted: Stream,
        leg_codec: str,
        stream_id: str,
        start: dict[str, object],
        now: Callable[[], datetime],
        reordered: bool = False,
    ) -> None:
        """`start` is the start message's own part without the media format; its `user_id` and `call_control_id`
        are also in the stop. `reordered` lets every fifth frame be overtaken by the next one."""
        self.open = True
        self.sent_ms = 0  # audio sent to the customer so far
        self.codec = leg_codec if wanted.codec == "default" else wanted.codec
        self._send = send
        self._wanted = wanted
        self._id = stream_id
        self._start = start
        self._now = now
        self._reordered = reordered
        self._held = ""  # a frame that is to be overtaken
        self._sequence = 0
        self._chunks = {"inbound": 0, "outbound": 0}
        self._playout = PlayoutBuffer(
            silence=SILENT_FRAME,
            max_bytes=MAX_BUFFERED_BYTES,
            on_mark=lambda name: self._tell({"event": "mark", "mark": {"name": name}}),
        )
        self._next_mp3_ms = 0

    def start(self) -> None:
        audio = codecs.FORMATS[self.codec]
        media_format = {"encoding": audio.encoding, "sample_rate": audio.sample_rate_hz, "channels": 1}
        self._send(json.dumps({"event": "connected", "version": "1.0.0"}))
        self._tell({"event": "start", "start": {**self._start, "media_format": media_format}})

    def stop(self) -> None:
        if not self.open:
            return
        self._release()
        self._tell({"event": "stop", "stop": {name: self._start[name] for name in ("user_id", "call_control_id")}})
        self.open = False

    # -- the phone's side

    def exchange(self, said: bytes) -> bytes:
        """Takes 20 ms of what the phone says, gives 20 ms of what the customer has sent."""
        if not self.open:
            return SILENT_FRAME
        self._playout.heard()
        self.sent_ms += FRAME_MS
        if self._wanted.track != "outbound_track":
            self._send_audio("inbound", said)
        return self._playout.frame() or SILENT_FRAME

    def heard(self, frame: bytes) -> None:
        """All the phone has heard in these 20 ms, for the outbound track."""
        if self.open and self._wanted.track != "inbound_track":
            self._send_audio("outbound", frame)

    def press(self, digit: str) -> None:
        if self.open and digit in KEYS:
            occurred_at = self._now().isoformat(timespec="microseconds").replace("+00:00", "Z")
            self._tell({"event": "dtmf", "occurred_at": occurred_at, "dtmf": {"digit": digit}})

    # -- the customer's side

    def receive(self, message: str | bytes) -> None:
        if not self.open:
            return
        try:
            self._receive(message)
        except _Refused as exc:
            payload = {"code": exc.code, "title": exc.title, "detail": exc.detail}
            self._send(json.dumps({"event": "error", "payload": payload, "stream_id": self._id}))

    def _receive(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            raise _Refused(UNKNOWN, "An unknown error occurred on the stream")
        try:
            parsed = _decoder.decode(message)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
            raise _Refused(MALFORMED, "Received frame was not formed correctly") from exc
        match parsed:
            case _Message(event="media", media=_Media(payload=payload)):
                self._buffer_audio(payload)
            case _Message(event="mark", mark=_Mark(name=name)):
                self._playout.mark(name)
            case _Message(event="clear"):
                self._playout.clear()
            case _:
                raise _Refused(MALFORMED, "Received frame was not formed correctly")

    def _buffer_audio(self, payload: str) -> None:
        try:
            audio = base64.b64decode(payload, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise _Refused(INVALID_MEDIA, "Media provided was not base64 encoded") from exc
        if self._wanted.mode == "mp3":
            self._take_mp3()
            return
        codec = self._wanted.bidirectional_codec
        if not MIN_CHUNK_MS <= codecs.FORMATS[codec].duration_ms(audio) <= MAX_CHUNK_MS:
            raise _Refused(INVALID_MEDIA, "A chunk must hold from 20 milliseconds to 30 seconds of audio")
        try:
            self._playout.add(codecs.decode(codec, audio))
        except Full as exc:
            raise _Refused(RATE_LIMIT, "Too many requests") from exc

    def _take_mp3(self) -> None:
        """Nothing is heard: RTP payloads aren't MP3, and real MP3 files are not simulated."""
        if self.sent_ms < self._next_mp3_ms:
            raise _Refused(RATE_LIMIT, "Too many requests")
        self._next_mp3_ms = self.sent_ms + MP3_EVERY_MS

    def _send_audio(self, track: str, pcm: bytes) -> None:
        self._sequence += 1
        self._chunks[track] += 1
        payload = base64.b64encode(codecs.encode(self.codec, pcm)).decode()
        text = (
            f'{{"event":"media","sequence_number":"{self._sequence}","media":{{"track":"{track}",'
            f'"chunk":"{self._chunks[track]}","timestamp":"{self.sent_ms}","payload":"{payload}"}},'
            f'"stream_id":"{self._id}"}}'
        )
        if self._reordered and not self._held and self._chunks[track] % SWAP_EVERY == 2:
            self._held = text
            return
        self._send(text)
        self._release()

    def _release(self) -> None:
        if self._held:
            held, self._held = self._held, ""
            self._send(held)

    def _tell(self, message: dict[str, object]) -> None:
        self._sequence += 1
        self._send(
            json.dumps(
                {**message, "sequence_number": str(self._sequence), "stream_id": self._id},
                separators=(",", ":"),
            )
        )
