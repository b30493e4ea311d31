"""Sonic's websocket: a context an utterance. Source: docs.cartesia.ai/api-reference/tts/websocket, version 2026-03-01.

A context's messages repeat its settings; its texts are joined as they are. It ends 1 s after its last audio unless more
text comes: `done` before we said that it ends tells that, and what is left then goes into a context of its own. Cancel
is best effort and not answered, so late messages are told by their context's id.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from outdial.speech.base import SpokenWord
from outdial.speech.stream.reading import text
from outdial.speech.voice.codec import Audio, Complete, Message, SynthesisEvent, Words
from outdial.speech.voice.messages import Messages
from outdial.speech.wire.failures import Fault, VendorFailed, by_message

VERSION = "2026-03-01"
OUTPUT = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}


class _Times(msgspec.Struct):
    words: list[str] = []
    start: list[float] = []
    end: list[float] = []


class _Received(msgspec.Struct):
    type: str = ""
    context_id: str | None = None
    data: bytes | None = None  # base64 on the wire
    word_timestamps: msgspec.Raw = msgspec.Raw(b"null")  # whatever they are, the audio counts
    error_code: Any = None
    error: Any = None  # before version 2026-03-01
    message: Any = None
    status_code: Any = None


_MESSAGES = Messages("cartesia", msgspec.json.Decoder(_Received))
_TIMES: Messages[_Times | None] = Messages("cartesia", msgspec.json.Decoder(_Times | None))


class CartesiaSynthesis:
    """`settings`: the model, the voice and the language of every context."""

    is_free = True  # each context's messages have its id

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = {**settings, "output_format": OUTPUT, "add_timestamps": True, "max_buffer_delay_ms": 0}
        self._number = 0
        self._context: str | None = None  # of the utterance that is being spoken
        self._ended = False               # all its text was sent
        self._has_text = False            # some was sent into this context
        self._is_due = False              # … and no audio has come since
        self._audio_ms = 0                # of its earlier contexts
        self._context_ms = 0              # of this one

    @property
    def is_waiting(self) -> bool:
        return self._context is not None

    def begin(self) -> Sequence[Message]:
        self._audio_ms = 0
        self._open()
        return ()

    def text(self, text: str) -> Sequence[Message]:
        if self._context is None:  # it ran out while more text was waited for
            self._open()
        self._has_text = self._is_due = True
        return [self._message({"transcript": text, "continue": True})]

    def end(self) -> Sequence[Message]:
        self._ended = True
        return [self._message({"transcript": "", "continue": False})] if self._context and self._has_text else ()

    def cancel(self) -> Sequence[Message]:
        context, self._context = self._context, None
        if context is None or not self._has_text:
            return ()
        return [_written({"context_id": context, "cancel": True})]

    def receive(self, message: Message) -> Iterable[SynthesisEvent]:
        if (received := _MESSAGES.read(message)) is None:
            return
        if received.context_id != self._context and not (received.type == "error" and received.context_id is None):
            return
        match received.type:
            case "chunk":
                ulaw = received.data or b""
                self._is_due = False
                self._context_ms += len(ulaw) // 8
                yield Audio(ulaw=ulaw)
            case "timestamps":
                if (times := _TIMES.read(received.word_timestamps)) is not None:
                    yield Words(words=self._words(times))
            case "done":
                self._audio_ms += self._context_ms
                self._context = None
                if self._is_due:  # our text met the end of its context: the vendor says nothing of it
                    yield VendorFailed(Fault.LOST)
                elif self._ended:
                    yield Complete()
            case "error":
                told = text(received.message) or text(received.error)
                status = received.status_code if isinstance(received.status_code, int) else None
                yield by_message(text(received.error_code), text=told, status=status)

    def last(self) -> str | None:
        return None

    def _open(self) -> None:
        self._number += 1
        self._context = f"turn-{self._number}"
        self._ended = self._has_text = self._is_due = False
        self._context_ms = 0

    def _message(self, of_context: Mapping[str, Any]) -> str:
        return _written({"context_id": self._context, **self._settings, **of_context})

    def _words(self, times: _Times) -> Sequence[SpokenWord]:
        return [
            SpokenWord(
                text=text,
                start_ms=self._audio_ms + round(start * 1000),
                end_ms=self._audio_ms + round(end * 1000),
            )
            for text, start, end in zip(times.words, times.start, times.end, strict=False)
        ]


def _written(message: Mapping[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
