"""Calls counted, however many there are: by the counts kept as calls change, and the few calls that are up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.telephony.state import CallDirection, EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """`waiting` calls are due, the first of them since `oldest_due_at`; `scheduled` ones are due later."""

    waiting: int
    scheduled: int
    oldest_due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """So many calls are alike. `category`: who answered, `code`: of the error they failed with."""

    direction: CallDirection
    end_reason: EndReason | None
    outcome: str | None
    is_answered: bool
    category: str | None
    code: str | None
    is_dialled: bool
    calls: int


async def queued(conn: AsyncConnection, workspace_id: str) -> Queued:
    """The queue of a workspace, at this moment."""
    row = (await conn.execute(_QUEUED, {"workspace": workspace_id})).one()
    later = row.in_later_minutes + row.later_in_this_minute
    return Queued(waiting=row.queued - later, scheduled=later, oldest_due_at=row.oldest_due_at)


async def groups_since(conn: AsyncConnection, workspace_id: str, since: datetime) -> Sequence[Group]:
    """The calls of a workspace that were made since an instant on a quarter of an hour, as every midnight is: another
    one counts from the next quarter on."""
    rows = await conn.execute(_GROUPS, {"workspace": workspace_id, "since": since})
    return [
        Group(
            direction=CallDirection(row.direction),
            end_reason=None if row.end_reason is None else EndReason(row.end_reason),
            outcome=row.outcome,
            is_answered=row.answered,
            category=row.category,
            code=row.error_code,
            is_dialled=row.dialled,
            calls=int(row.calls),
        )
        for row in rows
    ]


# One statement each: what it sees is of one moment, also where a call goes from one part to the other.
# Counts know the minute in which calls are due. Of this minute the calls that are still to come are looked at. What
# waits is indexed by its number, and always has one.
_QUEUED = text("""
    SELECT coalesce(sum(calls), 0)::bigint AS queued,
        coalesce(sum(calls) FILTER (WHERE due_minute > now()), 0)::bigint AS in_later_minutes,
        (
            SELECT count(*) FROM numbers, LATERAL (
                SELECT FROM calls WHERE number_id = numbers.id AND state = 'queued'
                    AND due_at > now() AND due_at < date_bin('1 minute', now(), '2000-01-01Z') + interval '1 minute'
                OFFSET 0
            ) AS soon
            WHERE numbers.workspace_id = :workspace
        ) AS later_in_this_minute,
        (
            SELECT min(first.due_at) FROM numbers, LATERAL (
                SELECT due_at FROM calls WHERE number_id = numbers.id AND state = 'queued' AND due_at <= now()
                ORDER BY due_at LIMIT 1
            ) AS first
            WHERE numbers.workspace_id = :workspace
        ) AS oldest_due_at
    FROM call_counts WHERE workspace_id = :workspace AND state = 'queued'
""")
_GROUPS = text("""
    SELECT direction, dialled, answered, end_reason, outcome, category, error_code, sum(calls) AS calls
    FROM (
        SELECT direction, dialled, answered, end_reason, outcome, category, error_code, sum(calls) AS calls
        FROM call_counts WHERE workspace_id = :workspace AND quarter >= :since
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        UNION ALL
        SELECT direction, true, answered_at IS NOT NULL, NULL, NULL, answered_by ->> 'category', NULL, count(*)
        FROM calls
        WHERE workspace_id = :workspace AND state IN ('dialing', 'ringing', 'in_progress') AND created_at >= :since
        GROUP BY 1, 3, 6
    ) AS counted
    GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(calls) <> 0
""")
