"""Calls counted, however many there are: by the counts kept as calls change, and the few calls that are up.

What is counted since an instant is read as whole days (UTC), the quarters of an hour before the first of them, and the
changes that were not folded yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.counts import END_KINDS, ENDS_OF_CALLS, KIND_OF_CALL
from outdial.telephony.end_kind import EndKind
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """Answered attempts at one carrier: how many, how long from answer to end, and what was charged in one currency;
    without one, those whose price isn't known. (What was charged for an attempt that nobody answered is in `cost`.)"""

    carrier: str
    currency: str | None
    answered: int
    duration_s: float
    cost: Decimal


Ends = Mapping[EndKind, int]


async def queued(conn: AsyncConnection, workspace_id: str) -> Queued:
    """The queue of a workspace, at this moment."""
    row = (await conn.execute(_QUEUED, {"workspace": workspace_id})).one()
    later = row.in_later_minutes + row.later_in_this_minute
    return Queued(waiting=row.queued - later, scheduled=later, oldest_due_at=row.oldest_due_at)


async def groups_since(conn: AsyncConnection, workspace_id: str, since: datetime) -> Sequence[Group]:
    """The calls of a workspace that were made since an instant on a quarter of an hour, as every midnight is: another
    one counts from the next quarter on."""
    rows = await conn.execute(_GROUPS, _since(workspace_id, since))
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


async def ends_since(conn: AsyncConnection, workspace_id: str, starts: Sequence[datetime]) -> Sequence[Ends]:
    """How calls have ended, by when they were made: from each of these instants to the next, and from the last on."""
    ends = [dict.fromkeys(EndKind, 0) for _ in starts]
    values = {"workspace": workspace_id, "since": starts[0], "starts": list(starts)}
    for row in await conn.execute(_ENDS, values):
        ends[row.place - 1] = {kind: int(row._mapping[kind]) for kind in EndKind}
    return ends


async def charged_since(conn: AsyncConnection, workspace_id: str, since: datetime) -> Sequence[Charged]:
    """What the ended attempts of calls that were made since an instant took and cost; by carrier and currency."""
    rows = await conn.execute(_CHARGED, _since(workspace_id, since))
    return [
        Charged(
            carrier=row.carrier,
            currency=row.currency,
            answered=int(row.answered),
            duration_s=round(float(row.seconds), 1),
            cost=row.cost,
        )
        for row in rows
    ]


def _since(workspace_id: str, since: datetime) -> dict[str, object]:
    day = datetime.combine(since.astimezone(UTC).date(), time.min, UTC)
    return {"workspace": workspace_id, "since": since, "day": day if day == since else day + timedelta(days=1)}


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
_COUNTED_SINCE = """
    SELECT {columns} FROM {days} WHERE workspace_id = :workspace AND day >= :day
    UNION ALL
    SELECT {columns} FROM {quarters}
    WHERE workspace_id = :workspace AND quarter >= :since AND quarter < :day AND folded
    UNION ALL
    SELECT {columns} FROM {quarters} WHERE workspace_id = :workspace AND quarter >= :since AND NOT folded
"""
_CALLS_SINCE = _COUNTED_SINCE.format(columns=f"{KIND_OF_CALL}, calls", days="call_day_counts", quarters="call_counts")
_OF_ATTEMPTS = "carrier, currency, answered, seconds, cost"
_ATTEMPTS_SINCE = _COUNTED_SINCE.format(columns=_OF_ATTEMPTS, days="attempt_day_counts", quarters="attempt_counts")
_GROUPS = text(f"""
    SELECT {KIND_OF_CALL}, sum(calls) AS calls
    FROM (
        SELECT {KIND_OF_CALL}, sum(calls) AS calls
        FROM ({_CALLS_SINCE}) AS kept
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        UNION ALL
        SELECT direction, true, answered_at IS NOT NULL, NULL, NULL, answered_by ->> 'category', NULL, count(*)
        FROM calls
        WHERE workspace_id = :workspace AND state IN ('dialing', 'ringing', 'in_progress') AND created_at >= :since
        GROUP BY 1, 3, 6
    ) AS counted
    GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(calls) <> 0
""")  # noqa: S608 - put together of constants
_ENDS = text(f"""
    SELECT width_bucket(quarter, CAST(:starts AS timestamptz[])) AS place,
        {", ".join(f"sum({kind}) AS {kind}" for kind in EndKind)}
    FROM (
        SELECT quarter, {END_KINDS} FROM end_counts WHERE workspace_id = :workspace AND quarter >= :since
        UNION ALL
        SELECT quarter, {ENDS_OF_CALLS} FROM call_counts
        WHERE workspace_id = :workspace AND quarter >= :since AND NOT folded AND state = 'ended'
    ) AS kept
    GROUP BY 1
""")  # noqa: S608 - put together of constants
_CHARGED = text(f"""
    SELECT carrier, currency, sum(answered) AS answered, sum(seconds) AS seconds, sum(cost) AS cost
    FROM ({_ATTEMPTS_SINCE}) AS kept
    GROUP BY carrier, currency HAVING sum(answered) <> 0 OR sum(seconds) <> 0 OR sum(cost) <> 0
    ORDER BY carrier, currency
""")  # noqa: S608 - put together of constants
