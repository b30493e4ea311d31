"""Webhooks: events written at a steady rate, told to a receiver in another process, while a sender is killed and the
database crashes. What is counted: whether all came, in order within each call, and how long after their commit."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import uvloop

from bench.figures import Figure, Result, percentile
from bench.options import Options
from bench.webhook_sender import SECRET_KEY
from outdial.db.embedded import EmbeddedPostgres
from outdial.db.engine import connection_url, create_engine
from outdial.db.migrate import upgrade
from outdial.ids import new_id
from outdial.lines.workspace_pools import create_workspace
from outdial.webhooks.endpoints import Wanted, create_webhook
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox

ROOT = Path(__file__).parents[1]
EVENTS, A_SECOND = 100_000, 300
TARGET_P50_MS = 150.0
STATES = ("queued", "dialing", "ringing", "in_progress", "ended")
CALLS_AT_ONCE = 20       # of a writer, whose events come in turns
WRITERS = 8
SENDERS = 2              # one of them is killed, and another takes its place
DISTURBED_S = 40.0       # after each disturbance: leases run out, the database recovers
PATIENCE_S = 240.0       # for the last ones


@dataclass(slots=True)
class Run:
    committed_at: dict[tuple[str, int], float] = field(default_factory=dict)
    disturbed_at: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    done: bool = False


def webhooks(options: Options) -> Result:
    """The whole run takes seven minutes; `--seconds`: shorter."""
    a_second = options.pick(A_SECOND, 200)
    events = options.pick(EVENTS, 600) if options.seconds is None else round(options.seconds * a_second)
    return uvloop.run(_measure(events, a_second, disturb=True))


async def _measure(events: int, a_second: int, *, disturb: bool) -> Result:
    with tempfile.TemporaryDirectory(prefix="outdial-bench-") as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240 - for root PostgreSQL runs as another user
        server = EmbeddedPostgres(Path(folder))
        url = server.start()
        try:
            with _process("bench.webhook_receiver") as receiver:
                assert receiver.stdout is not None
                port = int(receiver.stdout.readline())
                workspace_id = await _prepare(url, f"http://127.0.0.1:{port}/hook")
                run = Run()
                watching = asyncio.create_task(_run_senders(url, run, server, events / a_second, disturb=disturb))
                await run.up.wait()
                await _write(url, workspace_id, run, events, a_second)
                await _until_told(url)
                run.done = True
                await watching
                received = receiver.communicate("", timeout=60)[0]
        finally:
            server.stop()
    return _result(run, [line.split() for line in received.splitlines()], events, a_second)


async def _prepare(url: str, receiver: str) -> str:
    engine = create_engine(url)
    await upgrade(engine)
    workspace = await create_workspace(engine, name="Bench", lines=5)
    wanted = Wanted(given={"url"}, url=receiver)
    await create_webhook(engine, SecretBox(SECRET_KEY), workspace["id"], wanted, by=COMMAND_LINE)
    await engine.dispose()
    return workspace["id"]


async def _write(url: str, workspace_id: str, run: Run, events: int, a_second: int) -> None:
    """Each event in a transaction of its own, as life has it; written again where its commit is in doubt."""
    each = events // WRITERS
    await asyncio.gather(*(_write_some(url, workspace_id, run, each, a_second / WRITERS) for _ in range(WRITERS)))


async def _write_some(url: str, workspace_id: str, run: Run, events: int, a_second: float) -> None:
    started, written = time.monotonic(), 0
    connection = await _again(url)
    while written < events:
        call_ids = [new_id("call") for _ in range(min(CALLS_AT_ONCE, -(-(events - written) // len(STATES))))]
        for place, state in enumerate(STATES):
            for call_id in call_ids[: events - written]:
                await asyncio.sleep(max(0.0, started + written / a_second - time.monotonic()))
                event = {"id": call_id, "workspace": workspace_id, "state": state}
                while True:
                    try:
                        await connection.execute(_CALL if state == "queued" else _EVENT, event)
                        break
                    except psycopg.OperationalError:
                        connection = await _again(url)
                run.committed_at[call_id, place + 1] = time.time()
                written += 1
    await connection.close()


async def _again(url: str) -> psycopg.AsyncConnection:
    while True:
        try:
            return await psycopg.AsyncConnection.connect(connection_url(url), autocommit=True)
        except psycopg.OperationalError:
            await asyncio.sleep(0.2)


async def _run_senders(url: str, run: Run, server: EmbeddedPostgres, lasts_s: float, *, disturb: bool) -> None:
    """A third of the way one is killed, at two thirds the database."""
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(_process("bench.webhook_sender", url)) for _ in range(SENDERS)]
        for sender in senders:
            assert sender.stdout is not None
            await asyncio.to_thread(sender.stdout.readline)
        run.up.set()
        started = time.monotonic()
        disturbances = [(lasts_s / 3, "sender"), (lasts_s * 2 / 3, "database")] if disturb else []
        while not run.done:
            await asyncio.sleep(0.5)
            run.memory_mb.append(max((_memory_mb(each) for each in senders if each.poll() is None), default=0.0))
            if disturbances and time.monotonic() - started > disturbances[0][0]:
                run.disturbed_at.append(time.time())
                if disturbances.pop(0)[1] == "sender":
                    senders.pop(0).kill()
                    senders.append(stack.enter_context(_process("bench.webhook_sender", url)))
                else:
                    postmaster = server.postmaster()
                    assert postmaster is not None
                    postmaster.kill()
                    postmaster.wait(10)
                    await asyncio.to_thread(server.revive)


def _memory_mb(process: "subprocess.Popen[str]") -> float:
    with contextlib.suppress(psutil.Error):
        return float(psutil.Process(process.pid).memory_info().rss / 1e6)
    return 0.0


async def _until_told(url: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    connection = await _again(url)
    while time.monotonic() < give_up_at:
        row = await (await connection.execute(_LEFT)).fetchone()
        if row is not None and row[0] == 0:
            break
        await asyncio.sleep(0.2)
    await connection.close()


@contextlib.contextmanager
def _process(module: str, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _result(run: Run, received: Sequence[Sequence[str]], events: int, a_second: int) -> Result:
    first: dict[tuple[str, int], float] = {}
    order: dict[str, list[int]] = defaultdict(list)
    again = 0
    for call_id, sequence, _, at in received:
        key = (call_id, int(sequence))
        if key in first:
            again += 1
            continue
        first[key] = float(at)
        order[call_id].append(int(sequence))
    lost = len(run.committed_at.keys() - first.keys())
    disordered = sum(1 for sequences in order.values() if sequences != sorted(sequences))
    waits = {key: (at - run.committed_at[key]) * 1000 for key, at in first.items() if key in run.committed_at}
    calm = [
        wait
        for key, wait in waits.items()
        if not any(at - 1 < run.committed_at[key] < at + DISTURBED_S for at in run.disturbed_at)
    ]
    return Result(
        name="webhooks",
        title=f"Webhooks: {events} events at {a_second} a second, a sender killed, the database crashed",
        figures=[
            Figure(name="events lost", value=lost, unit="", target=1),
            Figure(name="calls out of order", value=disordered, unit="", target=1),
            Figure(name="commit to receiver, p50", value=percentile(calm, 50), unit="ms", target=TARGET_P50_MS),
            Figure(name="memory of a sender, highest", value=max(run.memory_mb, default=0.0), unit="MB"),
        ],
        rows=[
            {
                "events": len(run.committed_at),
                "told": len(first),
                "told again": again,
                "p50 ms": round(percentile(calm, 50), 1),
                "p95 ms": round(percentile(calm, 95), 1),
                "p99 ms": round(percentile(calm, 99), 1),
                "longest s, disturbed": round(max(waits.values(), default=0.0) / 1000, 1),
                "memory at first MB": round(run.memory_mb[min(10, len(run.memory_mb) - 1)], 1),
                "memory at last MB": round(run.memory_mb[-1], 1),
            }
        ],
        notes=[
            "Times are of what was committed while nothing was disturbed, nor in the 40 s after it.",
            "What was told again is what a sender had sent when it was killed, or the database when it crashed.",
        ],
    )


# The last try to write it may have been taken.
_EVENT = """
    INSERT INTO call_events (call_id, type, data)
    SELECT %(id)s, 'state', jsonb_build_object('state', %(state)s::text, 'attempt', 1)
    WHERE NOT EXISTS (SELECT FROM call_events WHERE call_id = %(id)s AND data ->> 'state' = %(state)s)
"""
_CALL = f"""
    WITH call AS (
        INSERT INTO calls (id, workspace_id, direction, state, "from", "to", ring_timeout_s, max_duration_s, metadata)
        VALUES (%(id)s, %(workspace)s, 'outbound', 'ringing', '+15551230002', '+15551230001', 30, 600,
            '{{"crm_id": 4711}}')
        ON CONFLICT (id) DO NOTHING
    ) {_EVENT}
"""
_LEFT = """
    SELECT (SELECT count(*) FROM webhook_outbox)
        + (SELECT count(*) FROM webhook_deliveries WHERE finished_at IS NULL)
"""
