"""What happens to calls: rows of `call_events`, written with the change they tell of. The only writer.

Each row is announced with NOTIFY when its transaction commits. Who follows a call (a page, an API client) reads from
here, and so will whoever must be told outside.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BindParameter, Executable, Update, func, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import call_events

# RETURNING this, a new row wakes whoever follows its call, without a round trip of its own.
announced = func.pg_notify("outdial_call", call_events.c.call_id)

ADD_EVENT = insert(call_events).returning(announced)


async def add_event(conn: AsyncConnection, call_id: str, type_: str, data: Mapping[str, Any]) -> None:
    """Append to a call's history and wake whoever follows it, when the transaction commits."""
    await conn.execute(ADD_EVENT, event(call_id, type_, data))


def event(call_id: str, type_: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a statement that ADD_EVENT is part of."""
    return {"call_id": call_id, "type": type_, "data": dict(data)}


def with_event(*changes: Update, queue_of: BindParameter[str] | None = None) -> Executable:
    """The changes and the event that tells of them in one statement: one round trip. `queue_of`: the workspace whose
    queue is to be looked at, too."""
    told = [announced] if queue_of is None else [announced, func.pg_notify("outdial_queue", queue_of)]
    written = insert(call_events).returning(*told)
    return written.add_cte(*(change.cte(f"change_{number}") for number, change in enumerate(changes)))
