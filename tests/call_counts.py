"""The calls of a database counted one by one, beside what is kept of their number."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import attempts, call_counts, calls

Counts = Counter[tuple[object, ...]]


async def kept(conn: AsyncConnection) -> Counts:
    found: Counts = Counter()
    for row in await conn.execute(select(call_counts)):
        kind = tuple(value for name, value in row._mapping.items() if name not in ("id", "calls", "folded"))
        found[kind] += row.calls
    return Counter({kind: number for kind, number in found.items() if number})


async def counted(conn: AsyncConnection) -> Counts:
    dialled = set((await conn.scalars(select(attempts.c.call_id))).all())
    found: Counts = Counter()
    for call in (await conn.execute(select(calls).where(calls.c.state.in_(["queued", "ended"])))).all():
        given_up = call.state == "queued" or call.end_reason in ("canceled", "expired")
        kind = (
            call.workspace_id,
            _floor(call.created_at, 15),
            call.direction,
            call.state,
            _floor(call.due_at, 1) if call.state == "queued" else None,
            call.id in dialled if given_up else True,
            call.answered_at is not None,
            call.end_reason,
            call.outcome,
            None if call.answered_by is None else call.answered_by["category"],
            call.error["code"] if call.end_reason == "failed" and call.error else None,
        )
        found[kind] += 1
    return found


def _floor(at: datetime, minutes: int) -> datetime:
    at = at.astimezone(UTC)
    return at - timedelta(minutes=at.minute % minutes, seconds=at.second, microseconds=at.microsecond)
