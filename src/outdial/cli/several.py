"""Several processes of `outdial serve` on one machine, and their parent.

Python runs on one core. So a machine with more of them has a process for each: they share the port for requests and
callbacks, on which whoever is free takes the next connection, and each has a port of its own for the audio of its
calls. The parent holds the sockets, so none is lost with a process; it starts one again that has died, passes signals
on, and ends when all have ended.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx

from outdial.cli.failures import CommandFailed
from outdial.cli.output import progress
from outdial.cli.processes import end_with_parent, local_url
from outdial.cli.run_files import run_files
from outdial.cli.server_up import tell_that_it_is_up
from outdial.repeating import Pauses
from outdial.roles import Role
from outdial.settings import Settings, variable

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
AGAIN = Pauses(first_s=0.5, longest_s=15.0)
STEADY_S = 60.0        # who has run so long had no trouble
CONNECTIONS = 45       # to the database, of a process at most


@dataclass(slots=True, kw_only=True)
class _Child:
    """One of the processes: its number, from 1, what it is started with, and whether it was ever ready."""

    number: int
    arguments: Sequence[str]
    environment: Mapping[str, str]
    sockets: Sequence[socket.socket]
    health_url: str
    process: asyncio.subprocess.Process | None = None
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> asyncio.subprocess.Process:
        """In a session of its own: Ctrl-C in the terminal reaches the parent alone, which passes it on."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "outdial",
            "serve",
            *self.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            env=dict(self.environment),
            start_new_session=True,
            pass_fds=[each.fileno() for each in self.sockets],
        )
        return self.process

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)


async def serve_processes(
    settings: Settings, count: int, roles: frozenset[Role], *, with_parent: bool, first_start: bool
) -> None:
    """Run so many processes until SIGINT or SIGTERM. Raises CommandFailed when they can't be started."""
    from outdial.api.server import CannotListen  # loads the models' libraries
    from outdial.db.supervised import embedded

    check_stream_urls(settings, count)
    watch = asyncio.create_task(end_with_parent()) if with_parent else None
    async with AsyncExitStack() as stack:
        try:
            listeners = listen_for(settings, count)
        except CannotListen as error:
            raise CommandFailed(f"{error}; stop what listens there or choose another port (OUTDIAL_PORT)") from error
        for listener in listeners:
            stack.callback(listener.close)
        settings = settings.model_copy(update={"port": listeners[0].getsockname()[1]})
        if settings.database_url is None:
            progress.print("Starting the embedded PostgreSQL …")
            room = {"max_connections": str(max(200, CONNECTIONS * count + 20))}
            await stack.enter_async_context(embedded(settings.data_dir, settings=room))
        children = [
            _child(settings, number, count, roles, listeners, first_start=first_start) for number in range(1, count + 1)
        ]

        def told() -> None:
            stack.enter_context(run_files(settings))
            tell_that_it_is_up(settings, roles)
            for child in children:
                progress.print(f"  process {child.number}: audio at {child.environment[variable('stream_url')]}")

        progress.print(f"Starting {count} processes …")
        await Supervisor(children).run(told)
    if watch is not None:
        watch.cancel()


class Supervisor:
    """Keeps its children running, until it is told to stop."""

    def __init__(self, children: Sequence[_Child]) -> None:
        self._children = children
        self._stopping = asyncio.Event()

    async def run(self, up: Callable[[], None]) -> None:
        """`up` is called when all are ready. Raises CommandFailed when one ends before it ever was."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled)
        keeping = [asyncio.create_task(self._keep(child), name=f"process {child.number}") for child in self._children]
        telling = asyncio.create_task(self._tell(up), name="processes ready")
        try:
            await asyncio.gather(*keeping)
        finally:
            telling.cancel()
            await self._end(keeping)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        """The first one has them drain, the next ones hurry: as a process alone does."""
        self._stopping.set()
        for child in self._children:
            child.send(signal.SIGTERM)

    async def _keep(self, child: _Child) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while not self._stopping.is_set():
            began_at = loop.time()
            process = await child.start()
            if self._stopping.is_set():
                child.send(signal.SIGTERM)
            code = await process.wait()
            if self._stopping.is_set():
                return
            if not child.was_ready.is_set():
                raise CommandFailed(f"process {child.number} ended with code {code}; what it said stands above")
            failures = 1 if loop.time() - began_at > STEADY_S else failures + 1
            fields = {"number": child.number, "pid": process.pid, "code": code}
            logger.error("Process ended; starting it again", extra=fields)
            try:
                async with asyncio.timeout(AGAIN.after(failures)):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    async def _tell(self, up: Callable[[], None]) -> None:
        await asyncio.gather(*(_until_ready(child) for child in self._children))
        up()

    async def _end(self, keeping: Sequence[asyncio.Task[None]]) -> None:
        """Also where one could not be started: the others are stopped."""
        if not self._stopping.is_set():
            self._signalled()
        await asyncio.gather(*keeping, return_exceptions=True)


async def _until_ready(child: _Child) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        while True:
            try:
                if (await http.get(f"{child.health_url}/readyz")).status_code == httpx.codes.OK:
                    break
            except httpx.HTTPError:
                pass
            await asyncio.sleep(LOOK_EVERY_S)
    child.was_ready.set()


def _child(
    settings: Settings,
    number: int,
    count: int,
    roles: frozenset[Role],
    listeners: Sequence[socket.socket],
    *,
    first_start: bool,
) -> _Child:
    shared, own = listeners[0], listeners[number]
    port = own.getsockname()[1]
    given = {
        "host": settings.host,
        "port": settings.port,
        "stream_url": stream_url_of(settings, number, port),
        "internal_url": internal_url_of(settings, number, port),
        "seats": seats_of(settings, count),
        "agents": settings.agents,
    }
    arguments = ["--listen-on", f"{shared.fileno()},{own.fileno()}", "--role", ",".join(sorted(roles)), "--with-parent"]
    if not first_start or number > 1:
        arguments.append("--no-first-start")
    return _Child(
        number=number,
        arguments=arguments,
        environment=os.environ | {variable(name): str(value) for name, value in given.items() if value is not None},
        sockets=[shared, own],
        health_url=local_url(settings.host, port),
    )


def check_stream_urls(settings: Settings, count: int) -> None:
    """Each process needs an address of its own that carriers can reach, and one inside. Raises CommandFailed."""
    if settings.stream_url is None and settings.public_url is not None:
        raise CommandFailed(
            f"{count} processes need an address each for the audio of their calls: have your proxy lead a path to each "
            f"of the ports {settings.port + 1} to {settings.port + count}, and set OUTDIAL_STREAM_URL to the address "
            "with {process} in it, as wss://voice.example.com/{process}"
        )
    for name in ("stream_url", "internal_url"):
        url: str | None = getattr(settings, name)
        if url is not None and not _placeholders(url):
            raise CommandFailed(
                f"{variable(name)} has neither {{process}} nor {{port}} in it, so all processes would have one address"
            )


def _placeholders(url: str) -> list[str]:
    return [name for name in ("{process}", "{port}") if name in url]


def stream_url_of(settings: Settings, number: int, port: int) -> str:
    if settings.stream_url is None:
        return "ws" + local_url(settings.host, port).removeprefix("http")
    return _numbered(settings.stream_url, number, port)


def internal_url_of(settings: Settings, number: int, port: int) -> str:
    """As set; else where the processes of this machine reach each other."""
    if settings.internal_url is None:
        return local_url(settings.host, port)
    return _numbered(settings.internal_url, number, port)


def _numbered(url: str, number: int, port: int) -> str:
    return url.replace("{process}", str(number)).replace("{port}", str(port))


def seats_of(settings: Settings, count: int, cores: int | None = None) -> int:
    """As set; else what a core holds, or its part of it where there are more processes than cores."""
    if "seats" in settings.model_fields_set:
        return settings.seats
    cores = cores or len(os.sched_getaffinity(0))
    return max(1, settings.seats * min(count, cores) // count)


def listen_for(settings: Settings, count: int) -> list[socket.socket]:
    """The shared port, then one of each process: the ports behind it, or any where it is any. Raises CannotListen."""
    from outdial.api.server import CannotListen, listen

    listeners: list[socket.socket] = []
    try:
        for number in range(count + 1):
            port = settings.port + number if settings.port else 0
            listeners.append(listen(settings.model_copy(update={"port": port})))
    except CannotListen:
        for listener in listeners:
            listener.close()
        raise
    return listeners
