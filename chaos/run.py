"""One run from its start to its end: everything up, traffic and throws, all healed, the books read."""

import asyncio
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from chaos.evidence import Books, Evidence, Phone, hurry_webhooks, left_files, read_books, read_log, read_phones
from chaos.schedule import Kind, Throw, schedule
from chaos.seating import Seating
from chaos.server import Server
from chaos.stage import Stage
from chaos.throwing import Throwing
from chaos.traffic import Traffic

READY_AGAIN_S = 90.0   # a server, once everything is healed
SETTLE_S = 300.0       # the books, at most
STILL_S = 80.0         # or until nothing has moved for so long: a call that is put off waits a minute
LOOK_EVERY_S = 1.0
ASKED_FOR_S = 60.0     # what was asked for and not answered
TELL_EVERY_S = 5.0


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
        options = self._options
        _write(self._folder / "schedule.json", self.throws)
        self._tell("Starting PostgreSQL, the store, the simulator and Outdial")
        with_standby = any(throw.kind is Kind.FAILOVER for throw in self.throws)
        async with Stage.up(
            self._folder, hosts=options.hosts, without=options.without, with_standby=with_standby
        ) as stage, AsyncExitStack() as stack:
            throwing = Throwing(stage, self._tell)
            traffic = Traffic(stage.furnished, stage.servers, stage.simulator_url, options.seed)
            stack.push_async_callback(traffic.aclose)
            seating = Seating(stage.database, stage.servers)
            stack.callback(asyncio.create_task(seating.run()).cancel)
            await self._under_fire(traffic, throwing)
            self._tell("Traffic stopped, everything is healed; the books settle")
            await throwing.heal()
            not_ready = await self._all_ready(stage.servers)
            await traffic.finish(ASKED_FOR_S)
            books, phones = await self._settled(stage)
            stored = await stage.store.recordings()
            await asyncio.gather(*(server.stop() for server in stage.servers))
            evidence = Evidence(
                books=books,
                phones=phones,
                requests=traffic.requests,
                log=[line for server in stage.servers for line in read_log(server.name, server.log)],
                left_files=_files(stage.servers),
                ended_by_itself=[ended for server in stage.servers for ended in server.ended_by_itself],
                not_ready=not_ready,
                not_stopped=[server.name for server in stage.servers if server.not_stopped],
                thrown=throwing.thrown,
                seated=seating.seen,
                stored=stored,
                told=stage.receiver.told,
                secrets=stage.furnished.secrets,
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

    async def _settled(self, stage: Stage) -> tuple[Books, list[Phone]]:
        """Books and carrier, when nothing is live at either and no file waits for its end, or nothing moves any more.
        (A recording of a killed process is finished when nobody has written to it for a while.)"""
        began = moved_at = time.monotonic()
        told_at, before = began, None
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            phones = await read_phones(stage.simulator_url)
            try:
                books = await asyncio.to_thread(read_books, stage.database.url)
                files, up = len(_files(stage.servers)), sum(phone.is_up for phone in phones)
                is_quiet = not (books.live or books.unhandled_callbacks or up or files)
                await asyncio.to_thread(hurry_webhooks, stage.database.url, nothing_comes=is_quiet)
            except psycopg.Error:
                if now - began > SETTLE_S:
                    raise
                continue
            state = books.moved, books.live, books.unhandled_callbacks, books.untold, up, len(phones), files
            if state != before:
                before, moved_at = state, now
            elif is_quiet and not (books.untold or books.taken_seats) and now - moved_at > 3 * LOOK_EVERY_S:
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


def _files(servers: Sequence[Server]) -> list[str]:
    return [name for server in servers for name in left_files(server.data_dir)]


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, default=_as_json, indent=1) + "\n")


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return dataclasses.asdict(value)
