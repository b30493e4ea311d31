"""The processes that run on a database: what each is there for, and how much room it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.workers import is_seen
from outdial.db.tables import seats, workers
from outdial.lines.seats import gives_seats


class WorkerState(StrEnum):
    SERVES = "serves"
    DRAINS = "drains"  # so it says itself, or is asked to
    AWAY = "away"      # not seen for its lease: it has died, or can't reach the database


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """`taken`: seats that calls have, live or about to be; `free`: those it would give now; `live`: conversations under
    way, as of `seen_at`. `clock_ahead_s`: how far its host's clock is ahead of the database's; it and `open_files` are
    None of a version too old to say so."""

    id: str
    state: WorkerState
    roles: tuple[str, ...]
    version: str | None
    host: str
    pid: int
    stream_url: str | None
    internal_url: str | None
    seats: int
    taken: int
    free: int
    live: int
    started_at: datetime
    seen_at: datetime | None
    clock_ahead_s: float | None
    open_files: int | None


async def list_workers(conn: AsyncConnection) -> Sequence[WorkerView]:
    """The oldest first. Those that were seen once, for as long as the database remembers them."""
    taken, free = _counted(taken=True).label("taken"), _counted(taken=False).label("free")
    told = (is_seen().label("is_seen"), gives_seats().label("gives_seats"), taken, free)
    query = select(workers, *told).order_by(workers.c.started_at, workers.c.id)
    return [
        WorkerView(
            id=row.id,
            state=_state(is_seen=row.is_seen, drains=row.draining or row.drain_requested_at is not None),
            roles=tuple(row.roles),
            version=row.version,
            host=row.host,
            pid=row.pid,
            stream_url=row.stream_url,
            internal_url=row.internal_url,
            seats=row.seats,
            taken=row.taken,
            free=row.free if row.gives_seats else 0,
            live=row.live,
            started_at=row.started_at,
            seen_at=row.seen_at,
            clock_ahead_s=row.clock_ahead_s,
            open_files=row.open_files,
        )
        for row in await conn.execute(query)
    ]


def _state(*, is_seen: bool, drains: bool) -> WorkerState:
    if not is_seen:
        return WorkerState.AWAY
    return WorkerState.DRAINS if drains else WorkerState.SERVES


def _counted(*, taken: bool) -> ScalarSelect[int]:
    whose = seats.c.attempt_id.is_not(None) if taken else seats.c.attempt_id.is_(None)
    return select(func.count()).where(seats.c.worker_id == workers.c.id, whose).scalar_subquery()
