"""The feed of what happens to calls: rows in `call_events`, announced with NOTIFY when their transaction commits."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import call_events

# RETURNING this, a new row wakes whoever follows its call, without a round trip of its own.
announced = func.pg_notify("outdial_call", call_events.c.call_id)

ADD_EVENT = insert(call_events).returning(announced)


async def add_event(conn: AsyncConnection, call_id: str, type_: str, data: Mapping[str, Any]) -> None:
    """Append to a call's history and wake whoever follows it, when the transaction commits."""
    await conn.execute(ADD_EVENT, {"call_id": call_id, "type": type_, "data": dict(data)})
