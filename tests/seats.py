"""Seats for the calls of tests that run no process."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.tables import seats, workers
from outdial.lines.seats import open_seats

_lock_keys = itertools.count(1)


async def give_seats(engine: AsyncEngine, many: int = 200, **columns: Any) -> None:
    """A worker that is seen for the length of a test, whoever looks whether it lives, and its seats."""
    async with engine.begin() as conn:
        await insert_worker(conn, many, **columns)


async def insert_worker(
    conn: AsyncConnection,
    many: int = 200,
    *,
    worker_id: str = "worker_seats",
    stream_url: str = "wss://voice.example",
    **columns: Any,
) -> None:
    """`give_seats` as part of a transaction."""
    row = {"seats": many, "stream_url": stream_url, "lease_s": 86_400.0, "seen_at": func.now()} | columns
    entered = {"id": worker_id, "lock_key": next(_lock_keys), "host": "here", "pid": 1}
    await conn.execute(upsert(workers).values(entered | row).on_conflict_do_nothing())
    await open_seats(conn, worker_id, many)


async def seats_taken(engine: AsyncEngine) -> dict[str, str]:
    """The worker of each attempt that has a seat."""
    async with engine.connect() as conn:
        rows = await conn.execute(select(seats).where(seats.c.attempt_id.is_not(None)))
        return {row.attempt_id: row.worker_id for row in rows}


async def set_worker(engine: AsyncEngine, worker_id: str, **columns: Any) -> None:
    async with engine.begin() as conn:
        await conn.execute(update(workers).where(workers.c.id == worker_id).values(**columns))


@asynccontextmanager
async def an_older_worker(engine: AsyncEngine) -> AsyncIterator[None]:
    """A process of an Outdial lives that says no version, and has no seats."""
    lock_key = next(_lock_keys) + 1_000_000
    async with engine.connect() as conn:
        await conn.execute(insert(workers).values(id="worker_older", lock_key=lock_key, host="here", pid=1))
        await conn.execute(select(func.pg_advisory_lock(lock_key)))
        await conn.commit()
        try:
            yield
        finally:
            await conn.execute(select(func.pg_advisory_unlock(lock_key)))
            await conn.commit()
