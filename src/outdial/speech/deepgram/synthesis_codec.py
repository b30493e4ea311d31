"""Aura's websocket, /v1/speak: one utterance at a time, whose audio has no id. Source: developers.deepgram.com.

`Flushed` follows the last audio of a Flush and is the only word that it is all. After a Clear, audio that is under way
still comes: it is dropped until `Cleared`. Nobody knows when the next text comes, so each is flushed: what isn't may
wait for it in silence. More than 20 Flushes a minute aren't done: one is kept for an utterance's end, and a websocket
with many is not free for another utterance.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from outdial.speech.stream.reading import text
from outdial.speech.voice.codec import Audio, Complete, Message, SynthesisEvent
from outdial.speech.voice.messages import Messages
from outdial.speech.wire.failures import by_message

MOST_CHARS = 1000  # of a message
MOST_FLUSHES = 19  # in a minute, one less than may be: their clock is another one
LEAST_LEFT = 10    # of them, for another utterance to begin


class _Received(msgspec.Struct):
    type: str = ""
    description: Any = None
    message: Any = None
    err_code: Any = None
    code: Any = None


_MESSAGES = Messages("deepgram", msgspec.json.Decoder(_Received))


class DeepgramSynthesis:
    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self._now = now or asyncio.get_running_loop().time
        self._flushed_at: deque[float] = deque(maxlen=MOST_FLUSHES)
        self._speaking = False   # an utterance is under way
        self._clearing = False
        self._ended = False
        self._unflushed = False  # text was sent since the last Flush
        self._flushes = 0        # not answered yet

    @property
    def is_free(self) -> bool:
        return not self._clearing and self._flushes_left() >= LEAST_LEFT

    @property
    def is_waiting(self) -> bool:
        return self._speaking

    def begin(self) -> Sequence[Message]:
        self._speaking, self._ended, self._unflushed = True, False, False
        self._flushes = 0
        return ()

    def text(self, text: str) -> Sequence[Message]:
        parts = [text[at : at + MOST_CHARS] for at in range(0, len(text), MOST_CHARS)]
        messages = [_written({"type": "Speak", "text": part}) for part in parts]
        self._unflushed = True
        if self._flushes_left() > 1:  # the last one is the end's
            messages.append(self._flush())
        return messages

    def end(self) -> Sequence[Message]:
        self._ended = True
        if self._unflushed:
            return [self._flush()]
        if self._flushes <= 0:  # all of it was there before anybody knew that it is all
            self._speaking = False
        return ()

    def cancel(self) -> Sequence[Message]:
        self._speaking = False
        self._clearing = True
        return [_written({"type": "Clear"})]

    def receive(self, message: Message) -> Iterable[SynthesisEvent]:
        if isinstance(message, bytes):
            if self._speaking and not self._clearing:
                yield Audio(ulaw=message)
            return
        if (received := _MESSAGES.read(message)) is None:
            return
        match received.type:
            case "Flushed" if self._speaking and not self._clearing:
                self._flushes -= 1
                if self._ended and self._flushes <= 0:
                    self._speaking = False
                    yield Complete()
            case "Cleared":
                self._clearing = False
            case "Error":
                word = text(received.err_code) or _code(received.code)
                yield by_message(word, text=text(received.description) or text(received.message))

    def last(self) -> str | None:
        return _written({"type": "Close"})

    def _flush(self) -> str:
        self._flushed_at.append(self._now())
        self._flushes += 1
        self._unflushed = False
        return _written({"type": "Flush"})

    def _flushes_left(self) -> int:
        now = self._now()
        return MOST_FLUSHES - sum(now - at < 60 for at in self._flushed_at)


def _code(value: object) -> str:
    return str(value) if isinstance(value, str | int) else ""


def _written(message: Mapping[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
