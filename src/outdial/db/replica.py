"""A replica of the database (a standby that streams), where the operator has one: whether it may be asked for people,
and up to when everything is in what it tells.

No clock of another host is believed for that, nor a replica's own word that it is up to date: one that hears nothing
any more believes so, too. Every second the primary says where its log ends; when the replica has replayed it up to
there, it has all that was committed by then.
"""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import metrics
from outdial.db.engine import create_engine, cut_connections, is_away, put_away, reading, why

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
PATIENCE_S = 2.0      # with a replica that doesn't answer
REMEMBERED = 3600     # ends of the primary's log, one a second: who is further behind can't say how far


class Standing(StrEnum):
    """What a replica is to this process."""

    IN_USE = "in use"
    NOT_SEEN = "not looked at yet"
    AWAY = "it can't be reached"
    ANOTHER = "it is a replica of another database"
    NO_STANDBY = "it is no standby"
    LATE = "it is too far behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """Where the primary's log ended, in bytes; all that was committed by then is before that."""

    end: int
    at: datetime     # by the primary's clock
    noted_at: float  # by this process's monotonic clock


class Replica:
    """The replica at `url` of the database of `primary`. Asked while it is at most `max_lag_s` behind."""

    def __init__(self, url: str, primary: AsyncEngine, *, max_lag_s: float) -> None:
        self.engine = create_engine(url)
        self._primary = primary
        self._max_lag_s = max_lag_s
        self._marks: deque[_Mark] = deque(maxlen=REMEMBERED)
        self._database = ""
        self._reached: _Mark | None = None
        self._found = Standing.NOT_SEEN
        self._told: Standing | None = None

    @property
    def lag_s(self) -> float | None:
        """How old what it tells may be; None where nobody can say."""
        return None if self._reached is None else time.monotonic() - self._reached.noted_at

    @property
    def standing(self) -> Standing:
        lag_s = self.lag_s
        if self._found is Standing.IN_USE and (lag_s is None or lag_s > self._max_lag_s):
            return Standing.LATE
        return self._found

    @property
    def as_of(self) -> datetime | None:
        """Up to when everything is in what it tells; None while it isn't to be asked."""
        return self._reached.at if self._reached is not None and self.standing is Standing.IN_USE else None

    def failed(self, error: Exception) -> None:
        """It couldn't answer: it isn't asked again before it was looked at."""
        self._found = Standing.AWAY
        self._tell(error)

    async def watch(self, every_s: float = LOOK_EVERY_S) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def look(self) -> Standing:
        """Both, once; how it stands. Never raises for what databases do."""
        error: BaseException | None = None
        try:
            await self._mark()
        except Exception as failure:  # it ages meanwhile
            error = failure
        asking = asyncio.create_task(self._look_at_replica(), name="look at the replica")
        try:
            await asyncio.wait({asking}, timeout=PATIENCE_S)
            if not asking.done():  # whoever else waits for it is told, too
                cut_connections(self.engine)
                await asyncio.wait({asking}, timeout=PATIENCE_S)
        finally:
            asking.cancel()
        if asking.done() and (error := asking.exception()) is None:
            self._found = asking.result()
        else:
            self._found = Standing.AWAY
        self._tell(error)
        return self.standing

    async def aclose(self) -> None:
        await put_away(self.engine)

    async def _mark(self) -> None:
        noted_at = time.monotonic()
        async with reading(self._primary) as conn:
            row = (await conn.execute(_PRIMARY)).one()
        self._database = row.database
        self._marks.append(_Mark(end=row.end_of_log, at=row.at, noted_at=noted_at))

    async def _look_at_replica(self) -> Standing:
        async with reading(self.engine) as conn:
            row = (await conn.execute(_REPLICA)).one()
        if row.database != self._database:
            return Standing.ANOTHER if self._database else Standing.NOT_SEEN
        if not row.is_standby or row.replayed is None:
            return Standing.NO_STANDBY
        while self._marks and self._marks[0].end <= row.replayed:
            self._reached = self._marks.popleft()
        return Standing.IN_USE

    def _tell(self, error: BaseException | None) -> None:
        """The log, of each change once; the metrics."""
        now, lag_s = self.standing, self.lag_s
        metrics.REPLICA_LAG.set(float("nan") if lag_s is None else lag_s)
        metrics.REPLICA_IN_USE.set(now is Standing.IN_USE)
        if now is self._told:
            return
        self._told = now
        if now is Standing.IN_USE:
            logger.info("Replica in use", extra={"lag_s": None if lag_s is None else round(lag_s, 1)})
            return
        extra = {"reason": now.value, "lag_s": None if lag_s is None else round(lag_s, 1)}
        if isinstance(error, Exception):
            extra["error"] = why(error)
        logger.warning("Replica not used: lists and figures are read from the primary", extra=extra)


def is_for_the_primary(error: SQLAlchemyError) -> bool:
    """Whether what a replica couldn't answer may be asked of the primary: it is away, or had to end the query to go on
    replaying. What took too long would take too long there as well."""
    return is_away(error) and getattr(getattr(error, "orig", None), "sqlstate", None) != _TOOK_TOO_LONG


_TOOK_TOO_LONG = "57014"  # query_canceled: by the limit of a statement
_DATABASE = """
    (SELECT system_identifier FROM pg_control_system())::text
        || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text AS database
"""
# The clock first: what is committed by then is before the end that is read afterwards.
_PRIMARY = text(f"""
    SELECT clock.at, (pg_current_wal_insert_lsn() - '0/0')::bigint AS end_of_log, {_DATABASE}
    FROM (SELECT clock_timestamp() AS at OFFSET 0) AS clock
""")  # noqa: S608 - put together of constants
_REPLICA = text(f"""
    SELECT pg_is_in_recovery() AS is_standby, (pg_last_wal_replay_lsn() - '0/0')::bigint AS replayed, {_DATABASE}
""")
