"""The calls and attempts of a database counted one by one, beside what is kept of their number."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What there is, of which only the columns are read that count, and what is kept of it. Each table is read once."""

    calls: list[Row[Any]]
    attempts: list[Row[Any]]
    legs: list[Row[Any]]  # that have a price
    call_counts: list[Row[Any]]
    call_day_counts: list[Row[Any]]
    end_counts: list[Row[Any]]
    attempt_counts: list[Row[Any]]
    attempt_day_counts: list[Row[Any]]


async def read_books(conn: AsyncConnection) -> Books:
    return Books(**{name: list(await conn.execute(query)) for name, query in QUERIES.items()})


QUERIES = {
    "calls": select(
        *(calls.c.id, calls.c.workspace_id, calls.c.created_at, calls.c.direction, calls.c.state, calls.c.due_at),
        *(calls.c.answered_at, calls.c.end_reason, calls.c.outcome, calls.c.answered_by, calls.c.error),
    ),
    "attempts": select(
        *(attempts.c.id, attempts.c.call_id, attempts.c.state, attempts.c.carrier, attempts.c.answered_at),
        *(attempts.c.ended_at, attempts.c.price, attempts.c.price_currency),
    ),
    "legs": select(consultations.c.attempt_id, consultations.c.price, consultations.c.price_currency).where(
        consultations.c.price.is_not(None)
    ),
    "call_counts": select(call_counts),
    "call_day_counts": select(call_day_counts),
    "end_counts": select(end_counts),
    "attempt_counts": select(attempt_counts),
    "attempt_day_counts": select(attempt_day_counts),
}


async def check_counts(conn: AsyncConnection) -> Counts:
    """What is kept is what there is, by the quarter and by the day; what it is."""
    books = await read_books(conn)
    there_is = counted(books)
    assert kept(books) == there_is, "the counts of calls are wrong"
    assert kept_days(books) == _by_day(there_is), "the counts of calls by day are wrong"
    assert kept_ends(books) == _ends(there_is), "the counts of ends are wrong"
    for by_day in (False, True):
        charges = kept_charges(books, by_day=by_day)
        assert charges == charged(books, by_day=by_day), f"the counts of attempts are wrong, {by_day=}"
    return there_is


def kept(books: Books) -> Counts:
    found: Counts = Counter()
    for row in books.call_counts:
        found[_kind(row)] += row.calls
    return _not_nothing(found)


def kept_days(books: Books) -> Counts:
    found: Counts = Counter()
    for row in books.call_day_counts:
        found[_kind(row)] += row.calls
    for row in books.call_counts:
        if not row.folded:
            found[_of_its_day(_kind(row))] += row.calls
    return _not_nothing(found)


def _kind(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in row._mapping.items() if name not in ("id", "calls", "folded"))


def counted(books: Books) -> Counts:
    dialled = {attempt.call_id for attempt in books.attempts}
    found: Counts = Counter()
    for call in books.calls:
        if call.state not in ("queued", "ended"):
            continue
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


def kept_ends(books: Books) -> Counts:
    found: Counts = Counter()
    for row in books.end_counts:
        for kind in KINDS:
            found[row.workspace_id, row.quarter.astimezone(UTC), kind] += row._mapping[kind]
    for row in books.call_counts:
        if not row.folded and row.state == "ended":
            found[row.workspace_id, row.quarter.astimezone(UTC), end_kind(row.end_reason, row.category)] += row.calls
    return _not_nothing(found)


def end_kind(end_reason: str, category: str | None) -> str:
    if end_reason == "completed":
        return "machine" if category in ("machine", "network", "fax") else "completed"
    kinds = {"busy": "busy_or_declined", "declined": "busy_or_declined"}
    return (kinds | dict.fromkeys(("canceled", "expired"), "canceled_or_expired")).get(end_reason, end_reason)


def kept_charges(books: Books, *, by_day: bool) -> Charges:
    found: dict[tuple[object, ...], tuple[int, Decimal, Decimal]] = defaultdict(_nothing)
    rows = [row for row in books.attempt_counts if not (by_day and row.folded)]
    for row in rows + (books.attempt_day_counts if by_day else []):
        at = (row.day if "day" in row._mapping else row.quarter).astimezone(UTC)
        kind = (row.workspace_id, _day(at) if by_day else at, row.carrier, row.currency)
        found[kind] = _sum(found[kind], (row.answered, row.seconds, row.cost))
    return {kind: sums for kind, sums in found.items() if any(sums)}


def charged(books: Books, *, by_day: bool) -> Charges:
    found: dict[tuple[object, ...], tuple[int, Decimal, Decimal]] = defaultdict(_nothing)
    known = {call.id: call for call in books.calls}

    def charge(attempt: Row[Any], currency: str | None, figures: tuple[int, Decimal, Decimal]) -> None:
        call = known[attempt.call_id]
        at = _day(call.created_at) if by_day else _floor(call.created_at, 15)
        kind = (call.workspace_id, at, attempt.carrier, currency)
        found[kind] = _sum(found[kind], figures)

    for attempt in books.attempts:
        if attempt.state == "ended":
            charge(attempt, None if attempt.price is None else attempt.price_currency, _figures(attempt))
    dialled = {attempt.id: attempt for attempt in books.attempts}
    for leg in books.legs:
        charge(dialled[leg.attempt_id], leg.price_currency, (0, Decimal(0), leg.price))
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
