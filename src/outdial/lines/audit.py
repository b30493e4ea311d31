"""The audit of lines and seats: the counters of each pool against the calls that hold a line of it, and what has a seat
against the attempts that are live."""

import logging

from sqlalchemy import ScalarSelect, Select, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import metrics
from outdial.db.committed import once_committed
from outdial.db.engine import is_lock_timeout, reading
from outdial.db.notify import notify
from outdial.db.tables import calls, pools
from outdial.db.workers_tables import an_older_lives
from outdial.lines.pool import correct, lock_pool
from outdial.lines.seats import audit_seats
from outdial.telephony.state import CallDirection, CallState

logger = logging.getLogger(__name__)


async def audit_pools(engine: AsyncEngine) -> None:
    """Count the lines in use again. A difference is a bug: it is logged loudly, and mended.

    Counter and calls change together, so in one statement's view of the database they agree: only a pool that
    doesn't is locked.
    """
    for workspace_id in await _differing(engine):
        try:
            await _mend(engine, workspace_id)
        except OperationalError as error:  # somebody has this pool for long: it is looked at again at the next audit
            if not is_lock_timeout(error):
                raise


async def give_leaked_seats_back(engine: AsyncEngine, *, expected: bool = False) -> None:
    """A seat whose attempt is over, or never was, is a bug as well; unless it is `expected`: a worker that knows of no
    seats has ended the call."""
    async with engine.begin() as conn:
        if seats := await audit_seats(conn):
            level = logging.INFO if expected else logging.ERROR
            logger.log(level, "Seats given back: their calls are over", extra={"count": seats})


async def is_beside_an_older(engine: AsyncEngine) -> bool:
    """Whether a worker lives that knows of no seats."""
    async with reading(engine) as conn:
        return bool(await conn.scalar(_BESIDE_AN_OLDER))


_BESIDE_AN_OLDER = select(an_older_lives())


async def _mend(engine: AsyncEngine, workspace_id: str) -> None:
    async with engine.begin() as conn:
        await lock_pool(conn, workspace_id)
        row = (await conn.execute(_counted().where(pools.c.workspace_id == workspace_id))).one()
        if (row.used_outbound, row.used_inbound) == (row.outbound, row.inbound):
            return
        used = {"used_outbound": row.outbound, "used_inbound": row.inbound}
        logger.error("Pool counter corrected", extra={"workspace_id": workspace_id, **used})
        await correct(conn, workspace_id, **used)
        await notify(conn, "outdial_queue", workspace_id)
        once_committed(conn, metrics.LINES_CORRECTED.inc)


async def _differing(engine: AsyncEngine) -> list[str]:
    async with reading(engine) as conn:
        rows = (await conn.execute(_counted())).all()
    return [row.workspace_id for row in rows if (row.used_outbound, row.used_inbound) != (row.outbound, row.inbound)]


def _counted() -> Select[tuple[str, int, int, int, int]]:
    """Each pool's counters, and the calls that hold a line of it."""

    def holders(direction: CallDirection) -> ScalarSelect[int]:
        return (
            select(func.count())
            .where(
                calls.c.workspace_id == pools.c.workspace_id,
                calls.c.direction == direction,
                calls.c.holds_line,
                calls.c.state.not_in([CallState.QUEUED, CallState.ENDED]),
            )
            .scalar_subquery()
        )

    return select(
        pools.c.workspace_id,
        pools.c.used_outbound,
        pools.c.used_inbound,
        holders(CallDirection.OUTBOUND).label("outbound"),
        holders(CallDirection.INBOUND).label("inbound"),
    )
