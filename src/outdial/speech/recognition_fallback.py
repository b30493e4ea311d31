"""The recognition of one call whose agent has a vendor's: where the vendor fails, the process's own engine takes over.

It is given every utterance, too, and asked only when the vendor hasn't said in time what it was. A vendor that is late
twice in a row is asked no more in this call, and one that is lost at once: each further wait is silence.
"""

from collections.abc import Callable

from outdial.speech.base import (
    CallRecognition,
    Recognition,
    SpeechToText,
    SpeechUnavailable,
    StreamingSpeechToText,
    TurnTold,
)
from outdial.speech.wire.failures import Fault, VendorFailed

MOST_LATE = 2

Replaced = Callable[[VendorFailed, bool], object]  # why, and whether the process's engine takes over


class CallRecognitionWithFallback:
    """See base.CallRecognition."""

    def __init__(self, engine: StreamingSpeechToText, own: SpeechToText | None, replaced: Replaced) -> None:
        """`own`: the process's, where it understands the language. `replaced` is told once."""
        self.name = engine.name
        self.is_replaced = False
        self._first: CallRecognition = engine.call()
        self._own = own
        self._replaced = replaced
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

    def in_time(self) -> None:
        self._late = 0

    def failed(self, failure: VendorFailed) -> None:
        self._late += 1
        if not self.is_replaced and (failure.fault is not Fault.SLOW or self._late >= MOST_LATE):
            self.is_replaced = True
            self._replaced(failure, self._own is not None)


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
                self._call.failed(failure)
                if self._own is None and failure.fault is Fault.SLOW and not self._call.is_replaced:
                    return await self._first.partial() or ""  # as far as it came, or it was noise
            else:
                self._call.in_time()
                return text
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
    """See base.StreamingSpeechToText; for one call."""

    def __init__(self, engine: StreamingSpeechToText, own: SpeechToText | None, replaced: Replaced) -> None:
        self.name = engine.name
        self._engine = engine
        self._own = own
        self._replaced = replaced

    def call(self) -> CallRecognitionWithFallback:
        return CallRecognitionWithFallback(self._engine, self._own, self._replaced)
