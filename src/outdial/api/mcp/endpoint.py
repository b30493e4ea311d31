"""POST /mcp: who asks, from where, and on to the MCP server for what they may do.

The SDK is imported by the first request: it takes half a second and 65 MB, and most servers are never asked.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol, cast
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from outdial.api.auth import holder_of_key
from outdial.api.problems import Problem, unavailable
from outdial.api.services import Services
from outdial.db.feed import Feeds
from outdial.refusals import LimitReached
from outdial.workspaces import access

PATH = "/mcp"
RETRY_AFTER_S = 5


class _Sessions(Protocol):
    """The SDK's, of one server: `run` it around all requests."""

    async def serve(self, up: asyncio.Event, closing: asyncio.Event) -> None: ...
    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class McpEndpoint:
    """An ASGI app. Each scope of API keys has a server of its own, which has the tools that such keys may use."""

    def __init__(self, services: Services, feeds: Feeds) -> None:
        self._services = services
        self._feeds = feeds
        self._origin = _origin(services.settings.base_url)
        self._sessions: dict[access.Scope, _Sessions] = {}
        self._under_way: Counter[str] = Counter()  # by key
        self._ends: set[asyncio.Timeout] = set()  # of what is under way
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._closing = asyncio.Event()

    @property
    def route(self) -> Route:
        return Route(PATH, self, methods=["POST"], include_in_schema=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what `api.problems` answers."""
        request = Request(scope, receive)
        # A page of anywhere in somebody's browser can send a request to this machine, with a name of its own choice.
        origin = request.headers.get("origin")
        if origin is not None and _origin(origin) != self._origin:
            raise Problem(403, "origin_not_allowed", "Browsers are answered on this server's own pages only.")
        principal = request.state.principal = await holder_of_key(request)
        with self._one_more(principal.actor.id):
            await self._handle(cast(access.Scope, principal.grant), scope, receive, send)

    async def aclose(self) -> None:
        """End what is under way."""
        self._closing.set()
        for end in self._ends:
            end.reschedule(asyncio.get_running_loop().time())
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextmanager
    def _one_more(self, key_id: str) -> Iterator[None]:
        """A request for as long as it lasts; it may wait. Raises LimitReached."""
        most = self._services.settings.max_event_streams
        if self._under_way[key_id] >= most:
            message = f"At most {most} requests with one key may be under way at once; wait for some of them."
            raise LimitReached("too_many_waits", message, RETRY_AFTER_S)
        self._under_way[key_id] += 1
        try:
            yield
        finally:
            self._under_way[key_id] -= 1
            if not self._under_way[key_id]:
                del self._under_way[key_id]

    async def _handle(self, grant: access.Scope, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Message = {}  # the last of its messages

        async def tell(message: Message) -> None:
            nonlocal answer
            answer = message
            await send(message)

        sessions = await self._sessions_for(grant)
        if self._closing.is_set():
            raise unavailable("This server is about to stop.")
        end = asyncio.timeout(None)
        try:
            async with end:
                self._ends.add(end)
                await sessions.handle_request(scope, receive, tell)
        except TimeoutError:
            if not end.expired():
                raise
            if not answer:
                raise unavailable("This server is about to stop.") from None
            if answer.get("more_body", True):  # uvicorn takes a body without an end for a fault
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._ends.discard(end)

    async def _sessions_for(self, scope: access.Scope) -> _Sessions:
        async with self._starting:
            if scope not in self._sessions:
                server = await asyncio.to_thread(import_module, "outdial.api.mcp.server")
                sessions: _Sessions = server.Sessions(self._services, self._feeds, scope)
                up = asyncio.Event()
                task = asyncio.create_task(sessions.serve(up, self._closing), name=f"mcp sessions of {scope} keys")
                self._tasks.add(task)
                await up.wait()
                self._sessions[scope] = sessions
            return self._sessions[scope]


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc.lower()
