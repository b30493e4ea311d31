"""Speech engines and voice detection without speech: for conversations in memory.

Audio is marked instead of recorded: every frame of an utterance begins with its number, so the recogniser knows the
words by what it was really fed, the detector takes any sound for voice, and the callee's ear can tell whose frames it
hears. No sound is like another one: none is taken for another's echo.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cache

from outdial.media.frames import FRAME_BYTES, FRAME_MS
from outdial.speech.base import NotRecognised

MS_PER_CHAR = 60  # how fast everybody speaks here
WINDOW_BYTES = 512
CALLEE = 2001  # the callee's first utterance, as loud as a voice is


def sound(number: int, ms: int) -> bytes:
    """Audio as loud as `number`: that many times a frame which begins with it."""
    frame = _frame(number)
    return (frame * (ms // FRAME_MS + 1))[: 16 * ms]


@cache
def _frame(number: int) -> bytes:
    signs = random.Random(number).choices((number, -number), k=FRAME_BYTES // 2 - 1)
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in (number, *signs))


def speech_ms(text: str) -> int:
    return len(text) * MS_PER_CHAR


class Detector:
    """Voice detection that takes every sound for voice. Reports windows as they are there, unless it is stalled."""

    def __init__(self) -> None:
        self._streams: set[DetectorStream] = set()
        self._stalled = False

    @property
    def open_streams(self) -> int:
        return len(self._streams)

    def open(self, on_window: Callable[[float], None]) -> "DetectorStream":
        stream = DetectorStream(self, on_window)
        self._streams.add(stream)
        return stream

    def stall(self, seconds: float) -> None:
        """No window is reported for so long; then all that wait are."""
        self._stalled = True
        asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._stalled = False
        self.work()

    def work(self) -> None:
        for stream in list(self._streams):
            while not self._stalled and stream in self._streams and stream.report():
                pass

    def forget(self, stream: "DetectorStream") -> None:
        self._streams.discard(stream)


class DetectorStream:
    def __init__(self, detector: Detector, on_window: Callable[[float], None]) -> None:
        self._detector = detector
        self._on_window = on_window
        self._pcm = bytearray()
        self._closed = False

    @property
    def waiting_ms(self) -> int:
        return len(self._pcm) // 16

    def feed(self, pcm: bytes) -> None:
        assert not self._closed
        self._pcm += pcm
        asyncio.get_running_loop().call_soon(self._detector.work)

    def report(self) -> bool:
        if len(self._pcm) < WINDOW_BYTES:
            return False
        window = bytes(self._pcm[:WINDOW_BYTES])
        del self._pcm[:WINDOW_BYTES]
        self._on_window(0.95 if window.count(0) < WINDOW_BYTES * 0.4 else 0.02)
        return True

    def close(self) -> None:
        self._closed = True
        self._detector.forget(self)


class EngineBroke(RuntimeError):
    pass


@dataclass
class Recogniser:
    """Knows the words of each sound's number; what it doesn't know is noise."""

    name: str = "recogniser"
    words: dict[int, str] = field(default_factory=dict)
    takes_s: float = 0.1
    fails: bool = False
    loses: bool = False  # the words of what is said just now
    waits_ms: int = 0  # what each waits for others before
    running: int = 0
    started: int = 0
    partials: bool = False  # gives them, at once
    guessed: int = 0

    def recognition(self) -> "Recognised":
        return Recognised(self)


class Recognised:
    def __init__(self, engine: Recogniser) -> None:
        self.waited_ms = engine.waits_ms
        self._engine = engine
        self._numbers: dict[int, int] = {}
        self._busy = False

    def feed(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME_BYTES):
            number = int.from_bytes(pcm[at : at + 2], "little")
            if number:
                self._numbers[number] = self._numbers.get(number, 0) + len(pcm[at : at + FRAME_BYTES])

    def fed_ms(self, number: int) -> int:
        return self._numbers.get(number, 0) // 16

    async def text(self) -> str:
        assert not self._busy, "one task at a time"
        self._busy = True
        engine = self._engine
        engine.running += 1
        engine.started += 1
        numbers = list(self._numbers)
        try:
            await asyncio.sleep(engine.waits_ms / 1000 + engine.takes_s)
            if engine.fails:
                raise EngineBroke
            if engine.loses:
                raise NotRecognised("no words in time")
        finally:
            engine.running -= 1
            self._busy = False
        return self._words(numbers)

    async def partial(self) -> str | None:
        if not self._engine.partials:
            return None
        self._engine.guessed += 1
        return self._words(list(self._numbers))

    def _words(self, numbers: list[int]) -> str:
        return " ".join(word for number in numbers if (word := self._engine.words.get(number)))


@dataclass
class Voice:
    """Speaks at MS_PER_CHAR in pieces of `piece_ms`, the first one after `first_s`, then one every `piece_s`."""

    name: str = "voice"
    number: int = 1000
    first_s: float = 0.03
    piece_ms: int = 1000
    piece_s: float = 0.0
    fails_after: int | None = None  # pieces
    hangs_after: int | None = None
    spoken: list[str] = field(default_factory=list)
    running: int = 0

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        self.spoken.append(text)
        self.running += 1
        try:
            await asyncio.sleep(self.first_s)
            left = speech_ms(text)
            pieces = 0
            while True:
                if pieces == self.fails_after:
                    raise EngineBroke
                if pieces == self.hangs_after:
                    await asyncio.get_running_loop().create_future()
                if left <= 0:
                    return
                ms = min(left, self.piece_ms)
                yield sound(self.number, ms)
                left -= ms
                pieces += 1
                if left > 0:
                    await asyncio.sleep(self.piece_s)
        finally:
            self.running -= 1
