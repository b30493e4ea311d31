"""What `outdial doctor` says of the processes that serve, on whatever host: seats, versions, clocks, files, and those
that are stuck. The first two ask the database, the rest is pure."""

import time
from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial import open_files
from outdial.cli.findings import Finding, Status
from outdial.db.workers_tables import ALIVE
from outdial.history.workers import WorkerState, WorkerView

APART_S = 2.0      # from here on times in logs don't fit
TOO_FAR_S = 240.0  # carriers sign times: their callbacks are refused when the database's clock is wrong by 300 s


async def holding_locks(conn: AsyncConnection) -> frozenset[str]:
    """The ids of the workers that live, also of one that is frozen."""
    return frozenset(row.id for row in await conn.execute(ALIVE))


async def ahead_of(conn: AsyncConnection) -> float:
    """How many seconds this machine's clock is ahead of the database's."""
    before = time.time()
    there = float(await conn.scalar(text("SELECT extract(epoch FROM clock_timestamp())::double precision")) or 0)
    return (before + time.time()) / 2 - there


def judge(workers: Sequence[WorkerView], alive: Collection[str]) -> Iterator[Finding]:
    """`workers` are all that the database remembers; `alive`: the ids of those whose lock is held."""
    found = [worker for worker in workers if worker.state is not WorkerState.AWAY]
    for worker in workers:
        if worker.state is WorkerState.AWAY and worker.id in alive:
            todo = f"See that its host isn't frozen or out of memory, and its log; else end the process {worker.pid}."
            what = f"{worker.id} on {worker.host} lives but says nothing any more: its calls can't be taken over"
            yield Finding(subject="Worker", status=Status.FAIL, found=what, todo=todo)
    for worker in found:
        yield from _of_one(worker)
    if found and not any(worker.seats and worker.state is WorkerState.SERVES for worker in found):
        todo = "Start one: outdial serve --role media. Until then calls wait, and callers are turned away."
        if any(worker.seats for worker in found):
            todo = "All of them drain. Until one takes calls again, calls wait, and callers are turned away."
        yield Finding(subject="Seats", status=Status.FAIL, found="no worker holds conversations", todo=todo)
    if len({worker.version for worker in found}) > 1:
        versions = ", ".join(sorted({worker.version or "unknown" for worker in found}))
        todo = "While they are being replaced this is right; else stop those of the older version."
        yield Finding(subject="Versions", status=Status.WARN, found=f"several at once: {versions}", todo=todo)
    addresses = [worker.stream_url for worker in found if worker.seats]
    if len(addresses) > len(set(addresses)):
        todo = "Give each its own, with OUTDIAL_STREAM_URL; behind one address calls' audio comes to any of them."
        yield Finding(subject="Streams", status=Status.WARN, found="workers share an address for audio", todo=todo)


def _of_one(worker: WorkerView) -> Iterator[Finding]:
    room = f"{worker.free} of {worker.seats} seats free" if worker.seats else "no seats"
    told = f"{worker.id} on {worker.host}, {worker.version}: {', '.join(worker.roles)}; {room}"
    if worker.state is WorkerState.DRAINS:
        todo = f"It takes no new calls. To have it take some again: outdial workers undrain {worker.id}"
        yield Finding(subject="Worker", status=Status.WARN, found=f"{told}; drains", todo=todo)
    else:
        yield Finding(subject="Worker", status=Status.OK, found=told)
    if worker.open_files is not None and worker.open_files < open_files.ENOUGH:
        what = f"{worker.id} on {worker.host} may open {worker.open_files:,} files"
        todo = f"Allow {open_files.ENOUGH:,} or more there (LimitNOFILE=, --ulimit nofile=), and start it again."
        yield Finding(subject="Open files", status=Status.WARN, found=what, todo=todo)


def clocks(here_ahead_s: float, workers: Sequence[WorkerView]) -> Iterator[Finding]:
    """This machine's clock and those of the workers' hosts, against the database's."""
    ahead = {"this machine": here_ahead_s}
    for worker in workers:
        if worker.state is not WorkerState.AWAY and worker.clock_ahead_s is not None:
            ahead[worker.host] = worker.clock_ahead_s
    off = {name: seconds for name, seconds in ahead.items() if abs(seconds) >= APART_S}
    if not off:
        most = max(abs(seconds) for seconds in ahead.values())
        hosts = len(ahead) - 1
        whose = "this machine's" + (f" and those of {hosts} {'host' if hosts == 1 else 'hosts'}" if hosts else "")
        what = f"{whose} are {most:.1f} s from the database's at the most"
        yield Finding(subject="Clocks", status=Status.OK, found=what)
    for name, seconds in off.items():
        how = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the database's"
        harm = "calls go by the database's, but times in logs don't fit"
        status = Status.WARN
        if abs(seconds) >= TOO_FAR_S:
            status = Status.FAIL
            harm += "; if the database's is the wrong one, callbacks whose carrier signs their time are refused"
        todo = "Have both machines set their clocks by the network (timedatectl set-ntp true, chrony)."
        yield Finding(subject="Clocks", status=status, found=f"{name} is {how}: {harm}", todo=todo)
