"""Which call was promised in which."""

from collections.abc import Collection, Mapping

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.call_back_tables import call_backs


class CallBacks(TypedDict):
    """Of one call, by their ids. `call_back_of`: the call in which it was promised; `call_back`: the one that was
    promised in it."""

    call_back_of: str | None
    call_back: str | None


async def call_backs_of(conn: AsyncConnection, call_ids: Collection[str]) -> Mapping[str, CallBacks]:
    """By call id, of all of these."""
    found = {call_id: CallBacks(call_back_of=None, call_back=None) for call_id in call_ids}
    known = call_backs.c
    query = select(known.call_id, known.new_call_id).where(or_(known.call_id.in_(found), known.new_call_id.in_(found)))
    for row in await conn.execute(query):
        if row.call_id in found:
            found[row.call_id]["call_back"] = row.new_call_id
        if row.new_call_id in found:
            found[row.new_call_id]["call_back_of"] = row.call_id
    return found
