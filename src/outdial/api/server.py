"""The HTTP server of a process: uvicorn, inside our own life cycle, with the media websockets on the same port."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from outdial import open_files
from outdial.api.acceptor import Acceptor
from outdial.api.connections import ConnectionLimits, Connections
from outdial.api.cut_off import answering_when_cut_off
from outdial.api.http_connection import HttpConnection
from outdial.api.media_socket import Handshake, media_sockets
from outdial.api.request_ids import telling_request_ids
from outdial.settings import Settings

BACKLOG = 2048  # as uvicorn has it
STOP_WITHIN_S = 5  # for requests under way; then they are cancelled


class CannotListen(RuntimeError):
    """The address or port isn't to be had; the message says which and why."""


def listen(settings: Settings) -> socket.socket:
    """Bound before anything else starts: a taken port is the most common fault of a start. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)  # two may bind an address that nobody listens at yet
    except OSError as error:
        listener.close()
        raise CannotListen(f"Can't listen on {settings.host}:{settings.port}: {error.strerror}") from error
    return listener


class HttpServer:
    """Serves `api` on a socket, and media websockets whose `handshake` is good. `up` is set once it does."""

    def __init__(self, api: ASGIApp, handshake: Handshake, settings: Settings) -> None:
        self._server = _Server(
            uvicorn.Config(
                telling_request_ids(answering_when_cut_off(api)),
                ws=media_sockets(handshake),  # type: ignore[arg-type]
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=settings.trusted_proxies,
                timeout_graceful_shutdown=STOP_WITHIN_S,
            ),
            connection_limits(settings),
        )
        self.up = self._server.up
        self._ended = asyncio.Event()

    async def serve(self, sockets: list[socket.socket]) -> None:
        """Until `stop`."""
        try:
            await self._server.serve(sockets=sockets)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Finish the requests under way and take no more."""
        self._server.should_exit = True
        await self._ended.wait()


def connection_limits(settings: Settings) -> ConnectionLimits:
    """As set; and half of the files this process may open are kept for calls, the database and recordings."""
    return ConnectionLimits(
        in_all=min(settings.max_connections, open_files.limit() // 2),
        of_an_address=settings.max_connections_per_address,
    )


class _Server(uvicorn.Server):
    """uvicorn's server, which takes no signals, says when it is up, and keeps limits on its connections."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._limits = limits
        self._closing_late: asyncio.Task[None] | None = None
        self.servers: list[Any] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # The same judge as of who may send X-Forwarded-For.
        trusted = ProxyHeadersMiddleware(self.config.loaded_app, self.config.forwarded_allow_ips or "").trusted_hosts
        connections = Connections(self._limits, is_trusted=lambda address: address in trusted)

        def connection() -> asyncio.Protocol:
            return HttpConnection(self.config, self.server_state, connections)

        self.servers = [Acceptor(listener, connection) for listener in sockets or ()]
        self._closing_late = asyncio.create_task(connections.run(), name="connections closed in time")
        self.started = True
        self.up.set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:  # also where it is cancelled: nothing stays behind
            for acceptor in self.servers:
                acceptor.close()
            if self._closing_late is not None:
                self._closing_late.cancel()
                await asyncio.gather(self._closing_late, return_exceptions=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
