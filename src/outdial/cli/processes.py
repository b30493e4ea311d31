"""Signals, parents and ports: what commands that keep running need."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

PARENT_CHECK_S = 0.5
BACKLOG = 2048  # as uvicorn has it

WithParent = Annotated[
    bool, typer.Option("--with-parent", hidden=True, help="Stop when the process that started this one is gone.")
]


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event set by SIGINT or SIGTERM; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def received() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, received)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def end_with_parent() -> None:
    """Send ourselves SIGTERM when our parent has died, so that a killed demo leaves no server behind."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells when a parent dies
        await asyncio.sleep(PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def a_free_port(host: str, wanted: int) -> int:
    """`wanted`, or any other when it is taken or 0."""
    if wanted and is_free(host, wanted):
        return wanted
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def a_listener(host: str, wanted: int) -> socket.socket:
    """Listens on `wanted`, or on any other port when that is taken: what is only looked at may be taken in a moment."""
    try:
        return socket.create_server((host, wanted), backlog=BACKLOG)
    except OSError:
        return socket.create_server((host, 0), backlog=BACKLOG)


def local_url(host: str, port: int) -> str:
    """Where a server that listens on `host` is reached from the same machine."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - recognised, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
