"""Where what was is read for people: at the replica, where there is one and it may be asked; else at the primary.

Never what decides anything, and never what somebody reads who has just written: a replica is behind, if only a little.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import metrics
from outdial.db.engine import reading
from outdial.db.replica import Replica, is_for_the_primary
from outdial.instants import to_json

T = TypeVar("T")
AS_OF = "Outdial-As-Of"  # the header


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """What was read. `as_of`: all that happened by then is in it, and of what came later nothing may be; None: it is
    the primary's, and all that there is."""

    value: T
    as_of: datetime | None

    @property
    def headers(self) -> dict[str, str]:
        return _headers(self.as_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    primary: AsyncEngine
    replica: Replica | None = None

    def begin(self, *, fresh: bool = False) -> tuple["History", dict[str, str]]:
        """For an answer that is read piece by piece from now on: what to read, and the headers. What comes later is
        newer; but where they don't say how old it is, it is the primary's to its end, whatever a replica becomes."""
        as_of = None if self.replica is None or fresh else self.replica.as_of
        return (History(primary=self.primary) if as_of is None else self), _headers(as_of)

    async def read(self, ask: Callable[[AsyncConnection], Awaitable[T]], *, fresh: bool = False) -> Read[T]:
        """What `ask` reads. It may be asked twice: where the replica can't answer, the primary is. `fresh`: only the
        primary will do."""
        replica = self.replica
        as_of = None if replica is None or fresh else replica.as_of
        if replica is not None and as_of is not None:
            try:
                async with reading(replica.engine) as conn:
                    found = Read(await ask(conn), as_of)
            except SQLAlchemyError as error:
                if not is_for_the_primary(error):
                    raise
                replica.failed(error)
            else:
                metrics.HISTORY_READS.labels("replica").inc()
                return found
        async with reading(self.primary) as conn:
            now = Read(await ask(conn), None)
        metrics.HISTORY_READS.labels("primary").inc()
        return now


def _headers(as_of: datetime | None) -> dict[str, str]:
    return {} if as_of is None else {AS_OF: to_json(as_of)}
