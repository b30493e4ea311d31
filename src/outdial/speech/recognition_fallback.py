"""The recognition of one call whose agent has a vendor's: where the vendor fails, the process's own engine takes over.

It is given every utterance, too, and asked only when the vendor hasn't said in time what it was. A vendor that is late
twice in a row is asked no more in this call, and one that is lost at once: each further wait is silence.

Where no engine of the process knows the language, words that the vendor doesn't tell are lost: the callee is asked to
say them again. One that loses them three times in a row hears nobody any more, and the call ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from outdial.media.frames import BYTES_PER_MS
from outdial.speech.base import (
    CallRecognition,
    NotRecognised,
    Recognition,
    SpeechToText,
    SpeechUnavailable,
    TurnTold,
)
from outdial.speech.wire.failures import Fault, VendorFailed

MOST_LATE = 2      # times in a row, where somebody else can be asked, and …
MOST_LOST = 3      # … where nobody can: the callee has said it three times
ALONE_S = 2.5      # for the words of an utterance, then
WORDS_MS = 700     # of audio, with the silence around it: most coughs are shorter
MOST_DELAYS = 500  # of a call are remembered

Tell = Callable[[VendorFailed, bool], object]  # why, and whether the process's engine takes over


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionUse:
    """What a vendor is paid for: the audio it was sent, and how long its sessions were open."""

    audio_ms: int
    open_ms: int


class VendorCall(CallRecognition, Protocol):
    """A vendor's, whose recognitions raise VendorFailed."""

    within_s: float  # for the words of an utterance, from when they are asked for
    gives_up: bool   # where it can't be connected to: else it is tried again and again

    @property
    def is_over(self) -> bool:
        """Whether it has failed for good: whatever it is asked, it raises at once."""
        ...

    @property
    def tells_silence(self) -> bool:
        """Whether it would say of noise that there are no words in it."""
        ...

    def used(self) -> RecognitionUse: ...

    def leave(self) -> None:
        """It is asked no more: a session that is paid for while it is open is closed."""
        ...

    async def check(self) -> None:
        """Whether the vendor takes calls with this key and this choice, without any audio. Raises VendorFailed."""
        ...


@runtime_checkable
class VendorRecogniser(Protocol):
    """A StreamingSpeechToText of a vendor's."""

    name: str
    vendor: str

    def call(self) -> VendorCall: ...


class CallRecognitionWithFallback:
    """See base.CallRecognition."""

    def __init__(self, engine: VendorRecogniser, own: SpeechToText | None, tell: Tell) -> None:
        """`own`: the process's, where it understands the language. `tell` is told once."""
        self.name = engine.name
        self.is_replaced = False
        self._first = engine.call()
        if own is None:
            self._first.within_s, self._first.gives_up = ALONE_S, False
        self._own = own
        self._tell = tell
        self._late = 0  # times in a row; lost, where nobody else can be asked
        self.delays_ms: list[int] = []  # of the words of each utterance, from when they were asked for
        self._heard_ms = 0   # on the call's clock
        self._quiet_ms: int | None = None  # … since when the callee was, as far as anybody has asked

    @property
    def changed(self) -> Callable[[], object]:
        return self._first.changed

    @changed.setter
    def changed(self, told: Callable[[], object]) -> None:
        self._first.changed = told

    def audio(self, pcm: bytes, at_ms: int) -> None:
        self._heard_ms = at_ms
        if not self.is_replaced:
            self._first.audio(pcm, at_ms)

    def recognition(self, since_ms: int) -> "Recognition":
        own = None if self._own is None else self._own.recognition()
        return _WithFallback(self, self._first.recognition(since_ms), own)

    def told(self, quiet_since_ms: int) -> TurnTold | None:
        self._quiet_ms = quiet_since_ms
        return None if self.is_replaced else self._first.told(quiet_since_ms)

    async def aclose(self) -> None:
        await self._first.aclose()

    def used(self) -> RecognitionUse:
        return self._first.used()

    def in_time(self, took_s: float) -> None:
        self._late = 0
        if len(self.delays_ms) < MOST_DELAYS:
            self.delays_ms.append(round(took_s * 1000))

    @property
    def silent_s(self) -> float | None:
        """How long ago the callee has spoken last; None where it hasn't."""
        return None if self._quiet_ms is None else max(0.0, (self._heard_ms - self._quiet_ms) / 1000)

    @property
    def tells_silence(self) -> bool:
        return self._first.tells_silence

    def may_pass(self, failure: VendorFailed) -> bool:
        """Whether it is asked again in this call, unless that happens too often in a row."""
        if self._own is not None:
            return failure.fault is Fault.SLOW
        return failure.fault.may_pass and not self._first.is_over

    def failed(self, failure: VendorFailed) -> None:
        self._late += 1
        is_often = self._late >= (MOST_LOST if self._own is None else MOST_LATE)
        if not self.is_replaced and (is_often or not self.may_pass(failure)):
            self.is_replaced = True
            self._first.leave()
            self._tell(failure, self._own is not None)


class _WithFallback:
    """An utterance. `text` raises SpeechUnavailable where nobody can say any more what is said, and NotRecognised where
    nobody can say it of this one."""

    def __init__(self, call: CallRecognitionWithFallback, first: Recognition, own: Recognition | None) -> None:
        self.waited_ms = 0
        self._call = call
        self._first = first
        self._own = own
        self._fed_bytes = 0

    def feed(self, pcm: bytes) -> None:
        self._first.feed(pcm)
        self._fed_bytes += len(pcm)
        if self._own is not None:
            self._own.feed(pcm)

    async def text(self) -> str:
        if not self._call.is_replaced:
            now = asyncio.get_running_loop().time
            asked_at = now()
            try:
                text = await self._first.text()
            except VendorFailed as failure:
                return await self._after(failure)
            self._call.in_time(now() - asked_at)
            return text
        return await self._by_own()

    async def _after(self, failure: VendorFailed) -> str:
        if not self._call.may_pass(failure):
            self._call.failed(failure)
            return await self._by_own()
        if self._own is None:
            return await self._as_far_as_it_came(failure)
        text = await self._by_own()
        if text:  # else the vendor had nothing to say, either
            self._call.failed(failure)
        return text

    async def _as_far_as_it_came(self, failure: VendorFailed) -> str:
        """No words may be noise, of which some vendors tell nothing: a cough is taken for that. Who has spoken for
        longer is asked to say it again: nobody talks to an agent that hears nothing."""
        text = await self._first.partial() or ""
        is_cough = not self._call.tells_silence and self._fed_bytes < WORDS_MS * BYTES_PER_MS
        if text or is_cough:
            return text
        self._call.failed(failure)
        if self._call.is_replaced:
            raise _nobody()
        raise NotRecognised("the vendor's recognition told no words in time")

    async def _by_own(self) -> str:
        if self._own is None:
            raise _nobody()
        text = await self._own.text()
        self.waited_ms = self._own.waited_ms
        return text

    async def partial(self) -> str | None:
        if self._call.is_replaced:
            return None if self._own is None else await self._own.partial()
        return await self._first.partial()


def _nobody() -> SpeechUnavailable:
    return SpeechUnavailable("the vendor's recognition failed, and no other understands the language")


class SpeechToTextWithFallback:
    """See base.StreamingSpeechToText; for one call, told of in the end by `used`."""

    def __init__(self, engine: VendorRecogniser, own: SpeechToText | None, tell: Tell) -> None:
        self.name = engine.name
        self.vendor = engine.vendor
        self._engine = engine
        self._own = own
        self._tell = tell
        self._call: CallRecognitionWithFallback | None = None

    def call(self) -> CallRecognitionWithFallback:
        self._call = CallRecognitionWithFallback(self._engine, self._own, self._tell)
        return self._call

    def used(self) -> RecognitionUse | None:
        return None if self._call is None else self._call.used()

    @property
    def delays_ms(self) -> list[int]:
        return [] if self._call is None else self._call.delays_ms

    @property
    def silent_s(self) -> float | None:
        """How long ago the callee has spoken last; None where it hasn't."""
        return None if self._call is None else self._call.silent_s
