"""A vendor's voice over HTTP: a request for each text, the next one under way while the first is heard."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import httpx

from outdial.media.frames import BYTES_PER_MS
from outdial.net.guarded import tls
from outdial.speech.base import OnText, OnWords
from outdial.speech.vendor import KeyMissing
from outdial.speech.voice.channel import STALL_S, next_said, one_text
from outdial.speech.voice.streamed import FIRST_S, REFUSED_S
from outdial.speech.wire.body import UNPACKED, beginning
from outdial.speech.wire.failures import MAX_BODY_BYTES, Fault, VendorFailed, by_status

AT_ONCE = 2            # requests of an utterance: the one that is heard, and the next
AT_MOST_S = 60.0       # for one text's audio
KEPT_S = 60.0          # a connection waits for the next request


class Body(Protocol):
    """Of an answer: audio at 8000 Hz out of its pieces."""

    def receive(self, data: bytes) -> bytes:
        """Raises ValueError."""
        ...

    def end(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    url: str
    headers: Mapping[str, str] = field(repr=False)
    json: Mapping[str, Any]


class RequestedVoice:
    """See fallback.VendorVoice. Raises VendorFailed."""

    first_s = FIRST_S  # another request would be no faster

    def __init__(
        self,
        vendor: str,
        name: str,
        request: Callable[[str], Awaitable[SpeechRequest]],
        body: Callable[[str], Body],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`request` is that for a text, with the key as it is now; `body` is given its answer's content type, and
        raises ValueError for one that isn't audio."""
        self.vendor = vendor
        self.name = name
        self._request = request
        self._body = body
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._refusal: tuple[VendorFailed, float] | None = None  # until when

    def enter(self) -> None:
        pass  # its connections are kept from one request to the next

    def leave(self) -> None:
        pass

    @property
    def open_sockets(self) -> int:
        return 0

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

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
        if self._refusal is not None and asyncio.get_running_loop().time() < self._refusal[1]:
            raise self._refusal[0]
        utterance = _Utterance(partial(self._answer, sent), texts, first_s)
        try:
            while (pcm := await utterance.next_audio()) is not None:
                yield pcm
        except VendorFailed as failure:
            if failure.fault.is_of_account:  # what else is refused may be this text alone, and others call
                self._refusal = failure, asyncio.get_running_loop().time() + REFUSED_S
            raise
        finally:
            await utterance.aclose()

    async def _answer(self, sent: OnText, text: str, add: Callable[[bytes], object]) -> None:
        """Raises VendorFailed."""
        try:
            asked = await self._request(text)
        except KeyMissing as error:
            raise VendorFailed(Fault.UNAUTHORIZED, word="no_key") from error
        except Exception as error:  # of a database, for the key
            raise VendorFailed(Fault.UNREACHABLE) from error
        if self._client is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEPT_S)
            transport = self._transport or httpx.AsyncHTTPTransport(verify=tls(), limits=limits)
            self._client = httpx.AsyncClient(
                transport=transport, trust_env=False, timeout=AT_MOST_S, headers=UNPACKED
            )
        is_uncounted = True  # what breaks off before it is answered may be made all the same
        try:
            async with self._client.stream(
                "POST", asked.url, headers=dict(asked.headers), json=dict(asked.json)
            ) as answer:
                is_uncounted = False
                if answer.status_code != 200:
                    raise by_status(answer.status_code, await beginning(answer, MAX_BODY_BYTES))
                sent(text)
                body = self._body(answer.headers.get("content-type", ""))
                async for data in answer.aiter_raw():
                    add(body.receive(data))
                add(body.end())
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            is_uncounted = False
            raise VendorFailed(Fault.UNREACHABLE) from error
        except httpx.TimeoutException as error:
            raise VendorFailed(Fault.SLOW) from error
        except httpx.HTTPError as error:
            raise VendorFailed(Fault.LOST) from error
        except ValueError as error:
            raise VendorFailed(Fault.UNREADABLE) from error
        finally:
            if is_uncounted:
                sent(text)


Answer = Callable[[str, Callable[[bytes], object]], Awaitable[None]]


class _Request:
    def __init__(self, asked_at: float) -> None:
        self.asked_at = asked_at
        self.pieces: deque[bytes] = deque()
        self.task: asyncio.Task[None]


class _Utterance:
    """The requests of one utterance, in the order of its texts."""

    def __init__(self, answer: Answer, texts: AsyncIterator[str], first_s: float) -> None:
        self._answer = answer
        self._first_s = first_s
        self._now = asyncio.get_running_loop().time
        self._requests: deque[_Request] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._played_at: float | None = None  # when the callee will have heard what is there
        self._reading = asyncio.create_task(self._ask_for_all(texts), name="texts of an utterance")
        self._reading.add_done_callback(lambda _: self._changed.set())

    async def next_audio(self) -> bytes | None:
        """None at the end. Raises VendorFailed, and what reading the texts raised."""
        while True:
            if self._requests:
                request = self._requests[0]
                if request.pieces:
                    pcm = request.pieces.popleft()
                    self._played_at = max(self._played_at or 0.0, self._now()) + len(pcm) / BYTES_PER_MS / 1000
                    return pcm
                if request.task.done():
                    request.task.result()
                    self._requests.popleft()
                    self._room.release()
                    continue
            elif self._reading.done():
                self._reading.result()
                return None
            self._changed.clear()
            try:
                async with asyncio.timeout_at(self._by()):
                    await self._changed.wait()
            except TimeoutError:
                raise VendorFailed(Fault.SLOW) from None

    async def aclose(self) -> None:
        tasks = [self._reading, *(request.task for request in self._requests)]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _ask_for_all(self, texts: AsyncIterator[str]) -> None:
        while (text := await next_said(texts)) is not None:
            await self._room.acquire()
            request = _Request(self._now())
            request.task = asyncio.create_task(self._answered(request, text), name="speech vendor")
            request.task.add_done_callback(lambda _: self._changed.set())
            self._requests.append(request)
            self._changed.set()

    async def _answered(self, request: _Request, text: str) -> None:
        def add(pcm: bytes) -> None:
            if pcm:
                request.pieces.append(pcm)
                self._changed.set()

        await self._answer(text, add)

    def _by(self) -> float | None:
        """Until when something has to come; None while it is a text that is waited for."""
        if not self._requests:
            return None
        by = self._requests[0].asked_at + self._first_s
        return by if self._played_at is None else max(by, self._played_at + STALL_S)
