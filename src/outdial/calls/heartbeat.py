"""A worker's heartbeat: what it says of itself every few seconds, in its row of `workers`, and the seats it has.

The lock proves that a worker lives (`calls/workers.py`); the heartbeat says what it is there for. A worker that isn't
seen for half its lease gives no seats, nor does one whose lock others find free. A worker is also asked to drain by its
row, and obeys with its next heartbeat.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, null, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.tables import workers
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.draining import Drain
from outdial.lines.seats import close_seats, open_seats
from outdial.refusals import NotFound
from outdial.version import __version__
from outdial.workspaces.audit import Actor, record

logger = logging.getLogger(__name__)

BEATS_A_LEASE = 5
PATIENCE_S = 2.0  # with the database, when no more seats are to be given


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """What a worker is there for. `stream_url` is where carriers open the audio of the calls that have its `seats`;
    `secret_keys` are the ids of those it reads with; `open_files` is how many it may open."""

    roles: Collection[str]
    stream_url: str
    internal_url: str | None
    seats: int
    lease_s: float
    secret_keys: Sequence[str] = ()
    open_files: int | None = None


class Heartbeat:
    """Of one worker, `after` it can be reached. `live` counts its conversations; `drain` is begun, and taken back, as
    its row wants it."""

    def __init__(
        self,
        engine: AsyncEngine,
        worker_id: str,
        station: Station,
        drain: Drain,
        live: Callable[[], int] = lambda: 0,
        *,
        after: asyncio.Event | None = None,
    ) -> None:
        self._engine = engine
        self._worker_id = worker_id
        self._station = station
        self._drain = drain
        self._live = live
        self._after = after
        self._wake = Wake()
        self._seats_open = False
        self._beating = asyncio.Lock()
        drain.when_changed(self._wake.tell)

    def tell(self) -> None:
        """Beat at once."""
        self._wake.tell()

    async def run(self) -> None:
        """Until cancelled."""
        if self._after is not None:
            await self._after.wait()
        self._wake.tell()
        while True:
            await self._wake.wait(self._station.lease_s / BEATS_A_LEASE)
            try:
                await self.beat()
            except Exception as error:
                tell_trouble(self._engine, logger, "Heartbeat not written; trying again", error)

    async def beat(self) -> None:
        """One heartbeat. Raises what the database raises."""
        async with self._beating:
            async with self._engine.begin() as conn:
                drains = await self._write(conn)
            if drains is not None:
                self._drain.ask(wanted=drains)
                if drains and self._seats_open:  # asked for with this very beat
                    async with self._engine.begin() as conn:
                        await self._write(conn)

    async def close(self) -> None:
        """Give no more seats: when this returns, what was taken is taken, and nothing more will be. A database that
        doesn't answer gives none either."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.beat()
        except Exception as error:
            tell_trouble(self._engine, logger, "Heartbeat not written; trying again", error)

    async def _write(self, conn: AsyncConnection) -> bool | None:
        """Whether somebody wants this worker to drain; None where it isn't entered, as while its lock is lost."""
        station, draining = self._station, self._drain.has_begun
        values = {
            "worker": self._worker_id,
            "roles": sorted(station.roles),
            "version": __version__,
            "stream_url": station.stream_url,
            "internal_url": station.internal_url,
            "seats": station.seats,
            "live": self._live(),
            "draining": draining,
            "lease_s": station.lease_s,
            "secret_keys": list(station.secret_keys),
            "clock": time.time(),
            "open_files": station.open_files,
        }
        row = (await conn.execute(_BEAT, values)).one_or_none()
        if row is None:
            return None
        wanted = bool(row.is_wanted)
        if draining or wanted:
            await close_seats(conn, self._worker_id)
        elif not self._seats_open or row.gave_none:
            await open_seats(conn, self._worker_id, station.seats)
        self._seats_open = not (draining or wanted)
        await conn.execute(_UNSEE_DEAD, {"worker": self._worker_id})
        return wanted


_BEAT = text("""
    WITH before AS (
        SELECT id, seen_at IS NULL OR seen_at < clock_timestamp() - make_interval(secs => lease_s / 2) AS gave_none
        FROM workers WHERE id = :worker
    )
    UPDATE workers SET roles = CAST(:roles AS text[]), version = :version, stream_url = :stream_url,
        internal_url = :internal_url, seats = :seats, live = :live, draining = :draining, lease_s = :lease_s,
        secret_keys = CAST(:secret_keys AS text[]), open_files = :open_files,
        clock_ahead_s = CAST(:clock AS double precision) - extract(epoch FROM clock_timestamp()),
        seen_at = clock_timestamp()
    FROM before WHERE workers.id = before.id
    RETURNING before.gave_none, drain_requested_at IS NOT NULL AS is_wanted
""")
# A process that was killed leaves its lock at once: whoever beats next sees that, and no more calls go there. Passed
# over where it is beating itself.
_UNSEE_DEAD = text("""
    UPDATE workers SET seen_at = NULL WHERE id IN (
        SELECT id FROM workers
        WHERE id <> :worker AND seen_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                AND (classid::bigint << 32 | objid::bigint) = workers.lock_key
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        )
        FOR NO KEY UPDATE SKIP LOCKED
    )
""")


# -- asked from elsewhere ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBy:
    """Whoever wants a worker to drain, for the audit log of the workspace they are in."""

    actor: Actor
    workspace_id: str


async def ask_to_drain(engine: AsyncEngine, worker_id: str, *, wanted: bool, by: AskedBy | None = None) -> None:
    """Have a worker drain, or no longer: it gives no seats from now on, and obeys with its next heartbeat. Asking twice
    changes nothing. `by`: None at the command line. Raises NotFound."""
    at = func.coalesce(workers.c.drain_requested_at, func.now()) if wanted else null()
    async with engine.begin() as conn:
        host = await conn.scalar(
            update(workers).where(workers.c.id == worker_id).values(drain_requested_at=at).returning(workers.c.host)
        )
        if host is None:
            raise NotFound("worker_not_found", "There is no such worker.")
        if by is not None:
            act = "worker.drained" if wanted else "worker.undrained"
            await record(conn, by.workspace_id, by.actor, act, subject_id=worker_id, subject_name=host)
