"""The calls and attempts of a database counted one by one, beside what is kept of their number."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.consultation_tables import consultations
from outdial.db.tables import (
    attempt_counts,
    attempt_day_counts,
    attempts,
    call_counts,
    call_day_counts,
    calls,
    end_counts,
)

Counts = Counter[tuple[object, ...]]
Charges = Mapping[tuple[object, ...], tuple[int, Decimal, Decimal]]
KINDS = ("completed", "machine", "no_answer", "busy_or_declined", "failed", "canceled_or_expired")


async def check_counts(conn: AsyncConnection) -> Counts:
    """What is kept is what there is, by the quarter and by the day; what it is."""
    there_is = await counted(conn)
    assert await kept(conn) == there_is, "the counts of calls are wrong"
    assert await kept_days(conn) == _by_day(there_is), "the counts of calls by day are wrong"
    assert await kept_ends(conn) == _ends(there_is), "the counts of ends are wrong"
    for by_day in (False, True):
        charges = await kept_charges(conn, by_day=by_day)
        assert charges == await charged(conn, by_day=by_day), f"the counts of attempts are wrong, {by_day=}"
    return there_is


async def kept(conn: AsyncConnection) -> Counts:
    found: Counts = Counter()
    for row in await conn.execute(select(call_counts)):
        found[_kind(row)] += row.calls
    return _not_nothing(found)


async def kept_days(conn: AsyncConnection) -> Counts:
    found: Counts = Counter()
    for row in await conn.execute(select(call_day_counts)):
        found[_kind(row)] += row.calls
    for row in await conn.execute(select(call_counts).where(~call_counts.c.folded)):
        found[_of_its_day(_kind(row))] += row.calls
    return _not_nothing(found)


def _kind(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in row._mapping.items() if name not in ("id", "calls", "folded"))


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


async def kept_ends(conn: AsyncConnection) -> Counts:
    found: Counts = Counter()
    for row in await conn.execute(select(end_counts)):
        for kind in KINDS:
            found[row.workspace_id, row.quarter.astimezone(UTC), kind] += row._mapping[kind]
    unfolded = select(call_counts).where(~call_counts.c.folded, call_counts.c.state == "ended")
    for row in await conn.execute(unfolded):
        found[row.workspace_id, row.quarter.astimezone(UTC), end_kind(row.end_reason, row.category)] += row.calls
    return _not_nothing(found)


def end_kind(end_reason: str, category: str | None) -> str:
    if end_reason == "completed":
        return "machine" if category in ("machine", "network", "fax") else "completed"
    kinds = {"busy": "busy_or_declined", "declined": "busy_or_declined"}
    return (kinds | dict.fromkeys(("canceled", "expired"), "canceled_or_expired")).get(end_reason, end_reason)


async def kept_charges(conn: AsyncConnection, *, by_day: bool) -> Charges:
    found: dict[tuple[object, ...], tuple[int, Decimal, Decimal]] = defaultdict(_nothing)
    rows = list(await conn.execute(select(attempt_counts).where(~attempt_counts.c.folded if by_day else true())))
    for row in rows + (list(await conn.execute(select(attempt_day_counts))) if by_day else []):
        at = (row.day if "day" in row._mapping else row.quarter).astimezone(UTC)
        kind = (row.workspace_id, _day(at) if by_day else at, row.carrier, row.currency)
        found[kind] = _sum(found[kind], (row.answered, row.seconds, row.cost))
    return {kind: sums for kind, sums in found.items() if any(sums)}


async def charged(conn: AsyncConnection, *, by_day: bool) -> Charges:
    found: dict[tuple[object, ...], tuple[int, Decimal, Decimal]] = defaultdict(_nothing)
    query = select(attempts, calls.c.workspace_id, calls.c.created_at.label("made_at")).join(
        calls, calls.c.id == attempts.c.call_id
    )
    for row in (await conn.execute(query.where(attempts.c.state == "ended"))).all():
        currency = None if row.price is None else row.price_currency
        at = _floor(row.made_at, 15)
        kind = (row.workspace_id, _day(at) if by_day else at, row.carrier, currency)
        found[kind] = _sum(found[kind], _figures(row))
    legs = select(consultations.c.price, consultations.c.price_currency, attempts.c.carrier, calls).select_from(
        consultations.join(attempts, attempts.c.id == consultations.c.attempt_id).join(
            calls, calls.c.id == attempts.c.call_id
        )
    )
    for leg in (await conn.execute(legs.where(consultations.c.price.is_not(None)))).all():
        at = _floor(leg.created_at, 15)
        kind = (leg.workspace_id, _day(at) if by_day else at, leg.carrier, leg.price_currency)
        found[kind] = _sum(found[kind], (0, Decimal(0), leg.price))
    return {kind: sums for kind, sums in found.items() if any(sums)}


def _figures(attempt: Row[Any]) -> tuple[int, Decimal, Decimal]:
    cost = attempt.price or Decimal(0)
    if attempt.answered_at is None:
        return 0, Decimal(0), cost
    lasted = max(attempt.ended_at - attempt.answered_at, timedelta(0)) if attempt.ended_at else timedelta(0)
    return 1, Decimal(lasted // timedelta(microseconds=1)) / 1_000_000, cost


def _nothing() -> tuple[int, Decimal, Decimal]:
    return 0, Decimal(0), Decimal(0)


def _sum(one: tuple[int, Decimal, Decimal], other: tuple[int, Decimal, Decimal]) -> tuple[int, Decimal, Decimal]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _by_day(counts: Counts) -> Counts:
    found: Counts = Counter()
    for kind, number in counts.items():
        found[_of_its_day(kind)] += number
    return found


def _ends(counts: Counts) -> Counts:
    found: Counts = Counter()
    for kind, number in counts.items():
        if kind[3] == "ended":
            found[kind[0], kind[1], end_kind(str(kind[7]), kind[9])] += number  # type: ignore[arg-type]
    return found


def _of_its_day(kind: tuple[Any, ...]) -> tuple[object, ...]:
    """A day knows neither whether a call waits nor when it is due."""
    return (kind[0], _day(kind[1]), kind[2], *kind[5:])


def _not_nothing(counts: Counts) -> Counts:
    return Counter({kind: number for kind, number in counts.items() if number})


def _day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _floor(at: datetime, minutes: int) -> datetime:
    at = at.astimezone(UTC)
    return at - timedelta(minutes=at.minute % minutes, seconds=at.second, microseconds=at.microsecond)
