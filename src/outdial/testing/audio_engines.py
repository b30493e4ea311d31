"""The engines that ship, for conversations with real audio in virtual time (virtual_time.py)."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from outdial.media.frames import BYTES_PER_MS
from outdial.media.voice_activity import PERIOD_S, VoiceActivity
from outdial.speech.base import Closest, Recognition, SpeechToText, TextToSpeech
from outdial.speech.closed_answers import ClosedAnswer, ClosedAnswers

# What a recognition takes on a core that does nothing else: a part that is always there, and one for each second.
RECOGNITION_S, RECOGNITION_PER_S = 0.01, 0.04
SECOND_OPINION_S, SECOND_OPINION_PER_S = 0.03, 0.08  # … and a second opinion


class TimedSpeechToText:
    """A recogniser whose answers come as late as they would on a core of their own, however busy this machine is."""

    def __init__(self, engine: SpeechToText) -> None:
        self.name = engine.name
        self._engine = engine

    def recognition(self) -> "_TimedRecognition":
        return _TimedRecognition(self._engine.recognition())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class _TimedRecognition:
    def __init__(self, recognition: Recognition) -> None:
        self._recognition = recognition
        self._fed = self._known = 0

    def feed(self, pcm: bytes) -> None:
        self._fed += len(pcm)
        self._recognition.feed(pcm)

    async def text(self) -> str:
        return await self._timed(self._recognition.text()) or ""

    async def partial(self) -> str | None:
        return await self._timed(self._recognition.partial())

    async def _timed(self, recognised: Coroutine[Any, Any, str | None]) -> str | None:
        fed = self._fed
        text = await recognised
        if fed != self._known:
            await asyncio.sleep(RECOGNITION_S + RECOGNITION_PER_S * fed / BYTES_PER_MS / 1000)
            self._known = fed
        return text

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recognition, name)


class TimedClosedAnswers(ClosedAnswers):
    """As late in the same way."""

    def recognition(self) -> "_TimedClosedAnswer":
        return _TimedClosedAnswer()


class _TimedClosedAnswer(ClosedAnswer):
    def __init__(self) -> None:
        super().__init__()
        self._fed = 0

    def feed(self, pcm: bytes) -> None:
        self._fed += len(pcm)
        super().feed(pcm)

    async def closest(self, answers: Sequence[Sequence[str]], heard: str) -> Closest | None:
        found = await super().closest(answers, heard)
        await asyncio.sleep(SECOND_OPINION_S + SECOND_OPINION_PER_S * self._fed / BYTES_PER_MS / 1000)
        return found


class RememberedTextToSpeech:
    """Says again what it has said before, without an engine's work: an agent says most things in every call. `said_ms`:
    how long everything is that it was asked for since somebody set that to 0."""

    def __init__(self, engine: TextToSpeech) -> None:
        self.name = engine.name
        self.said_ms = 0
        self._engine = engine
        self._said: dict[str, tuple[bytes, ...]] = {}

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        pieces = self._said.get(text)
        if pieces is None:
            pieces = self._said[text] = tuple([piece async for piece in self._engine.speak(text)])
        self.said_ms += sum(map(len, pieces)) // BYTES_PER_MS
        for piece in pieces:
            yield piece


async def detect_voice(activity: VoiceActivity) -> None:
    """As VoiceActivity.run, without its thread."""
    while True:
        while activity.run_once():
            pass
        await asyncio.sleep(PERIOD_S)
