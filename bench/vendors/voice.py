"""A simulated voice: Cartesia's protocol, with the same real speech for every text, as long as the text needs."""

import base64
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import msgspec

from bench.vendors.tags import number_in
from bench.vendors.websocket_server import Peer
from outdial.media.g711 import ulaw_to_pcm

FIRST_S = 0.12   # from a text to its first audio
PIECE_MS = 200   # of audio in a message
PIECE_S = 0.02   # from one to the next: ten times as fast as it is heard
MS_PER_CHAR = 60


class _Format(msgspec.Struct):
    encoding: str = "pcm_mulaw"


class _Message(msgspec.Struct):
    context_id: str
    transcript: str = ""
    continue_: bool = msgspec.field(name="continue", default=False)
    cancel: bool = False
    output_format: _Format = msgspec.field(default_factory=_Format)


_decode = msgspec.json.Decoder(_Message).decode
TIMES = b'{"type": "timestamps"'
Spoken = Callable[[int, float, float], None]  # whose, when its text was there, when its first audio left


class Sound:
    """`pieces(ms, encoding)`: base64 of so much speech."""

    def __init__(self, mulaw: bytes) -> None:
        self._pieces: Mapping[str, Sequence[bytes]] = {
            "pcm_mulaw": _pieces(mulaw, 8),
            "pcm_s16le": _pieces(ulaw_to_pcm(mulaw), 16),
        }

    def pieces(self, ms: int, encoding: str) -> Sequence[bytes]:
        there = self._pieces[encoding]
        return [there[at % len(there)] for at in range(max(1, round(ms / PIECE_MS)))]


def _pieces(audio: bytes, bytes_per_ms: int) -> list[bytes]:
    size = PIECE_MS * bytes_per_ms
    return [base64.b64encode(audio[at : at + size]) for at in range(0, len(audio) - size + 1, size)]


@dataclass(slots=True)
class _Context:
    id: bytes
    said_ms: int = 0
    number: int | None = None
    asked_at: float = 0.0
    is_heard: bool = False
    is_busy: bool = False
    is_over: bool = False  # no more text
    queue: deque[bytes] = field(default_factory=deque)


class Cartesia:
    def __init__(self, peer: Peer, sound: Sound, spoken: Spoken, later: Callable[..., object]) -> None:
        self._peer = peer
        self._sound = sound
        self._spoken = spoken
        self._later = later
        self._contexts: dict[str, _Context] = {}

    def receive(self, data: bytes, *, text: bool) -> None:
        message = _decode(data)
        if message.cancel:
            self._contexts.pop(message.context_id, None)
            return
        context = self._contexts.get(message.context_id)
        if context is None:
            context = self._contexts[message.context_id] = _Context(id=message.context_id.encode())
        if message.transcript.strip():
            self._say(context, message)
        if not message.continue_:
            context.is_over = True
            if not context.is_busy:
                self._end(context)

    def gone(self) -> None:
        self._contexts.clear()

    def _say(self, context: _Context, message: _Message) -> None:
        text = message.transcript
        if context.number is None and (number := number_in(text)) is not None:
            context.number, context.asked_at = number, perf_counter()
        pieces = self._sound.pieces(len(text) * MS_PER_CHAR, message.output_format.encoding)
        ms = len(pieces) * PIECE_MS
        context.queue.append(_times(message.context_id, text, context.said_ms, ms))
        context.queue.extend(
            b'{"type":"chunk","context_id":"%b","data":"%b","done":false,"status_code":206,"step_time":12.3}'
            % (context.id, piece)
            for piece in pieces
        )
        context.said_ms += ms
        if not context.is_busy:
            context.is_busy = True
            self._later(FIRST_S, self._next, context)

    def _next(self, context: _Context) -> None:
        if self._contexts.get(context.id.decode()) is not context:
            return
        if not context.queue:
            context.is_busy = False
            if context.is_over:
                self._end(context)
            return
        message = context.queue.popleft()
        if message.startswith(TIMES):
            self._peer.send(message)
            message = context.queue.popleft()
        self._peer.send(message)
        if not context.is_heard and context.number is not None:
            context.is_heard = True
            self._spoken(context.number, context.asked_at, perf_counter())
        self._later(PIECE_S, self._next, context)

    def _end(self, context: _Context) -> None:
        self._peer.send(b'{"type":"done","context_id":"%b","done":true,"status_code":206}' % context.id)
        self._contexts.pop(context.id.decode(), None)


def _times(context_id: str, text: str, since_ms: int, ms: int) -> bytes:
    words = text.split()
    each = ms / len(words)
    times: dict[str, Any] = {
        "words": words,
        "start": [round((since_ms + at * each) / 1000, 3) for at in range(len(words))],
        "end": [round((since_ms + (at + 1) * each) / 1000, 3) for at in range(len(words))],
    }
    told = {"type": "timestamps", "context_id": context_id, "done": False, "status_code": 206}
    return json.dumps({**told, "word_timestamps": times}).encode()
