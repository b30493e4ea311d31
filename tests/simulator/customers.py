"""The server that all customers of the simulator's tests share: each has URLs of its own below it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Protocol, Self, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


class Served(Protocol):
    async def callback(self, request: Request) -> Response: ...
    async def media(self, websocket: WebSocket) -> None: ...


C = TypeVar("C", bound=Served)


class Customers(Generic[C]):
    """`make` makes a customer of its base URL, and of whatever else `new` is given."""

    def __init__(self, make: Callable[..., C]) -> None:
        self._make = make
        self._base_url = ""
        self._customers: dict[str, C] = {}

    def new(self, *facts: Any) -> C:
        id_ = str(len(self._customers))
        self._customers[id_] = self._make(f"{self._base_url}/{id_}", *facts)
        return self._customers[id_]

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Self]:
        app = Starlette(
            routes=[
                WebSocketRoute("/{id}/media", self._media),
                Route("/{id}/{name}", self._callback, methods=["GET", "POST"]),
            ]
        )
        listener = socket.create_server(("127.0.0.1", 0))
        self._base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = _Server(
            uvicorn.Config(
                app, log_level="warning", access_log=False, ws="websockets-sansio", timeout_graceful_shutdown=1
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.005)
            yield self
        finally:
            server.should_exit = True
            await serving
            listener.close()

    async def _callback(self, request: Request) -> Response:
        return await self._customers[request.path_params["id"]].callback(request)

    async def _media(self, websocket: WebSocket) -> None:
        await self._customers[websocket.path_params["id"]].media(websocket)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield
