"""Running an ASGI app until it is told to stop: uvicorn, but with the socket and the signals in our hands.

uvicorn raises a caught signal again once it has finished, which would end the process before the database and the
calls are put away in order; and a port that is taken would end it without a word of advice.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from outdial.cli.failures import CommandFailed

PARENT_CHECK_S = 0.5


class Server(uvicorn.Server):
    """One app on one bound socket."""

    def __init__(self, app: Any, *, grace_s: int = 10) -> None:
        config = uvicorn.Config(
            app,
            http="auto",
            ws="websockets-sansio",
            ws_per_message_deflate=False,  # mu-law doesn't compress, and trying costs more than everything else
            ws_max_size=65_536,            # a carrier's media message has under 1 kB
            lifespan="off",                # whoever runs the app has started and will stop its parts
            log_config=None,
            access_log=False,
            proxy_headers=False,           # our own address comes from the settings, never from a request
            server_header=False,
            timeout_graceful_shutdown=grace_s,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run(self, bound: socket.socket, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then let running requests finish (at most `grace_s`)."""
        serving = asyncio.create_task(self.serve(sockets=[bound]))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            self.should_exit = True
            await serving


def bind(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening socket. `setting` is what the message for a taken port tells the user to change."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise CommandFailed(
            f"can't listen on {host}, port {port}: {error.strerror}; choose another with {setting}"
        ) from error
    bound.setblocking(False)
    return bound


def is_free(host: str, port: int) -> bool:
    try:
        bind(host, port, setting="").close()
    except CommandFailed:
        return False
    return True


@contextmanager
def stop_signals(*, with_parent: bool = False) -> Iterator[asyncio.Event]:
    """An event set by SIGINT or SIGTERM (a second one ends the process at once), or by the end of our parent."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def received() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, received)
    watch = asyncio.create_task(_end_with_parent(stop)) if with_parent else None
    try:
        yield stop
    finally:
        if watch is not None:
            watch.cancel()
        for number in signals:
            loop.remove_signal_handler(number)


async def _end_with_parent(stop: asyncio.Event) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_S)
    stop.set()
