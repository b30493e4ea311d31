"""The HTTP server of a process: uvicorn, inside our own life cycle, with the media websockets on the same port."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from outdial.api.media_socket import Handshake, media_sockets
from outdial.settings import Settings

BACKLOG = 2048  # as uvicorn has it


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

    def __init__(self, api: FastAPI, handshake: Handshake, settings: Settings) -> None:
        self._server = _Server(
            uvicorn.Config(
                api,
                ws=media_sockets(handshake),  # type: ignore[arg-type]
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=settings.trusted_proxies,
                timeout_graceful_shutdown=5,
            )
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


class _Server(uvicorn.Server):
    """uvicorn's server, which takes no signals and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
