"""Which calls of a workspace may be dialled now, and when to look again. Only reads, and locks what it has found.

Calls are looked for number by number, along an index of what waits: so what waits for an account that may not dial yet,
or for a later time, or because its number is paused, costs nothing, however much it is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Interval,
    Select,
    Subquery,
    Text,
    all_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause

from outdial.agents.in_use import needs_model
from outdial.calls.pace import SOON_S, accounts_in_turn
from outdial.calls.records import CALL_COLUMNS, CallRecord
from outdial.db import hot
from outdial.db.hot import Hot
from outdial.db.tables import QUEUED, attempts, calls, numbers
from outdial.policy.destinations import destinations_of
from outdial.policy.do_not_call import is_listed
from outdial.policy.gate import Facts
from outdial.policy.pauses import not_paused
from outdial.policy.spending import is_spent

BATCH = 50     # calls of one look at most; a look further is for FURTHER
FURTHER = 500
SOON = timedelta(seconds=SOON_S)
SPARE = 50     # found beyond that: others may have some of them locked


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A call that may be dialled now, the account it goes out by, and what the gate looks at."""

    call: CallRecord
    last_attempt: int
    carrier: str
    carrier_account_id: str
    apart_s: float  # between two dials of the account
    next_dial_at: datetime
    facts: Facts


async def due_calls(
    conn: AsyncConnection,
    workspace_id: str,
    limit: int,
    now: datetime,
    *,
    but_for: Collection[str] = (),
    accounts_but_for: Collection[str] = (),
    numbers_but_for: Collection[str] = (),
) -> list[Due]:
    """The longest due calls of accounts that may dial soon, FURTHER at most: those of a slow account don't keep others
    waiting. Without the calls `but_for`, and those of some accounts and of some of our numbers. A statement after the
    one that locked the list, so that it sees what was added before."""
    values = {
        "workspace": workspace_id,
        "now": now,
        "limit": limit,
        "found": list(but_for),
        "soon": now + SOON,
        "accounts": list(accounts_but_for),
        "aside": list(numbers_but_for),
    }
    rows = (await hot.execute(conn, _DUE if limit <= BATCH else _DUE_FURTHER, values)).mappings()
    return [
        Due(
            call=CallRecord.of(row),
            facts=Facts(
                to=row[calls.c.to],
                from_=row[calls.c.from_],
                listed=row["callee_is_listed"],
                destinations=row["destinations"],
                money_used_up=row["money_used_up"],
            ),
            last_attempt=row["last_attempt"],
            carrier=row["carrier"],
            carrier_account_id=row["carrier_account_id"],
            apart_s=row["apart_s"],
            next_dial_at=row["next_dial_at"],
        )
        for row in rows
    ]


async def next_look(
    conn: AsyncConnection, workspace_id: str, now: datetime, *, accounts_but_for: Collection[str] = ()
) -> datetime | None:
    """When the next call is due, or a carrier account that has just dialled may be claimed for again."""
    values = {"workspace": workspace_id, "now": now, "soon": now + SOON, "accounts": list(accounts_but_for)}
    look_at: datetime | None = (await hot.execute(conn, _NEXT_LOOK, values)).scalar_one()
    return look_at


# -- statements, built once: building them takes longer than running them --------------------------------------


_NOW, _SOON = bindparam("now", type_=DateTime(timezone=True)), bindparam("soon", type_=DateTime(timezone=True))


def _due(at_most: int) -> Select[Any]:
    """`at_most` is written out, too: the plan is made for so many."""
    found = _found(at_most + SPARE)
    last = select(func.coalesce(func.max(attempts.c.number), 0)).where(attempts.c.call_id == calls.c.id)
    return (
        select(
            *CALL_COLUMNS,
            is_listed(calls.c.workspace_id, calls.c.to).label("callee_is_listed"),
            destinations_of(calls.c.workspace_id, found.c.carrier_account_id).label("destinations"),
            # Of the workspace once, and only then of each call: mostly there is money.
            case(
                (is_spent(bindparam("workspace", type_=Text)), needs_model(calls.c.agent_id, calls.c.agent_version)),
                else_=False,
            ).label("money_used_up"),
            last.scalar_subquery().label("last_attempt"),
            found.c.carrier_account_id,
            found.c.carrier,
            found.c.apart_s,
            found.c.next_dial_at,
        )
        .select_from(found)
        .join(calls, calls.c.id == found.c.id)
        # Still, once it is locked. Written so that no index is tempting: what was found leads here by its id.
        .where(case((QUEUED, calls.c.due_at <= _NOW)))
        .order_by(found.c.due_at, found.c.id)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(of=calls, key_share=True, skip_locked=True)
    )


def _found(at_most: int) -> Subquery:
    """The longest due calls of all numbers whose account may dial: they are among the longest due ones of those numbers
    whose first call has waited longest, so no number costs more than a look at its first. (A number can't be removed
    while calls of it wait.)"""
    account, call = accounts_in_turn(), calls.alias()
    first = _first_of_number(calls.c.due_at <= _NOW)
    longest = (
        select(
            numbers.c.id,
            first.c.due_at,
            account.c.id.label("carrier_account_id"),
            account.c.carrier,
            account.c.apart_s,
            account.c.next_dial_at,
        )
        .join(account, account.c.id == numbers.c.carrier_account_id)
        .join(first, true())
        .where(
            account.c.next_dial_at <= _SOON,
            numbers.c.id != all_(bindparam("aside", type_=ARRAY(Text))),
            not_paused(numbers.c.id, bindparam("workspace", type_=Text)),
        )
        .order_by(first.c.due_at)
        .limit(literal_column(str(at_most)))
        .subquery("longest")
    )
    # Of those that are due at one instant any: a million may be.
    waiting = (
        select(call.c.id, call.c.due_at)
        .where(
            call.c.number_id == longest.c.id,
            call.c.state == literal_column("'queued'"),  # written out, as QUEUED is: for a partial index
            call.c.due_at <= _NOW,
            call.c.id != all_(bindparam("found", type_=ARRAY(Text))),
        )
        .order_by(call.c.due_at)
        .limit(literal_column(str(at_most)))
        .lateral("waiting")
    )
    of_account = (longest.c.carrier_account_id, longest.c.carrier, longest.c.apart_s, longest.c.next_dial_at)
    query = select(waiting.c.id, waiting.c.due_at, *of_account).select_from(longest).join(waiting, true())
    return query.order_by(waiting.c.due_at, waiting.c.id).limit(literal_column(str(at_most))).subquery("found")


def _next() -> Select[Any]:
    first = _first_of_number(calls.c.due_at > _NOW)
    workspace = bindparam("workspace", type_=Text)
    dials = (numbers.c.workspace_id == workspace, not_paused(numbers.c.id, workspace))
    due_at = select(func.min(first.c.due_at)).select_from(numbers).join(first, true()).where(*dials)
    account = accounts_in_turn()
    before = literal_column(f"make_interval(secs => {SOON_S})", Interval)
    dial_at = select(func.min(account.c.next_dial_at) - before).where(account.c.next_dial_at > _SOON)
    return select(func.least(due_at.scalar_subquery(), dial_at.scalar_subquery()))


def _first_of_number(which: ColumnElement[bool]) -> LateralFromClause:
    """When the first of a number's waiting calls is due, of those that are `which`."""
    query = select(calls.c.due_at).where(calls.c.number_id == numbers.c.id, QUEUED, which)
    return query.order_by(calls.c.due_at).limit(literal_column("1")).lateral("first")


_DUE, _DUE_FURTHER, _NEXT_LOOK = Hot(_due(BATCH)), Hot(_due(FURTHER)), Hot(_next())
