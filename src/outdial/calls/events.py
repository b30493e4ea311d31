"""What happens to calls: rows of `call_events`, written with the change they tell of.

Only the statements that store a call (`enqueue`) and claim calls (`claim`) write theirs themselves, beside the rest.
Each row is announced with NOTIFY when its transaction commits. Who follows a call (a page, an API client) reads from
here, and so will whoever must be told outside.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CTE, Executable, ScalarSelect, Text, bindparam, func, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import call_events

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


async def add_event(conn: AsyncConnection, call_id: str, type_: str, data: Mapping[str, Any]) -> None:
    """Append to a call's history and wake whoever follows it, when the transaction commits."""
    await conn.execute(ADD_EVENT, event(call_id, type_, data))


def event(call_id: str, type_: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a statement that ADD_EVENT is part of."""
    return {"event_call_id": call_id, "event_type": type_, "event_data": dict(data)}


def with_event(*changes: CTE, also: ScalarSelect[Any] | None = None) -> Executable:
    """The changes and the event that tells of them in one statement: one round trip. `also`: done with it."""
    told = [announced] if also is None else [announced, also.label("also")]
    return _INSERT.returning(*told).add_cte(*changes)
