"""Old rows deleted: a few at a time, each time in a transaction of its own, so that nobody waits for it.

Which rows of a table may go says whoever keeps the table, in a `Clearing`; how old they get says `retention`.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    TableClause,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

BATCH = 1000
PAUSE_S = 0.05  # after each batch: the others' turn
LATE = timedelta(hours=1)  # ids grow with time, but for transactions that took long

_ALL = true()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """Which rows of `table` may go: those of before an instant, counted by `since`, and of which nothing is needed any
    more (`over`), whatever their age.

    `in_order`: an id that grows with `since`. Then the rows are walked through from the oldest, which takes no index of
    `since`; without it the condition has to find them, so the table is small or has one.
    """

    table: TableClause
    since: ColumnElement[datetime]
    over: ColumnElement[bool] = _ALL
    in_order: ColumnElement[int] | None = None


async def clear(
    engine: AsyncEngine, clearing: Clearing, before: datetime, *, batch: int = BATCH, pause_s: float = PAUSE_S
) -> int:
    """Delete what may go; how many rows that were. What somebody has locked is left for the next time."""
    place, deleted = 0, 0
    while True:
        async with engine.begin() as conn:
            if clearing.in_order is None:
                gone = (await conn.execute(_victims(clearing, batch), {"before": before})).rowcount
                is_last = gone < batch
            else:
                found = (await conn.execute(_next(clearing, batch), {"after": place, "recent": before + LATE})).all()
                ids = [row.id for row in found]
                gone = (await conn.execute(_victims(clearing), {"before": before, "ids": ids})).rowcount if ids else 0
                is_last = len(ids) < batch or all(row.is_recent for row in found)
                place = max(ids, default=place)
        deleted += gone
        if is_last:
            return deleted
        await asyncio.sleep(pause_s)


async def count(conn: AsyncConnection, clearing: Clearing, before: datetime) -> int:
    """How many rows `clear` would delete. Of a large table it takes its time."""
    await conn.execute(text("SET LOCAL statement_timeout = 0"))
    query = select(func.count()).select_from(clearing.table).where(_may_go(clearing))
    return await conn.scalar(query, {"before": before}) or 0


def _may_go(clearing: Clearing) -> ColumnElement[bool]:
    return (clearing.since < bindparam("before", type_=DateTime(timezone=True))) & clearing.over


def _next(clearing: Clearing, batch: int) -> Select[int, bool]:
    assert clearing.in_order is not None
    is_recent = clearing.since >= bindparam("recent", type_=DateTime(timezone=True))
    return (
        select(clearing.in_order.label("id"), is_recent.label("is_recent"))
        .where(clearing.in_order > bindparam("after"))
        .order_by(clearing.in_order)
        .limit(batch)
    )


def _victims(clearing: Clearing, batch: int | None = None) -> Any:
    """The statement that deletes what may go: `batch` rows of it, or of those with the parameter `ids`."""
    place: ColumnElement[Any] = literal_column(f"{clearing.table.name}.ctid")
    found = select(place).select_from(clearing.table).where(_may_go(clearing)).limit(batch)
    if clearing.in_order is not None:
        found = found.where(clearing.in_order == func.any(bindparam("ids", type_=ARRAY(BigInteger))))
    locked = found.with_for_update(of=clearing.table, skip_locked=True).correlate(None)
    return delete(clearing.table).where(place == func.any(func.array(locked.scalar_subquery())))
