"""What happens to calls: rows of `call_events`, written with the change they tell of.

Only the statements that store a call (`enqueue`) and claim calls (`claim`) write theirs themselves, beside the rest.
Each row is announced with NOTIFY when its transaction commits. Who follows a call (a page, an API client) reads from
here, and so will whoever must be told outside.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, BigInteger, Executable, ScalarSelect, Text, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db import hot
from outdial.db.clearing import Clearing
from outdial.db.hot import Hot
from outdial.db.tables import call_events, calls
from outdial.telephony.state import CallState

# RETURNING this, a new row wakes whoever follows its call, without a round trip of its own.
announced = func.pg_notify("outdial_call", call_events.c.call_id)

# Parameters of names of their own: one that is called like a column is taken for the value of that column, also in
# the other tables of a statement.
_INSERT = insert(call_events).values(
    call_id=bindparam("event_call_id", type_=Text),
    type=bindparam("event_type", type_=Text),
    data=bindparam("event_data", type_=JSONB),
)
ADD_EVENT = _INSERT.returning(announced)
_ADD_EVENT = Hot(ADD_EVENT)
ADD_ENTRY = _INSERT.values(entry=bindparam("event_entry", type_=BigInteger)).returning(announced)

ENTRIES = 2**20  # more than the journal of an attempt will ever have

# Of calls that have ended: what a live one has said and done is looked at when it ends.
OLD_EVENTS = Clearing(
    table=call_events,
    since=call_events.c.at,
    over=~select(calls.c.id).where(calls.c.id == call_events.c.call_id, calls.c.state != CallState.ENDED).exists(),
    in_order=call_events.c.id,
)


async def add_event(conn: AsyncConnection, call_id: str, type_: str, data: Mapping[str, Any]) -> None:
    """Append to a call's history and wake whoever follows it, when the transaction commits."""
    await hot.execute(conn, _ADD_EVENT, event(call_id, type_, data))


def event(call_id: str, type_: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a statement that ADD_EVENT is part of."""
    return {"event_call_id": call_id, "event_type": type_, "event_data": dict(data)}


def entry_number(attempt_number: int, number: int) -> int:
    """What an entry (1, 2, …) of an attempt's journal is called in `call_events`: later ones have higher numbers."""
    return attempt_number * ENTRIES + number


async def last_entry(conn: AsyncConnection, call_id: str, attempt_number: int) -> int | None:
    """The number of the last entry of an attempt's journal that is written; None when the call is gone, or what was
    said in it was erased.

    The call is locked: an earlier try to write whose outcome isn't known has come to its end before this does.
    """
    the_call = select(calls.c.id).where(calls.c.id == call_id, calls.c.transcript_erased_at.is_(None))
    if await conn.scalar(the_call.with_for_update()) is None:
        return None
    first, beyond = entry_number(attempt_number, 0), entry_number(attempt_number + 1, 0)
    entry = call_events.c.entry
    query = select(func.max(entry)).where(call_events.c.call_id == call_id, entry >= first, entry < beyond)
    return (await conn.scalar(query) or first) - first


def with_event(*changes: CTE, also: Sequence[ScalarSelect[Any]] = ()) -> Executable:
    """The changes and the event that tells of them in one statement: one round trip. `also`: done with it."""
    more = [each.label(f"also_{place}") for place, each in enumerate(also)]
    return _INSERT.returning(announced, *more).add_cte(*changes)
