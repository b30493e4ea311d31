"""What a job is, and how one is added."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import procrastinate
import psycopg
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.repeating import Pauses

AGAIN = Pauses(first_s=5.0, longest_s=600.0, tries=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that a process with the role `jobs` does, whichever has room for it. It may be done twice, and at the same
    time: a process that is frozen for half a minute is taken for dead.

    `name` is how the database knows it, so it never changes; a process takes only jobs whose names it knows. `run` gets
    what the job was added with: JSON, stored as it is, so ids and never a number of somebody or a secret.

    `every` (cron, UTC) makes it a repeated one, added by the processes themselves, once for all of them. At most one
    such waits and one runs; one that fails waits for its next time. Any other is tried again, with `pauses`.
    """

    name: str
    run: Callable[..., Awaitable[None]]
    every: str | None = None
    pauses: Pauses = AGAIN

    @property
    def lock(self) -> str | None:
        """Held by the one that runs, and by the one that waits."""
        return self.name if self.every is not None else None

    def may_fail_again(self, failures: int) -> bool:
        """Whether it is tried again after so many failures."""
        return self.every is None and not self.pauses.are_over(failures)


async def add_job(conn: AsyncConnection, job: Job, **arguments: Any) -> bool:
    """Have a job done once the caller's transaction is committed, by whoever runs jobs; rolled back, and there is none.

    False when it is a repeated one that waits already.
    """
    connection = cast("psycopg.AsyncConnection[Any]", (await conn.get_raw_connection()).driver_connection)
    deferrer = _ADDING.configure_task(
        job.name,
        connection=connection,
        queue=job.name,
        lock=job.lock,
        queueing_lock=job.lock,
        allow_unknown=True,
    )
    try:
        async with conn.begin_nested():  # what is taken already would end the caller's transaction, too
            await deferrer.defer_async(**arguments)
    except AlreadyEnqueued:
        return False
    return True


async def add_job_named(conn: AsyncConnection, name: str, *, in_s: float = 0.0, **arguments: Any) -> None:
    """As `add_job`, of one that isn't repeated, by its name: for whoever stands below those who know what it does. It
    begins in `in_s` seconds, or a little later."""
    connection = cast("psycopg.AsyncConnection[Any]", (await conn.get_raw_connection()).driver_connection)
    later = {"schedule_in": {"seconds": in_s}} if in_s else {}
    deferrer = _ADDING.configure_task(name, connection=connection, queue=name, allow_unknown=True, **later)
    await deferrer.defer_async(**arguments)


# Never opened: it works on the connections it is given.
_ADDING = procrastinate.App(connector=procrastinate.PsycopgConnector())
