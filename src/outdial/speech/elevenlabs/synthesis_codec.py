"""ElevenLabs' websocket with contexts: one an utterance. Source: elevenlabs.io/docs, multi-context websocket.

A flush gives no word that it is done: only closing the context does (`isFinal`). At most five contexts may be open, and
one that was cancelled is so until its `isFinal`; a sixth loses them all. Both spellings of the id and of the end occur.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import field

from outdial.speech.base import SpokenWord
from outdial.speech.stream.reading import text
from outdial.speech.voice.codec import Audio, Complete, Message, SynthesisEvent, Words
from outdial.speech.voice.messages import Messages
from outdial.speech.wire.failures import by_message

MOST_CONTEXTS = 5


class _Alignment(msgspec.Struct):
    chars: list[str] = []
    starts_ms: list[float] = field(default_factory=list, name="charStartTimesMs")
    durations_ms: list[float] | None = field(default=None, name="charDurationsMs")
    durations_too: list[float] | None = field(default=None, name="charsDurationsMs")  # in older versions


class _Received(msgspec.Struct):
    audio: bytes | None = None  # base64 on the wire
    context: str | None = field(default=None, name="contextId")
    context_too: str | None = field(default=None, name="context_id")
    final: bool | None = field(default=None, name="isFinal")
    final_too: bool | None = field(default=None, name="is_final")
    alignment: msgspec.Raw = msgspec.Raw(b"null")  # whatever it is, the audio counts
    error: Any = None
    message: Any = None


_MESSAGES = Messages("elevenlabs", msgspec.json.Decoder(_Received))
_ALIGNMENTS: Messages[_Alignment | None] = Messages("elevenlabs", msgspec.json.Decoder(_Alignment | None))


class ElevenLabsSynthesis:
    """`settings`: the voice's, of each context's first message."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._number = 0
        self._context: str | None = None
        self._closing: set[str] = set()  # cancelled, and open until the vendor says that they are not
        self._began = False
        self._audio_ms = 0.0
        self._word = ""                  # of which only a part is there
        self._word_ms = (0.0, 0.0)

    @property
    def is_free(self) -> bool:
        return len(self._closing) < MOST_CONTEXTS - 1

    @property
    def is_waiting(self) -> bool:
        return self._context is not None

    def begin(self) -> Sequence[Message]:
        self._number += 1
        self._context = f"turn-{self._number}"
        self._began = False
        self._audio_ms, self._word = 0.0, ""
        return ()

    def text(self, text: str) -> Sequence[Message]:
        messages = []
        if not self._began:
            self._began = True
            messages.append(self._message({"text": " ", **self._settings}))
        messages.append(self._message({"text": text if text.endswith(" ") else f"{text} ", "flush": True}))
        return messages

    def end(self) -> Sequence[Message]:
        return [self._message({"close_context": True})]

    def cancel(self) -> Sequence[Message]:
        context, self._context = self._context, None
        if context is None or not self._began:
            return ()
        self._closing.add(context)
        return [_written({"context_id": context, "close_context": True})]

    def receive(self, message: Message) -> Iterable[SynthesisEvent]:
        if (received := _MESSAGES.read(message)) is None:
            return
        context = received.context or received.context_too
        is_final = bool(received.final or received.final_too)
        if received.error is not None:
            yield by_message(text(received.error), text=text(received.message))
            return
        if context is not None and context != self._context:
            if is_final:
                self._closing.discard(context)
            return
        if self._context is None:
            return
        alignment = _ALIGNMENTS.read(received.alignment)
        if alignment is not None and (words := self._words(alignment)):
            yield Words(words=words)
        if received.audio:
            self._audio_ms += len(received.audio) / 8
            yield Audio(ulaw=received.audio)
        if is_final:
            self._context = None
            if self._word:
                yield Words(words=[self._whole_word()])
            yield Complete()

    def last(self) -> str | None:
        return _written({"close_socket": True})

    def _message(self, of_context: Mapping[str, Any]) -> str:
        return _written({**of_context, "context_id": self._context})

    def _words(self, alignment: _Alignment) -> Sequence[SpokenWord]:
        """Those that are whole by now. Times are per character, and count from this piece on."""
        durations = alignment.durations_ms or alignment.durations_too or []
        words = []
        for character, start, lasts in zip(alignment.chars, alignment.starts_ms, durations, strict=False):
            if character.isspace():
                if self._word:
                    words.append(self._whole_word())
                continue
            start_ms = self._audio_ms + start
            self._word_ms = (self._word_ms[0] if self._word else start_ms, start_ms + lasts)
            self._word += character
        return words

    def _whole_word(self) -> SpokenWord:
        word, self._word = self._word, ""
        start_ms, end_ms = self._word_ms
        return SpokenWord(text=word, start_ms=round(start_ms), end_ms=round(end_ms))


def _written(message: Mapping[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
