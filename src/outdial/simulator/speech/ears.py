"""What a simulated vendor's recogniser hears: voice and quiet in a stream of mu-law, and its words by an engine.

Its clock is the audio that it was given, as vendors' is: while none comes, nothing happens.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

from outdial.media.g711 import rms, ulaw_to_pcm
from outdial.speech.base import SpeechToText

logger = logging.getLogger(__name__)

STEP_MS = 20
STEP_BYTES = STEP_MS * 8
LOUD = 300           # RMS (of 32768) of a voice
BEFORE_MS = 200      # of a voice belong to it
PAUSE_MS = 100       # none is as long within a word
APART_MS = 1000      # what was said so long ago has nothing to do with what comes


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


@dataclass(slots=True)
class _Before:
    """What was said right before a stretch: a recogniser that knows it understands the stretch better."""

    pcm: bytes = b""
    words: int = 0  # known once it is recognised, which is before what comes after it


class Ears:
    """`on_step` is called for each 20 ms that were heard. A stretch begins where the last one was ended."""

    def __init__(self, engine: SpeechToText, on_step: Callable[[], None]) -> None:
        self._engine = engine
        self._on_step = on_step
        self._held = bytearray()
        self._steps: list[tuple[float, bytes]] = []  # of the stretch: its end, and PCM16
        self._loud_ms: list[float] = []      # the ends of its steps with a voice in them
        self.heard_ms = 0.0
        self.began_ms = 0.0                   # the stretch
        self.voice_ms: float | None = None    # when a voice began in it, and …
        self.last_voice_ms = 0.0              # … when it was heard last
        self._before = _Before()
        self._asked: asyncio.Queue[_Question] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._known: dict[bytes, str] = {}  # the last one: it is asked about twice

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
                self._loud_ms.append(self.heard_ms)
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
        question = _Question(
            before=self._before,
            pcm=b"" if self.voice_ms is None else self._pcm,
            loud_ms=tuple(self._loud_ms),
            stretch=Stretch(start_ms=self.began_ms, until_ms=self.heard_ms, words=()),
            then=then,
        )
        self._asked.put_nowait(question)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="simulated ears")

    def end_stretch(self) -> None:
        """Once it was asked about."""
        before = _Before()
        if self.voice_ms is not None:
            earlier, before.pcm = self._before, self._before.pcm + self._pcm
            self.ask(lambda found: setattr(before, "words", earlier.words + len(found.words)))
        elif self.heard_ms - self.last_voice_ms < APART_MS:
            before = self._before
        self._before = before
        self.began_ms, self.voice_ms = self.heard_ms, None
        self._steps, self._loud_ms = [], []

    @property
    def _pcm(self) -> bytes:
        return b"".join(step for _, step in self._steps)

    async def aclose(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        while not self._asked.empty():
            question = self._asked.get_nowait()
            words: Sequence[TimedWord] = ()
            if question.pcm:
                said = (await self._recognised(question.before.pcm + question.pcm)).split()[question.before.words :]
                words = _timed(said, question.loud_ms)
            question.then(replace(question.stretch, words=words))

    async def _recognised(self, pcm: bytes) -> str:
        if pcm in self._known:
            return self._known[pcm]
        recognition = self._engine.recognition()
        recognition.feed(pcm)
        try:
            text = await recognition.text()
        except Exception:
            logger.exception("Simulated recognition failed")
            return ""
        self._known = {pcm: text}
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    before: _Before
    pcm: bytes
    loud_ms: Sequence[float]
    stretch: Stretch
    then: Callable[[Stretch], None]


def _timed(words: Sequence[str], loud_ms: Sequence[float]) -> list[TimedWord]:
    """Words as long as their letters, in the time that a voice was there: the ends of its steps."""
    letters = sum(len(word) for word in words) or 1
    said, found = 0, []
    for word in words:
        first, last = said * len(loud_ms) // letters, ((said + len(word)) * len(loud_ms) - 1) // letters
        said += len(word)
        loud = _unbroken(loud_ms[first : max(first, last) + 1])
        found.append(TimedWord(text=word, start_ms=loud[0] - STEP_MS, end_ms=loud[-1]))
    return found


def _unbroken(loud_ms: Sequence[float]) -> Sequence[float]:
    """The longest part of it without a pause: no word has one."""
    breaks = [place for place in range(1, len(loud_ms)) if loud_ms[place] - loud_ms[place - 1] > PAUSE_MS]
    parts = [loud_ms[start:end] for start, end in pairwise([0, *breaks, len(loud_ms)])]
    return max(parts, key=len)
