"""Server-sent events on their way to whoever follows: one response for the API's streams and the dashboard's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import Request
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import AppStatus, EventSourceResponse
from starlette.types import Receive, Scope, Send

from outdial.refusals import LimitReached
from outdial.workspaces.audit import Actor

HEARTBEAT_S = 15.0  # proxies cut what is silent
RETRY_AFTER_S = 5
LAST_WORDS_S = 2.0  # a stream ends by itself about a second after its call (db.feed)

# The import above hooks into uvicorn's handling of signals. We take none there, and end our streams ourselves.
uvicorn.Server.handle_exit = AppStatus.original_handler  # type: ignore[assignment, method-assign]


def event(type_: str, data: str, *, id_: int | None = None) -> bytes:
    """One event as it is sent."""
    return ServerSentEvent(data, event=type_, id=None if id_ is None else str(id_), sep="\n").encode()


def reconnect_after(ms: int) -> bytes:
    """How long a browser should wait before it comes back."""
    return ServerSentEvent(retry=ms, sep="\n").encode()


class EventStreams:
    """The streams of one process, which end together: a server that stops doesn't wait for long for who follows."""

    def __init__(self, *, most_of_one: int = 200) -> None:
        self._most_of_one = most_of_one
        self._open: set[EventStream] = set()
        self._followers: Counter[Hashable] = Counter()
        self._one_ended = asyncio.Event()
        self._closing = asyncio.Event()

    def respond(
        self, events: AsyncIterator[bytes], *, of: Actor, headers: Mapping[str, str] | None = None
    ) -> "EventStream":
        """Raises LimitReached for who follows so many already."""
        if self._followers[_follower(of)] >= self._most_of_one:
            raise LimitReached(
                "too_many_streams",
                f"At most {self._most_of_one} event streams may be open at once for one key or person; close some.",
                RETRY_AFTER_S,
            )
        return EventStream(events, self, of, headers)

    async def aclose(self) -> None:
        """Streams of calls that have just ended are told so to their end; whoever follows another call goes on
        elsewhere, after the last id."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                while self._open:
                    self._one_ended.clear()
                    await self._one_ended.wait()
        self._closing.set()

    @contextmanager
    def one_more(self, stream: "EventStream") -> Iterator[None]:
        """A stream for as long as it lasts."""
        follower = _follower(stream.of)
        self._open.add(stream)
        self._followers[follower] += 1
        try:
            yield
        finally:
            self._open.discard(stream)
            self._followers[follower] -= 1
            if not self._followers[follower]:
                del self._followers[follower]
            self._one_ended.set()

    async def closing(self) -> None:
        """Returns when no stream may go on."""
        await self._closing.wait()


def event_streams(request: Request) -> EventStreams:
    streams: EventStreams = request.app.state.event_streams
    return streams


def _follower(of: Actor) -> Hashable:
    return of.kind, of.id


class EventStream(EventSourceResponse):
    """What is sent is `event`s; silence is broken by a comment."""

    def __init__(
        self, events: AsyncIterator[bytes], streams: EventStreams, of: Actor, headers: Mapping[str, str] | None
    ) -> None:
        super().__init__(
            events,
            headers=headers,
            ping=HEARTBEAT_S,
            ping_message_factory=lambda: ServerSentEvent(comment="still here", sep="\n"),
            sep="\n",
        )
        self.of = of
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.one_more(self):
            await super().__call__(scope, receive, send)
        if self.active:  # closed in the middle: uvicorn takes a body without an end for a fault
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _listen_for_exit_signal(self) -> None:  # type: ignore[override]
        """Instead of a look at uvicorn, twice a second, through the process's signal handlers."""
        await self._streams.closing()
