"""The recognition of one call whose agent has a vendor's: where the vendor fails, the process's own engine takes over.

It is given every utterance, too, and asked only when the vendor hasn't said in time what it was. A vendor that is late
twice in a row is asked no more in this call, and one that is lost at once: each further wait is silence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from outdial.speech.base import (
    CallRecognition,
    Recognition,
    SpeechToText,
    SpeechUnavailable,
    TurnTold,
)
from outdial.speech.wire.failures import Fault, VendorFailed

MOST_LATE = 2

Tell = Callable[[VendorFailed, bool], object]  # why, and whether the process's engine takes over


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionUse:
    """What a vendor is paid for: the audio it was sent, and how long its sessions were open."""

    audio_ms: int
    open_ms: int


class VendorCall(CallRecognition, Protocol):
    """A vendor's, whose recognitions raise VendorFailed."""

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
        self._own = own
        self._tell = tell
        self._late = 0  # times in a row

    @property
    def changed(self) -> Callable[[], object]:
        return self._first.changed

    @changed.setter
    def changed(self, told: Callable[[], object]) -> None:
        self._first.changed = told

    def audio(self, pcm: bytes, at_ms: int) -> None:
        if not self.is_replaced:
            self._first.audio(pcm, at_ms)

    def recognition(self, since_ms: int) -> "Recognition":
        own = None if self._own is None else self._own.recognition()
        return _WithFallback(self, self._first.recognition(since_ms), own)

    def told(self, quiet_since_ms: int) -> TurnTold | None:
        return None if self.is_replaced else self._first.told(quiet_since_ms)

    async def aclose(self) -> None:
        await self._first.aclose()

    def used(self) -> RecognitionUse:
        return self._first.used()

    def in_time(self) -> None:
        self._late = 0

    def failed(self, failure: VendorFailed) -> None:
        self._late += 1
        if not self.is_replaced and (failure.fault is not Fault.SLOW or self._late >= MOST_LATE):
            self.is_replaced = True
            self._first.leave()
            self._tell(failure, self._own is not None)


class _WithFallback:
    """An utterance. `text` raises SpeechUnavailable where nobody can say what it was."""

    def __init__(self, call: CallRecognitionWithFallback, first: Recognition, own: Recognition | None) -> None:
        self.waited_ms = 0
        self._call = call
        self._first = first
        self._own = own

    def feed(self, pcm: bytes) -> None:
        self._first.feed(pcm)
        if self._own is not None:
            self._own.feed(pcm)

    async def text(self) -> str:
        if not self._call.is_replaced:
            try:
                text = await self._first.text()
            except VendorFailed as failure:
                return await self._after(failure)
            self._call.in_time()
            return text
        return await self._by_own()

    async def _after(self, failure: VendorFailed) -> str:
        if failure.fault is not Fault.SLOW:
            self._call.failed(failure)
            return await self._by_own()
        if self._own is None:
            return await self._first.partial() or ""  # as far as it came, or it was noise
        text = await self._by_own()
        if text:  # else the vendor had nothing to say, either
            self._call.failed(failure)
        return text

    async def _by_own(self) -> str:
        if self._own is None:
            raise SpeechUnavailable("the vendor's recognition failed, and no other understands the language")
        text = await self._own.text()
        self.waited_ms = self._own.waited_ms
        return text

    async def partial(self) -> str | None:
        if self._call.is_replaced:
            return None if self._own is None else await self._own.partial()
        return await self._first.partial()


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
