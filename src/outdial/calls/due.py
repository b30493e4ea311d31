"""Which calls of a workspace may be dialled now, and when to look again. Only reads, and locks what it has found."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Integer, Select, Text, bindparam, func, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.records import CALL_COLUMNS, CallRecord
from outdial.db.tables import attempts, calls, carrier_accounts, numbers
from outdial.policy.destinations import destinations_of
from outdial.policy.do_not_call import is_listed
from outdial.policy.gate import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A call that may be dialled now, the account it goes out by, and what the gate looks at."""

    call: CallRecord
    due_at: datetime
    last_attempt: int
    carrier: str
    carrier_account_id: str
    calls_per_second: float
    facts: Facts


async def due_calls(
    conn: AsyncConnection, workspace_id: str, limit: int, now: datetime, *, after: Due | None = None
) -> list[Due]:
    """Due calls of accounts that may dial now: those of a slow account don't keep others waiting. A statement after
    the one that locked the list, so that it sees what was added before."""
    values = {"workspace": workspace_id, "now": now, "limit": limit}
    if after is not None:
        values |= {"after_due_at": after.due_at, "after_id": after.call.id}
    rows = (await conn.execute(_DUE if after is None else _DUE_AFTER, values)).mappings()
    account = carrier_accounts.c
    return [
        Due(
            call=CallRecord.of(row),
            due_at=row[calls.c.due_at],
            facts=Facts(
                to=row[calls.c.to],
                from_=row[calls.c.from_],
                listed=row["callee_is_listed"],
                destinations=row["destinations"],
            ),
            last_attempt=row["last_attempt"],
            carrier=row[account.carrier],
            carrier_account_id=row["carrier_account_id"],
            calls_per_second=row[account.calls_per_second],
        )
        for row in rows
    ]


async def next_look(conn: AsyncConnection, workspace_id: str, now: datetime) -> datetime | None:
    """When the next call is due, or a carrier account that has just dialled may dial again."""
    look_at: datetime | None = (await conn.execute(_NEXT_LOOK, {"workspace": workspace_id, "now": now})).scalar_one()
    return look_at


# -- statements, built once: building them takes longer than running them --------------------------------------


def _due(*, after: bool = False) -> Select[Any]:
    account = carrier_accounts.c
    last = select(func.coalesce(func.max(attempts.c.number), 0)).where(attempts.c.call_id == calls.c.id)
    due = (
        select(
            *CALL_COLUMNS,
            calls.c.due_at,
            is_listed(calls.c.workspace_id, calls.c.to).label("callee_is_listed"),
            destinations_of(calls.c.workspace_id, account.id).label("destinations"),
            last.scalar_subquery().label("last_attempt"),
            account.id.label("carrier_account_id"),
            account.carrier,
            account.calls_per_second,
        )
        .join(numbers, numbers.c.id == calls.c.number_id)  # it can't be removed while calls of it wait
        .join(carrier_accounts, account.id == numbers.c.carrier_account_id)
        .where(
            calls.c.workspace_id == bindparam("workspace"),
            calls.c.state == literal_column("'queued'"),  # written out: the index on due calls is a partial one
            calls.c.due_at <= bindparam("now"),
            account.next_dial_at <= bindparam("now"),
        )
        .order_by(calls.c.due_at, calls.c.id)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(of=calls, key_share=True, skip_locked=True)
    )
    if after:
        place = tuple_(bindparam("after_due_at", type_=DateTime(timezone=True)), bindparam("after_id", type_=Text))
        due = due.where(tuple_(calls.c.due_at, calls.c.id) > place)
    return due


def _next() -> Select[Any]:
    due_at = select(func.min(calls.c.due_at)).where(
        calls.c.workspace_id == bindparam("workspace"),
        calls.c.state == literal_column("'queued'"),
        calls.c.due_at > bindparam("now"),
    )
    dial_at = select(func.min(carrier_accounts.c.next_dial_at)).where(
        carrier_accounts.c.workspace_id == bindparam("workspace"), carrier_accounts.c.next_dial_at > bindparam("now")
    )
    return select(func.least(due_at.scalar_subquery(), dial_at.scalar_subquery()))


_DUE, _DUE_AFTER, _NEXT_LOOK = _due(), _due(after=True), _next()
