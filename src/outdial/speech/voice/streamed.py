"""A vendor's voice over websockets: opened before they are needed, one utterance at a time on each, every wait bounded.

A process has one of these for an agent's voice, whichever calls it talks on. While there are calls, a websocket waits
open beside those in use.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

from outdial.media.g711 import ulaw_to_pcm
from outdial.speech.base import OnText, OnWords
from outdial.speech.vendor import KeyMissing
from outdial.speech.voice.channel import Channel, Utterance, next_said, one_text
from outdial.speech.voice.codec import Audio, SynthesisCodec, Words
from outdial.speech.wire.failures import Fault, VendorFailed
from outdial.speech.wire.socket import Endpoint, Open, open_socket

logger = logging.getLogger(__name__)

FIRST_S = 1.8      # for the first audio, with the connection where there is none; …
IN_CALL_S = 1.1    # … where a callee waits, and another connection is asked then
REFUSED_S = 60.0   # a refusal holds for so long, for all calls: somebody may pay, or replace the key
MAX_IDLE = 8       # websockets that wait open, or …
IDLE_OF_CALLS = 4  # … one for so many calls: more at once are seldom speaking
LINGER_S = 10.0    # … after the last call
MAX_AHEAD = 3      # times one is opened ahead and lost although nobody used it


class StreamedVoice:
    """See fallback.VendorVoice. Raises VendorFailed."""

    first_s = IN_CALL_S

    def __init__(
        self,
        vendor: str,
        name: str,
        codec: Callable[[], SynthesisCodec],
        endpoint: Callable[[], Coroutine[Any, Any, Endpoint]],
        open_wire: Open = open_socket,
    ) -> None:
        """`name`: vendor, voice, model and options, the key of cached prompts. `endpoint` reads the key, each time."""
        self.vendor = vendor
        self.name = name
        self._codec = codec
        self._endpoint = endpoint
        self._open_wire = open_wire
        self._idle: list[Channel] = []
        self._all: set[Channel] = set()
        self._opening: asyncio.Task[Channel] | None = None  # ahead of need
        self._ahead = 0
        self._calls = 0
        self._refusal: tuple[VendorFailed, float] | None = None  # until when
        self._lingering: asyncio.TimerHandle | None = None

    # -- the calls that may use it ---------------------------------------------------------------------------

    def enter(self) -> None:
        """A call begins that may speak with it."""
        self._calls += 1
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._open_ahead()

    def leave(self) -> None:
        self._calls -= 1
        if self._calls == 0:
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._close_idle)

    @property
    def open_sockets(self) -> int:
        return len(self._all)

    @property
    def refusal(self) -> VendorFailed | None:
        """Why it is no use to ask this vendor now."""
        if self._refusal is None or asyncio.get_running_loop().time() >= self._refusal[1]:
            return None
        return self._refusal[0]

    async def aclose(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        for channel in list(self._all):
            self._drop(channel)

    # -- speaking --------------------------------------------------------------------------------------------

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        async with aclosing(self.speak_all(one_text(text), lambda words: None)) as audio:
            async for pcm in audio:
                yield pcm

    async def speak_all(
        self,
        texts: AsyncIterator[str],
        on_words: OnWords,
        *,
        first_s: float = FIRST_S,
        sent: OnText = lambda text: None,
    ) -> AsyncGenerator[bytes]:
        """`first_s`: for the first audio of each text that follows a silence, with the connection."""
        text = await next_said(texts)
        if text is None:
            return
        asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(asked_at + first_s):
                channel = await self._lease()
        except TimeoutError:
            raise VendorFailed(Fault.UNREACHABLE) from None
        utterance = Utterance(channel, first_s, asked_at, sent)
        reading = asyncio.create_task(utterance.send_all(text, texts), name="texts of an utterance")
        reading.add_done_callback(lambda _: channel.changed.set())
        try:
            while (event := await utterance.next_event(reading)) is not None:
                match event:
                    case Audio(ulaw=ulaw):
                        yield ulaw_to_pcm(ulaw)
                    case Words(words=words):
                        on_words(words)
        except VendorFailed as failure:
            if failure.fault.is_of_account:  # what else is refused may be this text alone, and others call
                self._note(failure)
            self._drop(channel)
            raise
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await reading
            self._give_back(channel)

    # -- websockets ------------------------------------------------------------------------------------------

    async def _lease(self) -> Channel:
        if (refusal := self.refusal) is not None:
            raise refusal
        self._ahead = 0
        while self._idle:
            channel = self._idle.pop()
            if channel.is_open:
                break
        else:
            channel = await self._opened_now()
        self._open_ahead()
        return channel

    async def _opened_now(self) -> Channel:
        """The one that is being opened already, or another one."""
        opening, self._opening = self._opening, None
        if opening is None:
            return await self._open()
        try:
            return await opening
        except asyncio.CancelledError:
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                self._give_back(opening.result())  # in the moment in which nobody waited any more
            raise

    async def _open(self) -> Channel:
        channel = Channel(self._codec(), self._lost)
        try:
            channel.wire = await self._open_wire(await self._endpoint(), channel)
        except KeyMissing as error:
            failure = VendorFailed(Fault.UNAUTHORIZED, word="no_key")
            self._note(failure)
            raise failure from error
        except VendorFailed as failure:
            self._note(failure)
            raise
        except Exception as error:  # of a database, for the key
            raise VendorFailed(Fault.UNREACHABLE) from error
        self._all.add(channel)
        return channel

    def _open_ahead(self) -> None:
        if self._calls == 0 or self._idle or self._opening is not None or self.refusal is not None:
            return
        if self._ahead < MAX_AHEAD:
            self._ahead += 1
            self._opening = asyncio.create_task(self._open(), name="speech vendor")
            self._opening.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[Channel]) -> None:
        if task.cancelled() or task.exception() is not None:
            if task is self._opening:
                self._opening = None
        elif task is self._opening:  # nobody waits for it
            self._opening = None
            self._give_back(task.result())

    def _give_back(self, channel: Channel) -> None:
        channel.end()
        most = max(MAX_IDLE, self._calls // IDLE_OF_CALLS)
        if not channel.is_open or (channel.codec.is_free and len(self._idle) >= most):
            self._drop(channel)
        elif channel.codec.is_free:
            self._idle.append(channel)
        else:
            channel.when_free(lambda: self._give_back(channel), lambda: self._drop(channel))

    def _drop(self, channel: Channel) -> None:
        channel.close()
        self._all.discard(channel)
        if channel in self._idle:
            self._idle.remove(channel)

    def _lost(self, channel: Channel) -> None:
        self._drop(channel)
        self._open_ahead()

    def _close_idle(self) -> None:
        self._lingering = None
        for channel in list(self._idle):
            self._drop(channel)

    def _note(self, failure: VendorFailed) -> None:
        if not failure.fault.may_pass:
            self._refusal = failure, asyncio.get_running_loop().time() + REFUSED_S
