"""What a simulated vendor's recogniser hears: voice and quiet in a stream of mu-law, and its words by an engine.

Its clock is the audio that it was given, as vendors' is: while none comes, nothing happens.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from outdial.media.g711 import rms, ulaw_to_pcm
from outdial.speech.base import SpeechToText

logger = logging.getLogger(__name__)

STEP_MS = 20
STEP_BYTES = STEP_MS * 8
LOUD = 300           # RMS (of 32768) of a voice
BEFORE_MS = 200      # of a voice belong to it
QUIET_MS = 60        # less is between two sounds


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWord:
    text: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The words of some audio, until `until_ms` of it."""

    start_ms: float
    until_ms: float
    words: Sequence[TimedWord]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


class Ears:
    """`on_step` is called for each 20 ms that were heard. A stretch begins where the last one was ended."""

    def __init__(self, engine: SpeechToText, on_step: Callable[[], None]) -> None:
        self._engine = engine
        self._on_step = on_step
        self._held = bytearray()
        self._steps: list[tuple[float, bytes]] = []  # of the stretch: its end, and PCM16
        self.heard_ms = 0.0
        self.began_ms = 0.0                   # the stretch
        self.voice_ms: float | None = None    # when a voice began in it, and …
        self.last_voice_ms = 0.0              # … when it was heard last
        self._asked: asyncio.Queue[tuple[float, float, bytes, Callable[[Stretch], None]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def quiet_ms(self) -> float:
        """Since the last voice of the stretch."""
        return 0.0 if self.voice_ms is None else self.heard_ms - self.last_voice_ms

    def feed(self, mulaw: bytes) -> None:
        self._held += mulaw
        while len(self._held) >= STEP_BYTES:
            step = ulaw_to_pcm(bytes(self._held[:STEP_BYTES]))
            del self._held[:STEP_BYTES]
            self.heard_ms += STEP_MS
            self._steps.append((self.heard_ms, step))
            if rms(step) >= LOUD:
                self.last_voice_ms = self.heard_ms
                if self.voice_ms is None:
                    self.voice_ms = self.heard_ms - STEP_MS
            if self.voice_ms is None:
                self._steps = self._steps[-BEFORE_MS // STEP_MS :]
            self._on_step()

    def ask(self, then: Callable[[Stretch], None]) -> None:
        """Have the stretch so far recognised; one after the other."""
        if self._closed:
            return
        voice_ms = self.began_ms if self.voice_ms is None else self.voice_ms
        pcm = b"" if self.voice_ms is None else b"".join(step for _, step in self._steps)
        self._asked.put_nowait((voice_ms, self.last_voice_ms, pcm, self._with_until(self.heard_ms, then)))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="simulated ears")

    def end_stretch(self) -> None:
        self.began_ms, self.voice_ms = self.heard_ms, None
        self._steps = []

    async def aclose(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _with_until(self, until_ms: float, then: Callable[[Stretch], None]) -> Callable[[Stretch], None]:
        began_ms = self.began_ms
        return lambda found: then(Stretch(start_ms=began_ms, until_ms=until_ms, words=found.words))

    async def _work(self) -> None:
        while not self._asked.empty():
            start_ms, end_ms, pcm, then = self._asked.get_nowait()
            text = ""
            if pcm:
                recognition = self._engine.recognition()
                recognition.feed(pcm)
                try:
                    text = await recognition.text()
                except Exception:
                    logger.exception("Simulated recognition failed")
            then(Stretch(start_ms=start_ms, until_ms=end_ms, words=_timed(text, start_ms, end_ms)))


def _timed(text: str, start_ms: float, end_ms: float) -> list[TimedWord]:
    """Words as long as their letters, in a voice's time."""
    words = text.split()
    letters = sum(len(word) for word in words) or 1
    at_ms, found = start_ms, []
    for word in words:
        ms = (end_ms - start_ms) * len(word) / letters
        found.append(TimedWord(text=word, start_ms=round(at_ms), end_ms=round(at_ms + ms)))
        at_ms += ms
    return found
