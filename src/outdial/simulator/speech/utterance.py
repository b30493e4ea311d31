"""One utterance of a simulated vendor's voice: texts in as they come, pieces of audio out, and what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from outdial.media.frames import BYTES_PER_MS
from outdial.media.g711 import pcm_to_ulaw
from outdial.simulator.faults import Fault, FaultKind, Faults

PIECE_MS = 200     # of audio in a message
FIRST_S = 0.12     # from a text to its first audio
PIECE_S = 0.02     # from one piece to the next: ten times as fast as it is heard

Speak = Callable[[str], Awaitable[bytes]]  # text to PCM16 at 8000 Hz

AFTER_AUDIO = (
    FaultKind.VOICE_OUT_OF_QUOTA, FaultKind.VOICE_BUSY, FaultKind.VOICE_STALLED, FaultKind.VOICE_CUT,
    FaultKind.VOICE_CLOSED, FaultKind.VOICE_GARBLED,
)  # fmt: skip
OF_UTTERANCE = (*AFTER_AUDIO, FaultKind.VOICE_SLOW, FaultKind.VOICE_NO_END, FaultKind.VOICE_LATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWord:
    text: str
    start_ms: int
    end_ms: int


class Output(Protocol):
    """Where an utterance goes, in its vendor's protocol."""

    def audio(self, ulaw: bytes, words: Sequence[TimedWord]) -> None:
        """The next piece, and the words that begin in it; times since the utterance began."""
        ...

    def flushed(self) -> None:
        """Everything up to a flush was said."""
        ...

    def done(self) -> None: ...

    def goes_wrong(self, fault: Fault) -> None:
        """One of AFTER_AUDIO, but for a stall."""
        ...


class Utterance:
    """`say`, `flush`, `end` or `cancel` it; `run` is its task."""

    def __init__(self, speak: Speak, output: Output, struck: Mapping[FaultKind, Fault]) -> None:
        self._speak = speak
        self._output = output
        self._struck = dict(struck)
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()  # None: a flush
        self._ended = False
        self._said_ms = 0
        self._task = asyncio.create_task(self._run(), name="simulated utterance")

    def say(self, text: str) -> None:
        self._texts.put_nowait(text)

    def flush(self) -> None:
        self._texts.put_nowait(None)

    def end(self) -> None:
        self._ended = True
        self._texts.put_nowait("")

    def cancel(self) -> None:
        """What was not sent yet is not sent, or not much of it."""
        if self.late_s == 0:
            self._task.cancel()
        else:
            asyncio.get_running_loop().call_later(self.late_s, self._task.cancel)

    @property
    def late_s(self) -> float:
        """How long it goes on after it was cancelled."""
        late = self._struck.get(FaultKind.VOICE_LATE)
        return 0.0 if late is None else late.after_ms / 1000

    async def aclose(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            text = await self._texts.get()
            if text is None:
                self._output.flushed()
            elif text.strip():
                await self._say(text)
            if self._ended and self._texts.empty():
                break
        if FaultKind.VOICE_NO_END not in self._struck:
            self._output.done()

    async def _say(self, text: str) -> None:
        pcm = await self._speak(text)
        slow = self._struck.pop(FaultKind.VOICE_SLOW, None)
        await asyncio.sleep(FIRST_S + (slow.delay_s if slow is not None else 0))
        await self._maybe_wrong()
        words = timed_words(text, len(pcm) // BYTES_PER_MS, self._said_ms)
        for at in range(0, len(pcm), PIECE_MS * BYTES_PER_MS):
            piece = pcm[at : at + PIECE_MS * BYTES_PER_MS]
            until_ms = self._said_ms + len(piece) // BYTES_PER_MS
            begin_here = [word for word in words if self._said_ms <= word.start_ms < until_ms]
            self._output.audio(pcm_to_ulaw(piece), begin_here)
            self._said_ms = until_ms
            await self._maybe_wrong()
            await asyncio.sleep(PIECE_S)

    async def _maybe_wrong(self) -> None:
        for kind in AFTER_AUDIO:
            fault = self._struck.get(kind)
            if fault is not None and self._said_ms >= fault.after_ms:
                if kind is not FaultKind.VOICE_STALLED:
                    self._output.goes_wrong(fault)
                await asyncio.get_running_loop().create_future()  # until it is closed


def strike(faults: Faults, vendor: str) -> Mapping[FaultKind, Fault]:
    """What goes wrong with the next utterance. Uses it up."""
    struck = {kind: faults.strike_voice(kind, vendor=vendor) for kind in OF_UTTERANCE}
    return {kind: fault for kind, fault in struck.items() if fault is not None}


def timed_words(text: str, total_ms: int, since_ms: int = 0) -> list[TimedWord]:
    """By their letters: each as long as its share, with the space behind it."""
    chars = max(1, sum(len(word) + 1 for word in text.split()))
    words, at = [], 0
    for word in text.split():
        start_ms = since_ms + total_ms * at // chars
        at += len(word) + 1
        words.append(TimedWord(text=word, start_ms=start_ms, end_ms=since_ms + total_ms * at // chars))
    return words
