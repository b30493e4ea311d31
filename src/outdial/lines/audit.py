"""The lines in use, recounted: the counter of a pool against the calls that hold a line of it."""

import logging
from typing import Any

from sqlalchemy import Row, ScalarSelect, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import reading
from outdial.db.notify import notify
from outdial.db.tables import calls, pools
from outdial.telephony.state import CallDirection, CallState

logger = logging.getLogger(__name__)


async def audit_pools(engine: AsyncEngine) -> None:
    """Recount the lines in use. A difference is a bug: it is logged loudly, and mended.

    Counter and calls change together, so in one statement's view of the database they agree: only a pool that
    doesn't is locked.
    """
    async with reading(engine) as conn:
        miscounted = [row.workspace_id for row in await conn.execute(_counted()) if _mended(row)]
    for workspace_id in miscounted:
        async with engine.begin() as conn:
            pool = pools.c.workspace_id == workspace_id
            await conn.execute(select(pools.c.workspace_id).where(pool).with_for_update())
            used = _mended((await conn.execute(_counted().where(pool))).one())
            if used:
                logger.error("Lines miscounted", extra={"workspace_id": workspace_id, **used})
                await conn.execute(update(pools).where(pool).values(**used))
                await notify(conn, "outdial_queue", workspace_id)


def _counted() -> Select[Any]:
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
        pools,
        holders(CallDirection.OUTBOUND).label("outbound"),
        holders(CallDirection.INBOUND).label("inbound"),
    )


def _mended(row: Row[Any]) -> dict[str, int]:
    """What the counters must be; {} when they are."""
    if (row.used_outbound, row.used_inbound) == (row.outbound, row.inbound):
        return {}
    return {"used_outbound": row.outbound, "used_inbound": row.inbound}
