"""Dispatchers on one PostgreSQL, as pgbench would have it: how many calls a second they claim, dial and end, what that
costs the database, and how often they are in each other's way.

Each is a process with Outdial's own dispatcher and a carrier that takes every dial at once (`bench/dispatcher.py`), so
that nothing but the database and the dispatchers themselves can be the limit. With one workspace all of them share one
pool; with many they hardly meet.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import uvloop
from sqlalchemy import text

from bench import machine
from bench.figures import Figure, Result, median, percentile
from bench.options import Options
from bench.processes import Child
from bench.queue import have_waiting, tenant_with
from bench.scene import fresh_database
from outdial.db.engine import create_engine
from outdial.db.migrate import upgrade
from outdial.lines.workspace_pools import create_workspace

DISPATCHERS, WORKSPACES = (1, 2, 4), (1, 20)
ROUNDS, ROUND_S, WARM_UP_S = 3, 6.0, 2.0
LINES = 1000        # of all workspaces together: a call holds its line for a second
SEATS = 2000
QUEUED = 30_000     # of all workspaces together: more than are dialled in a measurement
_SEATS = """
WITH entered AS (
    INSERT INTO workers (id, lock_key, host, pid, version, roles, stream_url, seats, lease_s, seen_at)
    VALUES ('worker_seats', 1, 'bench', 1, 'bench', '{media}', 'ws://127.0.0.1:8080', :seats, 86400, now()) RETURNING id
)
INSERT INTO seats (worker_id, number) SELECT id, number FROM entered, generate_series(1, :seats) AS number
"""
_COUNTERS = """
SELECT pg_current_wal_insert_lsn() - '0/0', xact_commit, xact_rollback, tup_inserted, tup_updated, tup_deleted,
    deadlocks
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What PostgreSQL has done, in all."""

    wal_bytes: int
    commits: int
    rollbacks: int
    inserted: int
    updated: int
    deleted: int
    deadlocks: int

    @classmethod
    def of(cls, url: str) -> "Counters":
        with psycopg.connect(url) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            row = connection.execute(_COUNTERS).fetchone()
        assert row is not None
        names = cls.__dataclass_fields__
        return cls(**{name: int(value) for name, value in zip(names, row, strict=True)})

    def since(self, before: "Counters") -> "Counters":
        names = self.__dataclass_fields__
        return Counters(**{name: getattr(self, name) - getattr(before, name) for name in names})

    @property
    def rows(self) -> int:
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    dials: int
    looks: Sequence[tuple[str, float]]
    work: machine.Work
    did: Counters


def dispatchers(options: Options) -> Result:
    rows = [
        _row(many, workspaces, _measure(many, workspaces, options))
        for workspaces in options.pick(WORKSPACES, (2,))
        for many in options.pick(DISPATCHERS, (2,))
    ]
    return Result(
        name="dispatchers",
        title="Dispatchers on one PostgreSQL",
        figures=[
            Figure(name=f"{row['dispatchers']}, workspaces: {row['workspaces']}", value=row["dials/s"], unit="dials/s")
            for row in rows
        ],
        rows=rows,
        notes=[
            "Claimed, dialled at a carrier that takes every dial at once, rung, not answered; without HTTP and rows "
            "of callbacks. Medians of the rounds. Commits wait for the disk.",
            "Cores are those used of this machine's. Busy: of a hundred looks at a queue, those that found the pool, "
            "an account or the list in other hands for longer than 100 ms.",
        ],
    )


def _row(many: int, workspaces: int, rounds: Sequence[Round]) -> dict[str, Any]:
    def middle(of: Any, digits: int = 1) -> float:
        return round(median([float(of(each)) for each in rounds]), digits)

    looks = [look for each in rounds for look in each.looks]
    claims = [ms for result, ms in looks if result == "claimed"]
    busy = sum(result == "busy" for result, _ in looks)
    calls = {id(each): max(each.dials, 1) for each in rounds}
    return {
        "dispatchers": many,
        "workspaces": workspaces,
        "dials/s": middle(lambda each: each.dials / each.work.seconds),
        "claim p50 ms": round(median(claims), 1),
        "p99 ms": round(percentile(claims, 99), 1),
        "calls a claim": round(sum(each.dials for each in rounds) / max(len(claims), 1), 1),
        "busy %": round(100 * busy / max(len(looks), 1), 2),
        "PostgreSQL ms a call": middle(lambda each: each.work.cpu_s["postgresql"] * 1000 / calls[id(each)], 2),
        "its cores": middle(lambda each: each.work.percent["postgresql"] / 100, 2),
        "dispatchers ms a call": middle(lambda each: each.work.cpu_s["dispatchers"] * 1000 / calls[id(each)], 2),
        "their cores": middle(lambda each: each.work.percent["dispatchers"] / 100, 2),
        "WAL kB a call": middle(lambda each: each.did.wal_bytes / 1000 / calls[id(each)], 2),
        "commits a call": middle(lambda each: each.did.commits / calls[id(each)], 2),
        "rows a call": middle(lambda each: each.did.rows / calls[id(each)], 1),
        "deadlocks": sum(each.did.deadlocks for each in rounds),
        "foreign %": middle(lambda each: each.work.foreign_percent or 0.0),
    }


def _measure(many: int, workspaces: int, options: Options) -> list[Round]:
    with fresh_database() as (folder, postgres):
        url = postgres.start()
        uvloop.run(_furnish(url, workspaces, options.pick(QUEUED, 400)))
        process = postgres.postmaster()
        assert process is not None
        with _dispatching(url, many, folder) as children:
            for child in children:
                child.ask("start")
            time.sleep(options.pick(WARM_UP_S, 0.3))
            seconds = options.seconds or options.pick(ROUND_S, 3.0)
            return [_round(url, process, children, seconds) for _ in range(options.pick(ROUNDS, 1))]


def _round(url: str, postgres: psutil.Process, children: Sequence[Child], seconds: float) -> Round:
    for child in children:
        child.ask("counts")
    before = Counters.of(url)
    watch = machine.Watch({"postgresql": [postgres.pid], "dispatchers": [child.pid for child in children]})
    time.sleep(seconds)
    counts = [child.ask("counts") for child in children]
    work = watch.stop()
    return Round(
        dials=sum(each["dials"] for each in counts),
        looks=[(result, ms) for each in counts for result, ms in each["looks"]],
        work=work,
        did=Counters.of(url).since(before),
    )


@contextlib.contextmanager
def _dispatching(url: str, many: int, folder: Path) -> Iterator[list[Child]]:
    children: list[Child] = []
    try:
        for number in range(many):
            config = {"database_url": url, "owner": f"worker_{number}"}
            children.append(Child("bench.dispatcher", config, folder / f"dispatcher-{number}.log"))
        yield children
    finally:
        for child in children:
            child.stop()


async def _furnish(url: str, workspaces: int, queued: int) -> None:
    engine = create_engine(url)
    await upgrade(engine)
    async with engine.begin() as conn:
        await conn.execute(text(_SEATS), {"seats": SEATS})
    for number in range(workspaces):
        made = await create_workspace(engine, name=f"Workspace {number}", lines=LINES // workspaces)
        tenant = await tenant_with(engine, f"+1202555{number:04}", made["id"])
        await have_waiting(engine, tenant, queued // workspaces)
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE carrier_accounts SET calls_per_second = 10000"))
    await engine.dispose()
