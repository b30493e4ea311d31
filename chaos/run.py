"""One run from its start to its end: everything up, traffic and throws, all healed, the books read."""

import asyncio
import dataclasses
import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from chaos.database import Database
from chaos.evidence import Books, Evidence, Phone, left_files, read_books, read_log, read_phones
from chaos.furnish import Furnished, furnish
from chaos.proxy import Proxy
from chaos.schedule import Kind, Throw, schedule
from chaos.server import ROOT, Server
from chaos.throwing import Throwing, heal
from chaos.traffic import Traffic

NAMES = "AB"
READY_AGAIN_S = 90.0   # a server, once everything is healed
SETTLE_S = 300.0       # the books, at most
STILL_S = 80.0         # or until nothing has moved for so long: a call that is put off waits a minute
LOOK_EVERY_S = 1.0
ASKED_FOR_S = 60.0     # what was asked for and not answered
START_S = 60.0
TELL_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`without`: parts that are left out of every server; see chaos.without."""

    seed: int
    seconds: float
    servers: int
    calls_per_second: float
    kinds: Sequence[Kind]
    without: Sequence[str]


class Run:
    """`folder` keeps what is written. `tell` hears how it goes, a line each."""

    def __init__(self, options: Options, folder: Path, tell: Callable[[str], None]) -> None:
        self._options = options
        self._folder = folder
        self._tell = tell
        self.throws: list[Throw] = schedule(
            options.seed, seconds=options.seconds, servers=options.servers, kinds=options.kinds
        )

    async def play(self) -> Evidence:
        """Ends whatever it has started, also when it is cancelled."""
        options, folder = self._options, self._folder
        _write(folder / "schedule.json", self.throws)
        secret_key = secrets.token_urlsafe(32)
        async with AsyncExitStack() as stack:
            database = Database(folder / "database")
            stack.push_async_callback(database.aclose)
            self._tell("Starting PostgreSQL, the simulator and Outdial")
            await database.start()
            servers = [
                await stack.enter_async_context(Server.up(name, folder, database, secret_key, options.without))
                for name in NAMES[: options.servers]
            ]
            for server in servers:
                server.start()  # they load their models while the rest is made ready
            simulator_url = await stack.enter_async_context(_simulator(folder))
            carrier = await stack.enter_async_context(Proxy.open(int(simulator_url.rpartition(":")[2])))
            furnished = await furnish(
                database.url,
                secret_key,
                simulator_url=simulator_url,
                carrier_url=carrier.url,
                public_urls=[server.base_url for server in servers],
            )
            for server in servers:
                if not await server.ready():
                    raise RuntimeError(f"server {server.name} did not start; see {server.log}")
            throwing = Throwing(servers, database, carrier, simulator_url, self._tell)
            traffic = Traffic(furnished, servers, simulator_url, options.seed)
            stack.push_async_callback(traffic.aclose)
            await self._under_fire(traffic, throwing)
            self._tell("Traffic stopped, everything is healed; the books settle")
            await heal(servers, database, carrier, simulator_url)
            not_ready = await self._all_ready(servers)
            await traffic.finish(ASKED_FOR_S)
            books, phones = await self._settled(database, simulator_url, servers)
            await asyncio.gather(*(server.stop() for server in servers))
            return self._evidence(servers, furnished, traffic, throwing, not_ready, books, phones)

    async def _under_fire(self, traffic: Traffic, throwing: Throwing) -> None:
        began = time.monotonic()
        placing = asyncio.create_task(traffic.run(self._options.calls_per_second))
        throws = asyncio.create_task(throwing.run(self.throws, seconds=self._options.seconds))
        try:
            while not throws.done() or time.monotonic() - began < self._options.seconds:
                left_s = began + self._options.seconds - time.monotonic()
                if throws.done():
                    await asyncio.sleep(min(TELL_EVERY_S, left_s))
                else:
                    await asyncio.wait({throws, placing}, timeout=TELL_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                for task in (placing, throws):
                    if task.done():
                        task.result()  # a run that can't go on ends here, not after ten minutes
                self._tell(
                    f"{time.monotonic() - began:.0f} s: {len(traffic.requests)} calls asked for, {traffic.accepted} "
                    f"accepted, {len(throwing.thrown)} of {len(self.throws)} throws over"
                )
        finally:
            for task in (placing, throws):
                task.cancel()
            await asyncio.wait({placing, throws})

    async def _all_ready(self, servers: Sequence[Server]) -> list[str]:
        """The names of those that are not, and have to be killed and started again for the books to settle."""
        ready = await asyncio.gather(*(server.ready(READY_AGAIN_S) for server in servers))
        stuck = [server for server, is_ready in zip(servers, ready, strict=True) if not is_ready]
        for server in stuck:
            await server.kill()
            server.start()
            await server.ready()
        return [server.name for server in stuck]

    async def _settled(
        self, database: Database, simulator_url: str, servers: Sequence[Server]
    ) -> tuple[Books, list[Phone]]:
        """Books and carrier, when nothing is live at either and no file waits for its end, or nothing moves any more.
        (A recording of a killed process is finished when nobody has written to it for a while.)"""
        began = moved_at = time.monotonic()
        told_at, before = began, None
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            phones = await read_phones(simulator_url)
            try:
                books = await asyncio.to_thread(read_books, database.url)
            except psycopg.Error:
                if now - began > SETTLE_S:
                    raise
                continue
            up = sum(phone.is_up for phone in phones)
            files = sum(len(left_files(server.data_dir)) for server in servers)
            state = books.moved, books.live, books.unhandled_callbacks, up, len(phones), files
            if state != before:
                before, moved_at = state, now
            elif not (books.live or books.unhandled_callbacks or up or files) and now - moved_at > 3 * LOOK_EVERY_S:
                return books, phones
            if now - began > SETTLE_S or now - moved_at > STILL_S:
                self._tell("The books don't settle")
                return books, phones
            if now - told_at > TELL_EVERY_S:
                told_at = now
                self._tell(f"{now - began:.0f} s: {books.live} rows and {up} phones live, {files} files left")

    def _evidence(
        self,
        servers: Sequence[Server],
        furnished: Furnished,
        traffic: Traffic,
        throwing: Throwing,
        not_ready: Sequence[str],
        books: Books,
        phones: Sequence[Phone],
    ) -> Evidence:
        evidence = Evidence(
            books=books,
            phones=phones,
            requests=traffic.requests,
            log=[line for server in servers for line in read_log(server.name, server.log)],
            left_files=[name for server in servers for name in left_files(server.data_dir)],
            ended_by_itself=[ended for server in servers for ended in server.ended_by_itself],
            not_ready=not_ready,
            not_stopped=[server.name for server in servers if server.not_stopped],
            thrown=throwing.thrown,
            secrets=furnished.secrets,
        )
        for name in ("books", "phones", "requests", "thrown"):
            _write(self._folder / f"{name}.json", getattr(evidence, name))
        return evidence


@asynccontextmanager
async def _simulator(folder: Path) -> AsyncIterator[str]:
    """Its URL; a process of its own, in a session of its own, until the context ends."""
    config = json.dumps({"folder": str(folder), "pace": 0.5})
    with (folder / "simulator.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chaos.carrier", config,
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_S)
        yield json.loads(line)["url"]
    finally:
        if process.returncode is None:
            process.kill()  # it keeps nothing
            await process.wait()


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, default=_as_json, indent=1) + "\n")


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return dataclasses.asdict(value)
