"""Who is alive: a worker holds a session advisory lock on a connection of its own for as long as it lives.

An expired lease alone is no proof of death (a process can be frozen); an expired lease and a free lock are. A lock is
lost with its database, too: its worker takes it anew under its old name, and owns what nobody took over meanwhile.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import psycopg
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.db.engine import cut_connections, is_pooled, why
from outdial.db.session import Session, Silent
from outdial.db.tables import attempts, workers
from outdial.ids import new_id
from outdial.logs import Seldom
from outdial.repeating import Pauses
from outdial.version import __version__

logger = logging.getLogger(__name__)

PROVEN_FOR_S = 10.0     # an answer on the lock's connection says that the lock was ours when it was asked
SLOW_S = 2.0            # a database that takes longer for an answer may be coming back for others as well
HELD_ELSEWHERE_S = 30.0  # looking whether we are dead takes our lock for a moment, over and over
AGAIN = Pauses(first_s=0.1, longest_s=1.0)
LOOK_EVERY_S = 0.05


class WorkerLost(RuntimeError):
    """This process can't be an owner of calls any more; the message says why."""


class MayDial(Protocol):
    """Whether a process may dial, as those see it who do."""

    @property
    def holds_lock(self) -> bool: ...

    async def holds_lock_before(self, deadline: float) -> bool: ...


class Unlocked:
    """Of who is nobody's worker: a claim holds as long as its lease."""

    holds_lock = True

    async def holds_lock_before(self, deadline: float) -> bool:
        return clock.time() < deadline


class Worker:
    """This process as an owner of calls, alive inside `async with` while `watch` runs."""

    def __init__(self, engine: AsyncEngine, url: str) -> None:
        self.id = new_id("worker")
        self._engine = engine
        self._url = url
        self._lock_key = secrets.randbits(62)
        self._session: Session | None = None
        self._backend: int | None = None        # the server's process that has, or had, our lock
        self._database: str | None = None       # which database it was
        self._proven_at: float | None = None    # both by the monotonic clock; None: the lock is lost
        self._steady_since: float | None = None
        self._away = Seldom()
        self._wrong_clock = Seldom()
        self._regained: list[Callable[[], None]] = []

    async def __aenter__(self) -> Self:
        if not await self._take():
            raise WorkerLost("another process holds the lock of this one")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._let_go()

    @property
    def holds_lock(self) -> bool:
        """Whether we hold our lock, as far as we know: while we don't, others may take our calls over."""
        return self._proven_at is not None and time.monotonic() - self._proven_at < PROVEN_FOR_S

    async def holds_lock_before(self, deadline: float) -> bool:
        """Whether we hold it now, or take it anew before `deadline` (Unix time)."""
        while not self.holds_lock and clock.time() < deadline:  # noqa: ASYNC110 - it is lost by time that passes, too
            await asyncio.sleep(LOOK_EVERY_S)
        return clock.time() < deadline

    def is_steady_for(self, seconds: float) -> bool:
        """Whether we have held it for so long, from a database that answers: after an outage everybody's lock is free,
        and their owners need a moment to take it anew."""
        return (
            self.holds_lock and self._steady_since is not None and time.monotonic() - self._steady_since >= seconds
        )

    def when_regained(self, tell: Callable[[], None]) -> None:
        """`tell` is called each time when the lock was lost and is held again."""
        self._regained.append(tell)

    async def watch(self, every_s: float = 2.0) -> None:
        """Keep the lock, and take it anew when it is lost with its database, until cancelled. Raises WorkerLost when
        that can't be."""
        while True:
            try:
                if not await self._prove():
                    continue
            except psycopg.Error as error:
                logger.warning("Worker lock lost", extra={"reason": type(error).__name__})
                if isinstance(error, Silent):
                    cut_connections(self._engine)
                await self._let_go()
                await self._regain()
            await asyncio.sleep(every_s)

    async def _prove(self) -> bool:
        """Whether it was answered at once. Raises psycopg.Error."""
        assert self._session is not None
        asked_at = time.monotonic()
        booted_s = clock.since_boot()
        row = await self._session.ask("SELECT extract(epoch FROM clock_timestamp())::float8")
        answered_at = time.monotonic()
        self._proven_at = asked_at
        is_quick = answered_at - asked_at < SLOW_S
        if not is_quick:
            self._steady_since = answered_at
        elif row is not None:
            self._tell_time(row[0], (booted_s + clock.since_boot()) / 2)
        return is_quick

    def _tell_time(self, true: float, at: float) -> None:
        clock.HOUSE.set(true, at)
        off_s = clock.HOUSE.wall_is_off_s
        if off_s and (times := self._wrong_clock.again()):
            logger.warning("Clock of this computer is wrong", extra={"ahead_s": round(off_s, 1), "times": times})

    async def _regain(self) -> None:
        """Take the lock anew, however long the database is away. Raises WorkerLost."""
        lost_at, failures, held_elsewhere_since = time.monotonic(), 0, None
        while True:
            reason = "its lock is not free yet"
            try:
                if await self._take():
                    break
                held_elsewhere_since = held_elsewhere_since or time.monotonic()
                if time.monotonic() - held_elsewhere_since > HELD_ELSEWHERE_S:
                    raise WorkerLost("another process holds the lock of this one")
            except psycopg.Error as error:
                reason, held_elsewhere_since = why(error), None
                if isinstance(error, Silent) or is_pooled(self._engine):  # a pooler lets everybody wait for minutes
                    cut_connections(self._engine)
            failures += 1
            if times := self._away.again():
                away_s = round(time.monotonic() - lost_at)
                logger.warning("Database away", extra={"reason": reason, "away_s": away_s, "times": times})
            await asyncio.sleep(AGAIN.after(failures))
        logger.info("Worker lock taken anew", extra={"away_s": round(time.monotonic() - lost_at, 1)})
        for tell in self._regained:
            tell()

    async def _take(self) -> bool:
        """Take the lock on a new connection; False where somebody has it. Raises psycopg.Error, and WorkerLost where
        this is another database than before."""
        asked_at = time.monotonic()
        session = await Session.open(self._url)
        try:
            await self._look_at(session)
            row = await session.ask("SELECT pg_try_advisory_lock(%s), pg_backend_pid()", [self._lock_key])
            assert row is not None
            if not row[0]:
                await session.ask(_END_OLD_SESSION, [self._backend, self._lock_key])
                return False
            # Who is dead and owns nothing is forgotten: with our lock in hand we are alive again.
            await session.ask(_ENTER, [self.id, self._lock_key, socket.gethostname(), os.getpid(), __version__])
            self._session, self._backend, session = session, row[1], None  # type: ignore[assignment]
            self._proven_at, self._steady_since = asked_at, time.monotonic()
            return True
        finally:
            if session is not None:
                await session.close()

    async def _look_at(self, session: Session) -> None:
        """Whether calls can be written down there, and whether it is the database that knows ours."""
        try:
            row = await session.ask(_DATABASE, [self.id])
        except psycopg.errors.UndefinedTable as error:
            raise WorkerLost("this is another database: it has no tables of Outdial") from error
        assert row is not None
        is_read_only, database, knows_us = row
        if is_read_only:
            raise psycopg.OperationalError("the database is a standby")
        if self._database not in (None, database) and not knows_us:
            raise WorkerLost("this is another database: it doesn't know this process")
        self._database = database

    async def _let_go(self) -> None:
        self._proven_at = self._steady_since = None
        session, self._session = self._session, None
        if session is not None:
            await session.close()


# A replica that was promoted is the same database; so is a copy in which we are entered.
_DATABASE = """
    SELECT current_setting('transaction_read_only') = 'on',
        (SELECT system_identifier FROM pg_control_system())::text
            || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text,
        EXISTS (SELECT FROM workers WHERE id = %s)
"""

_ENTER = """
    INSERT INTO workers (id, lock_key, host, pid, version) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING
"""

# The server may not have noticed yet that our old connection is gone.
_END_OLD_SESSION = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pid = %s
        AND (classid::bigint << 32 | objid::bigint) = %s
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def is_seen() -> ColumnElement[bool]:
    """Whether a worker's heartbeat is younger than its lease."""
    lease = func.make_interval(0, 0, 0, 0, 0, 0, workers.c.lease_s)
    return func.coalesce(workers.c.seen_at > func.clock_timestamp() - lease, False)


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
    """Remove the rows of workers that have died and own nothing any more, and their seats."""
    async with engine.begin() as conn:
        owned = select(attempts.c.owner).where(attempts.c.state != "ended", attempts.c.owner.is_not(None))
        query = select(workers.c.id).where(workers.c.id.not_in(owned), ~is_seen())
        for worker_id in (await conn.execute(query)).scalars().all():
            if await is_dead(conn, worker_id):
                await conn.execute(delete(workers).where(workers.c.id == worker_id))
