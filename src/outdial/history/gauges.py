"""What stands in the database at this moment, as numbers: lines, queues, webhooks, and what calls came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import call_counts, pools
from outdial.db.webhook_tables import webhook_deliveries, webhooks
from outdial.history.counted import Group, groups_since

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)  # before the first call of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Of a workspace. `queued`: calls that wait, also for their time."""

    workspace_id: str
    lines: int
    reserved_inbound: int
    used_outbound: int
    used_inbound: int
    queued: int
    deliveries_waiting: int  # to webhooks, also those that are tried again


async def lines_of(conn: AsyncConnection, workspace_id: str | None = None) -> Sequence[Lines]:
    """Of one workspace, or (None) of all."""
    counts, deliveries = call_counts.c, webhook_deliveries.c
    queued = (
        select(counts.workspace_id, func.sum(counts.calls).label("queued"))
        .where(counts.state == "queued", _of(counts.workspace_id, workspace_id))
        .group_by(counts.workspace_id)
        .subquery()
    )
    waiting = (
        select(webhooks.c.workspace_id, func.count().label("waiting"))
        .join_from(webhooks, webhook_deliveries)
        .where(deliveries.state == "waiting", _of(webhooks.c.workspace_id, workspace_id))
        .group_by(webhooks.c.workspace_id)
        .subquery()
    )
    query = (
        select(pools, queued.c.queued, waiting.c.waiting)
        .outerjoin(queued, queued.c.workspace_id == pools.c.workspace_id)
        .outerjoin(waiting, waiting.c.workspace_id == pools.c.workspace_id)
        .where(_of(pools.c.workspace_id, workspace_id))
        .order_by(pools.c.workspace_id)
    )
    return [
        Lines(
            workspace_id=row.workspace_id,
            lines=row.lines,
            reserved_inbound=row.reserved_inbound,
            used_outbound=row.used_outbound,
            used_inbound=row.used_inbound,
            queued=int(row.queued or 0),
            deliveries_waiting=row.waiting or 0,
        )
        for row in await conn.execute(query)
    ]


async def calls_ended(conn: AsyncConnection, workspace_id: str) -> Sequence[Group]:
    """All that a workspace ever had, by how they ended and what came of them."""
    return [group for group in await groups_since(conn, workspace_id, EPOCH) if group.end_reason is not None]


def _of(column: ColumnElement[str], workspace_id: str | None) -> ColumnElement[bool]:
    return true() if workspace_id is None else column == workspace_id
