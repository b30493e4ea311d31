"""One run from its start to its end: everything up, traffic and throws, all healed, the books read."""

import asyncio
import dataclasses
import json
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from chaos.database import Database
from chaos.evidence import Books, Evidence, Phone, hurry_webhooks, left_files, read_books, read_log, read_phones
from chaos.furnish import furnish
from chaos.network import CARRIERS, Network
from chaos.peers import Peers
from chaos.process import Process
from chaos.proxy import HOST
from chaos.receiver import Receiver
from chaos.schedule import Kind, Throw, schedule
from chaos.seating import Seating
from chaos.server import Server, Surroundings
from chaos.store import URL as STORE_URL
from chaos.store import Store, variables
from chaos.throwing import Throwing
from chaos.traffic import Traffic

NAMES = "ABC"
READY_AGAIN_S = 90.0   # a server, once everything is healed
SETTLE_S = 300.0       # the books, at most
STILL_S = 80.0         # or until nothing has moved for so long: a call that is put off waits a minute
LOOK_EVERY_S = 1.0
ASKED_FOR_S = 60.0     # what was asked for and not answered
TELL_EVERY_S = 5.0
PACE = 0.5  # of what the simulator's callees do


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`without`: parts that are left out of every server; see chaos.without."""

    seed: int
    seconds: float
    hosts: int
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
            options.seed, seconds=options.seconds, servers=options.hosts, kinds=options.kinds
        )

    async def play(self) -> Evidence:
        """Ends whatever it has started, also when it is cancelled."""
        options, folder = self._options, self._folder
        _write(folder / "schedule.json", self.throws)
        secret_key, peers = secrets.token_urlsafe(32), Peers()
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            database = Database(folder / "database")
            stack.push_async_callback(database.aclose)
            self._tell("Starting PostgreSQL, the store, the simulator and Outdial")
            await database.start()
            store = await enter(Store.up(folder))
            receiver = await enter(Receiver.up())
            config = json.dumps({"folder": str(folder), "pace": PACE})
            simulator = await enter(Process.started("chaos.carrier", [config], folder / "simulator.log"))
            peers.add(CARRIERS, lambda: simulator.pid)
            network = await enter(
                Network.open(peers, carriers=simulator.port, store=store.port, receiver=receiver.port)
            )
            around = Surroundings(
                folder=folder,
                database=database,
                peers=peers,
                secret_key=secret_key,
                environment=variables(network.store.url),
                settings={"RECORDINGS_URL": STORE_URL, "ALLOWED_PRIVATE_HOSTS": HOST},
                without=options.without,
            )
            servers = [await enter(Server.up(name, around)) for name in NAMES[: options.hosts]]
            for server in servers:
                server.start()  # they load their models while the rest is made ready
            furnished = await furnish(
                database.url,
                secret_key,
                simulator_url=simulator.url,
                carrier_url=network.carriers.url,
                webhook_url=network.receiver.url,
                public_urls=[server.base_url for server in servers],
            )
            if Kind.FAILOVER in options.kinds:
                await database.add_standby()
            for server in servers:
                if not await server.ready():
                    raise RuntimeError(f"server {server.name} did not start; see {server.log}")
            throwing = Throwing(servers, database, store, network, simulator.url, self._tell)
            traffic = Traffic(furnished, servers, simulator.url, options.seed)
            stack.push_async_callback(traffic.aclose)
            seating = Seating(database, servers)
            looking = asyncio.create_task(seating.run())
            stack.callback(looking.cancel)
            await self._under_fire(traffic, throwing)
            self._tell("Traffic stopped, everything is healed; the books settle")
            await throwing.heal()
            not_ready = await self._all_ready(servers)
            await traffic.finish(ASKED_FOR_S)
            books, phones = await self._settled(database, simulator.url, servers)
            stored = await store.recordings()
            await asyncio.gather(*(server.stop() for server in servers))
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
                seated=seating.seen,
                stored=stored,
                told=receiver.told,
                secrets=furnished.secrets,
            )
            self._keep(evidence)
            return evidence

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
                await asyncio.to_thread(hurry_webhooks, database.url)
                books = await asyncio.to_thread(read_books, database.url)
            except psycopg.Error:
                if now - began > SETTLE_S:
                    raise
                continue
            up = sum(phone.is_up for phone in phones)
            files = sum(len(left_files(server.data_dir)) for server in servers)
            open_ = books.live + books.unhandled_callbacks + books.untold + len(books.taken_seats) + up + files
            state = books.moved, books.live, books.unhandled_callbacks, books.untold, up, len(phones), files
            if state != before:
                before, moved_at = state, now
            elif not open_ and now - moved_at > 3 * LOOK_EVERY_S:
                return books, phones
            if now - began > SETTLE_S or now - moved_at > STILL_S:
                self._tell("The books don't settle")
                return books, phones
            if now - told_at > TELL_EVERY_S:
                told_at = now
                left = f"{files} files and {books.untold} webhooks left"
                self._tell(f"{now - began:.0f} s: {books.live} rows and {up} phones live, {left}")

    def _keep(self, evidence: Evidence) -> None:
        for name in ("books", "phones", "requests", "thrown", "seated", "stored", "told"):
            _write(self._folder / f"{name}.json", getattr(evidence, name))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, default=_as_json, indent=1) + "\n")


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return dataclasses.asdict(value)
