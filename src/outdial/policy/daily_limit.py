"""How many calls a workspace may place a day: against a key that has leaked, and loops that nobody meant.

A call counts once, when it is accepted, however often it is dialled again; so does each transfer. A day is one of UTC.
The counter is a row of the workspace and the day, changed last in the transaction that stores the call, so that it is
locked for no more than the commit: refused is who would be one too many, also of those who ask in the same moment.
Workspaces without a limit aren't counted. The only writer of `counted_calls`.
"""

from datetime import date, timedelta

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Integer,
    ScalarSelect,
    Text,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial import clock
from outdial.db.clearing import Clearing
from outdial.db.tables import counted_calls, workspaces
from outdial.instants import to_json
from outdial.policy.gate import next_day
from outdial.refusals import NotFound
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.store import set_daily_limit, workspace_name

MAX_LIMIT = 1_000_000_000
OLD_COUNTS = Clearing(table=counted_calls, since=cast(counted_calls.c.day, DateTime(timezone=True)))
KEPT = timedelta(days=7)


class DailyLimitView(TypedDict):
    """`calls` a day, null: no limit. `used` of them today (null without a limit), until `resets_at`."""

    calls: int | None
    used: int | None
    resets_at: str


def is_used_up(workspace_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Part of a query: whether the workspace has placed all calls of today. Null without a limit is false."""
    return func.coalesce(_used(workspace_id) >= _limit(workspace_id), literal(False))


def counting(workspace_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Part of the last statement of a transaction, which counts one more call of today: whether that is within the
    limit. Where it isn't, the transaction must not be committed. Others of the workspace wait until it ends."""
    limit, day = _limit(workspace_id), counted_calls.c
    first = select(workspace_id, _today(), literal(1, Integer)).where(limit > 0)
    counted = (
        upsert(counted_calls)
        .from_select([day.workspace_id, day.day, day.calls], first)
        .on_conflict_do_update(
            index_elements=[day.workspace_id, day.day], set_={"calls": day.calls + 1}, where=day.calls < limit
        )
        .returning(day.calls)
        .cte("counted")
    )
    return or_(limit.is_(None), exists(select(counted.c.calls)))


async def count_call(conn: AsyncConnection, workspace_id: str) -> bool:
    """`counting` as a statement of its own."""
    return bool(await conn.scalar(_COUNT, {"the_workspace": workspace_id}))


async def get_daily_limit(conn: AsyncConnection, workspace_id: str) -> DailyLimitView:
    """Raises NotFound."""
    mine = literal(workspace_id, Text)
    query = select(workspaces.c.daily_limit, _used(mine).label("used")).where(workspaces.c.id == workspace_id)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise NotFound("workspace_not_found", "There is no such workspace.")
    limit: int | None = row.daily_limit
    used = None if limit is None else row.used
    return DailyLimitView(calls=limit, used=used, resets_at=to_json(next_day(clock.now())))


async def change_daily_limit(
    engine: AsyncEngine, workspace_id: str, limit: int | None, *, by: Actor
) -> DailyLimitView:
    """`limit` None: none any more. Raises NotFound."""
    async with engine.begin() as conn:
        before = (await get_daily_limit(conn, workspace_id))["calls"]
        if before != limit:
            await set_daily_limit(conn, workspace_id, limit)
            if before is None:  # nothing was counted so far
                await conn.execute(_COUNT_AGAIN, {"workspace": workspace_id})
            name = await workspace_name(conn, workspace_id)
            details = {"calls": limit, "before": before}
            act = "daily_limit.changed"
            await record(conn, workspace_id, by, act, subject_id=workspace_id, subject_name=name, details=details)
        return await get_daily_limit(conn, workspace_id)


def _limit(workspace_id: ColumnElement[str]) -> ScalarSelect[int | None]:
    return select(workspaces.c.daily_limit).where(workspaces.c.id == workspace_id).scalar_subquery()


def _used(workspace_id: ColumnElement[str]) -> ColumnElement[int]:
    counted = select(counted_calls.c.calls).where(
        counted_calls.c.workspace_id == workspace_id, counted_calls.c.day == _today()
    )
    return func.coalesce(counted.scalar_subquery(), literal(0))


def _today() -> ColumnElement[date]:
    return cast(func.timezone("UTC", func.now()), Date)


_COUNT = select(counting(bindparam("the_workspace", type_=Text)))
# Calls that wait or have ended are counted as they change, by quarters of an hour (midnight is on one); those that are
# up are few. One statement: what it sees is of one moment. Of transfers each looks up its own call, never all calls.
_COUNT_AGAIN = text("""
    INSERT INTO counted_calls AS today (workspace_id, day, calls)
    SELECT :workspace, (now() AT TIME ZONE 'UTC')::date, (
        SELECT coalesce(sum(calls), 0) FROM call_counts
        WHERE workspace_id = :workspace AND direction = 'outbound' AND quarter >= date_trunc('day', now(), 'UTC')
    ) + (
        SELECT count(*) FROM calls
        WHERE workspace_id = :workspace AND direction = 'outbound' AND state IN ('dialing', 'ringing', 'in_progress')
            AND created_at >= date_trunc('day', now(), 'UTC')
    ) + (
        SELECT count(*) FROM transfers, LATERAL (
            SELECT FROM calls WHERE id = transfers.call_id AND workspace_id = :workspace OFFSET 0
        ) AS mine
        WHERE transfers.at >= date_trunc('day', now(), 'UTC')
    )
    ON CONFLICT (workspace_id, day) DO UPDATE SET calls = greatest(today.calls, excluded.calls)
""")
