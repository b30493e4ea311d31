"""A websocket of a vendor's voice, and one utterance on it: its texts there, its events back, how long to wait."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

from outdial.media.frames import BYTES_PER_MS
from outdial.speech.base import OnText
from outdial.speech.voice.codec import Audio, Complete, Message, SynthesisCodec, SynthesisEvent, Words
from outdial.speech.wire.failures import Fault, VendorFailed
from outdial.speech.wire.socket import Wire

STALL_S = 1.2      # of silence in the middle, beyond the audio that is ahead of its time
SETTLE_S = 2.0     # for a vendor to say that what was cancelled is over


class Channel:
    """One websocket of a vendor's, and what it has told of the utterance under way. It is the websocket's Receiver."""

    def __init__(self, codec: SynthesisCodec, on_gone: Callable[["Channel"], None]) -> None:
        self.codec = codec
        self.wire: Wire | None = None
        self.events: deque[SynthesisEvent] = deque()
        self.changed = asyncio.Event()
        self._on_gone = on_gone
        self._in_use = False
        self._told: VendorFailed | None = None  # an error's message; why the websocket closes, mostly
        self._waiting: asyncio.TimerHandle | None = None
        self._free: Callable[[], object] = lambda: None

    @property
    def is_open(self) -> bool:
        return self.wire is not None and self.wire.is_open

    def send(self, messages: Iterable[Message]) -> None:
        assert self.wire is not None
        for message in messages:
            self.wire.send(message)

    def begin(self) -> None:
        self.events.clear()
        self._in_use = True
        self.send(self.codec.begin())

    def end(self) -> None:
        """The utterance is over: what is left of it is cancelled."""
        if self._in_use:
            self._in_use = False
            self.events.clear()
            if self.is_open and self.codec.is_waiting:
                self.send(self.codec.cancel())

    def when_free(self, then: Callable[[], object], too_late: Callable[[], object]) -> None:
        """Call one of them, once."""
        self._free = then
        self._waiting = asyncio.get_running_loop().call_later(SETTLE_S, too_late)

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self.wire is not None:
            self.wire.close(self.codec.last())

    # -- Receiver

    def message(self, message: Message) -> None:
        for event in self.codec.receive(message):
            if isinstance(event, VendorFailed):
                self._told = event
            if self._in_use:
                self.events.append(event)
        self.changed.set()
        if self._waiting is not None and self.codec.is_free:
            self._waiting.cancel()
            self._waiting = None
            self._free()

    def gone(self, failure: VendorFailed) -> None:
        if self._told is not None:
            failure = VendorFailed(self._told.fault, word=self._told.word, status=self._told.status, code=failure.code)
        if self._in_use:
            self.events.append(failure)
        self.changed.set()
        self._on_gone(self)


class Utterance:
    """One utterance on a websocket: its texts there, its events back, and how long to wait for them."""

    def __init__(self, channel: Channel, first_s: float, asked_at: float, sent: OnText) -> None:
        """`asked_at`: since when the first text waits, for the channel first. `sent` is told each that the vendor was
        sent."""
        self._channel = channel
        self._sent = sent
        self._first_s = first_s
        self._now = asyncio.get_running_loop().time
        self._asked_at: float | None = asked_at  # of text, since the last audio; None: there was audio after it
        self._ended = False                     # all text was sent
        self._received_ms = 0.0
        self._began_at: float | None = None     # when there was the first audio
        self._last_at = 0.0                     # … the newest

    async def send_all(self, first: str, texts: AsyncIterator[str]) -> None:
        self._channel.begin()
        text: str | None = first
        while text is not None:
            if self._channel.is_open:
                self._sent(text)
            self._channel.send(self._channel.codec.text(text))
            if self._asked_at is None:
                self._asked_at = self._now()
            text = await next_said(texts)
        self._ended = True
        self._channel.send(self._channel.codec.end())

    async def next_event(self, reading: asyncio.Task[None]) -> Audio | Words | None:
        """None when it is complete. Raises VendorFailed, and what reading the texts raised."""
        channel = self._channel
        while True:
            if channel.events:
                match channel.events.popleft():
                    case VendorFailed() as failure:
                        raise failure
                    case Complete():
                        return None
                    case Audio() as audio:
                        self._note(audio)
                        return audio
                    case words:
                        return words
            if reading.done():
                reading.result()
                if not channel.codec.is_waiting:
                    return None
            channel.changed.clear()
            try:
                async with asyncio.timeout_at(self._by()):
                    await channel.changed.wait()
            except TimeoutError:
                raise VendorFailed(Fault.SLOW) from None

    def _note(self, audio: Audio) -> None:
        self._asked_at = None
        self._last_at = self._now()
        if self._began_at is None:
            self._began_at = self._last_at
        self._received_ms += len(audio.ulaw) * 2 / BYTES_PER_MS

    def _by(self) -> float | None:
        """Until when something has to come; None while it is our text that is waited for."""
        if self._began_at is None:
            return None if self._asked_at is None else self._asked_at + self._first_s
        if self._asked_at is None and not self._ended:
            return None
        played_at = self._began_at + self._received_ms / 1000  # when the callee will have heard what is there
        since = self._last_at if self._asked_at is None else max(self._asked_at, self._last_at)
        return max(since, played_at) + STALL_S


async def one_text(text: str) -> AsyncGenerator[str]:
    yield text


async def next_said(texts: AsyncIterator[str]) -> str | None:
    """The next one with something to say in it; None at the end."""
    async for text in texts:
        if any(character.isalnum() for character in text):
            return text
    return None
