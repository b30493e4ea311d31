"""What metrics cost: one scrape of an instance of many workspaces, and keeping them while calls are talked on."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import thread_time

import httpx
import psutil
import uvloop
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.figures import Figure, Result, percentile
from bench.options import Options
from bench.scene import fresh_database
from outdial import lag, metrics
from outdial.api.app import create_api
from outdial.api.services import Services
from outdial.calls.counts import fold_counts
from outdial.db.engine import create_engine
from outdial.db.migrate import upgrade
from outdial.db.notify import Notifications
from outdial.media.pacer import TICK_S
from outdial.media.voice_activity import WINDOW_MS
from outdial.recordings.recordings import Recordings
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox

TARGET_SCRAPE_MS = 50.0
TARGET_CORE_PERCENT = 1.0
TALKING = 300
TURN_EVERY_S = 4.0   # of one call, quicker than people talk
CALL_S = 60.0
SCRAPE_EVERY_S = 15.0
TOKEN = "a token of the benchmark"
QUEUED, DELIVERIES = 100, 5  # of each workspace


def scrape(options: Options) -> Result:
    with fresh_database() as (data_dir, postgres):
        scraped = uvloop.run(_scrapes(options, data_dir, postgres.start()))
    kept = _keeping(options.pick(200_000, 500))
    percent = sum(float(row["% of a core"]) for row in kept)
    workspaces = options.pick(1000, 10)
    p95, cpu = percentile([each.taken for each in scraped], 95), median(each.own for each in scraped)
    both = cpu + sum(each.postgres for each in scraped) / len(scraped)
    return Result(
        name="scrape",
        title="Metrics",
        figures=[
            Figure(name=f"a scrape, {workspaces:,} workspaces, p95", value=p95, unit="ms", target=TARGET_SCRAPE_MS),
            Figure(name="the same, CPU of it and of PostgreSQL", value=both, unit="ms", target=TARGET_SCRAPE_MS),
            Figure(name=f"metrics, {TALKING} talking calls", value=percent, unit="% of a core",
                   target=TARGET_CORE_PERCENT),
            Figure(name="the same and a scrape every 15 s", value=percent + both / SCRAPE_EVERY_S / 10,
                   unit="% of a core"),
        ],
        rows=kept,
        notes=[
            f"Scrape: {QUEUED} calls queued and {DELIVERIES} webhooks waiting in each workspace, {len(scraped)} scrapes"
            f" through ASGI, median {median(each.taken for each in scraped):.1f} ms; {cpu:.1f} ms of CPU are this"
            f" process's and {both - cpu:.1f} ms PostgreSQL's. On a busy machine only CPU says anything.",
            "Keeping: CPU time of each observation times how often it is made; a function that does nothing is called "
            f"in turn with it and taken off. A turn every {TURN_EVERY_S:.0f} s, {CALL_S:.0f} s a call.",
        ],
    )  # fmt: skip


# -- a scrape --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """All in ms: from the request to the answer, and CPU of this process and of PostgreSQL."""

    taken: float
    own: float
    postgres: float


async def _scrapes(options: Options, data_dir: Path, database_url: str) -> Sequence[Scraped]:
    engine = create_engine(database_url)
    await upgrade(engine)
    await _furnish(engine, options.pick(1000, 10))
    taken = []
    async with Notifications(database_url) as notifications:
        services = Services(
            engine=engine,
            settings=Settings(data_dir=data_dir, metrics_token=SecretStr(TOKEN)),
            notifications=notifications,
            secret_box=SecretBox("a key for the benchmark"),
            recordings=Recordings(data_dir),
        )
        transport = httpx.ASGITransport(create_api(services))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as prometheus:
            for number in range(options.pick(100, 3) + 5):
                backends = await _backends(engine)
                before, began, cpu_began = _cpu_s(backends), time.perf_counter(), time.process_time()
                answer = await prometheus.get("/metrics")
                took, own = time.perf_counter() - began, time.process_time() - cpu_began
                answer.raise_for_status()
                if number >= 5:  # the first ones prepare statements
                    theirs = _cpu_s(backends) - before  # the system counts in hundredths: of many it is right
                    taken.append(Scraped(taken=took * 1000, own=own * 1000, postgres=theirs * 1000))
                await asyncio.sleep(0.02)
    await engine.dispose()
    return taken


async def _backends(engine: AsyncEngine) -> Sequence[psutil.Process]:
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    async with engine.connect() as conn:
        return [psutil.Process(pid) for pid in (await conn.scalars(text(query))).all()]


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


async def _furnish(engine: AsyncEngine, workspaces: int) -> None:
    async with engine.begin() as conn:
        for statement in _FURNITURE:
            await conn.execute(text(statement), {"workspaces": workspaces})
    await fold_counts(engine)
    async with engine.connect() as conn:
        await (await conn.execution_options(isolation_level="AUTOCOMMIT")).execute(text("VACUUM ANALYZE"))


_OF_EACH = "FROM generate_series(1, CAST(:workspaces AS integer)) AS n"
_FURNITURE = (
    f"INSERT INTO workspaces (id, name, plan) SELECT 'ws_' || n, 'Bench', 'custom' {_OF_EACH}",
    f"INSERT INTO pools (workspace_id, lines) SELECT 'ws_' || n, 10 {_OF_EACH}",
    'INSERT INTO calls (id, workspace_id, direction, state, "from", "to", ring_timeout_s, max_duration_s, due_at)'
    " SELECT 'call_' || n || '_' || m, 'ws_' || n, 'outbound', 'queued', '+12025550199', '+12025550100', 30, 600,"
    f" now() + m * interval '1 minute' {_OF_EACH}, generate_series(1, {QUEUED}) AS m",
    f"INSERT INTO webhooks (id, workspace_id, url, secret) SELECT 'hook_' || n, 'ws_' || n, 'https://x', '' {_OF_EACH}",
    "INSERT INTO webhook_events (id, workspace_id, type, at, data)"
    f" SELECT 'event_' || n, 'ws_' || n, 'call.ended', now(), '{{}}' {_OF_EACH}",
    "INSERT INTO webhook_deliveries (webhook_id, event_id, lane, url, state)"
    " SELECT 'hook_' || n, 'event_' || n, 'hook_' || n, 'https://x', 'waiting'"
    f" {_OF_EACH}, generate_series(1, {DELIVERIES})",
)  # fmt: skip


# -- keeping them ----------------------------------------------------------------------------------------------


def _keeping(count: int) -> list[dict[str, float | str]]:
    """Each observation as the code makes it, how often it is made, and what that comes to."""
    turns, calls = TALKING / TURN_EVERY_S, TALKING / CALL_S
    made: tuple[tuple[str, float, Callable[[float], object]], ...] = (
        ("the pacer's lateness", 1 / TICK_S, metrics.PACER_LATE.observe),
        ("the event loop's lateness", 1 / lag.EVERY_S, metrics.LOOP_LATE.observe),
        ("a batch of voice detection", 1000 / WINDOW_MS, metrics.VOICE_LAG.observe),
        ("a wait for a recogniser", 2 * turns, metrics.RECOGNITION_WAIT.observe),
        ("a turn's latency", turns, metrics.TURN.observe),
        ("a callback", 4 * calls, lambda value: metrics.CALLBACKS.labels("acme", "stored").inc()),
        ("an answer", calls, lambda value: metrics.ANSWERED_AFTER.labels("acme").observe(value)),
        ("an attempt's end", calls, lambda value: metrics.ATTEMPTS_ENDED.labels("acme", "completed", "").inc()),
        ("a call's end", calls, lambda value: metrics.CALLS_ENDED.labels("outbound", "completed", "agent").inc()),
    )
    rows: list[dict[str, float | str]] = []
    for name, per_s, observe in made:
        us = median(_us(observe, count // 20) - _us(_nothing, count // 20) for _ in range(20))
        rows.append({"what": name, "a second": per_s, "µs": round(us, 2), "% of a core": round(per_s * us / 10_000, 4)})
    return rows


def _nothing(value: float) -> None: ...


def _us(observe: Callable[[float], object], count: int) -> float:
    began = thread_time()
    for number in range(count):
        observe(number % 100 / 1000)
    return (thread_time() - began) / count * 1e6
