"""Who is alive: a worker holds a session advisory lock on a connection of its own for as long as it lives.

An expired lease alone is no proof of death (a process can be frozen); an expired lease and a free lock are.
"""

import asyncio
import logging
import os
import secrets
import socket
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.engine import connection_url
from outdial.db.tables import attempts, workers
from outdial.ids import new_id

logger = logging.getLogger(__name__)


class WorkerLost(RuntimeError):
    """The connection that holds our lock broke: others may take us for dead, so we must stop."""


class Worker:
    """This process as an owner of calls, alive inside `async with`."""

    def __init__(self, engine: AsyncEngine, url: str) -> None:
        self.id = new_id("worker")
        self._engine = engine
        self._url = connection_url(url)
        self._lock_key = secrets.randbits(62)
        self._connection: psycopg.AsyncConnection | None = None

    async def __aenter__(self) -> Self:
        self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        await self._connection.execute("SELECT pg_advisory_lock(%s)", (self._lock_key,))
        async with self._engine.begin() as conn:
            await conn.execute(
                insert(workers).values(
                    id=self.id, lock_key=self._lock_key, host=socket.gethostname(), pid=os.getpid()
                )
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def watch(self, every_s: float = 2.0) -> None:
        """Returns never; raises WorkerLost when the lock's connection is gone."""
        assert self._connection is not None
        while True:
            try:
                async with asyncio.timeout(10):
                    await self._connection.execute("SELECT 1")
            except (psycopg.Error, TimeoutError) as error:
                raise WorkerLost("the database connection that proves we are alive was lost") from error
            await asyncio.sleep(every_s)


async def is_dead(conn: AsyncConnection, worker_id: str | None) -> bool:
    """Whether a worker's lock is free (or the worker was never known)."""
    if worker_id is None:
        return True
    query = select(workers.c.lock_key).where(workers.c.id == worker_id)
    lock_key = (await conn.execute(query)).scalar_one_or_none()
    if lock_key is None:
        return True
    # Taken for this transaction only; if we can take it, nobody holds it.
    return bool((await conn.execute(select(func.pg_try_advisory_xact_lock(lock_key)))).scalar_one())


async def forget_dead_workers(engine: AsyncEngine) -> None:
    """Remove the rows of workers that have died and own nothing any more."""
    async with engine.begin() as conn:
        owned = select(attempts.c.owner).where(attempts.c.state != "ended", attempts.c.owner.is_not(None))
        query = select(workers.c.id).where(workers.c.id.not_in(owned))
        for worker_id in (await conn.execute(query)).scalars().all():
            if await is_dead(conn, worker_id):
                await conn.execute(delete(workers).where(workers.c.id == worker_id))
