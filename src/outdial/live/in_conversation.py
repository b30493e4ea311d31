"""Whether an agent talks on a call now, as the database has it: asked before anything is wanted of the conversation."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import attempts, calls
from outdial.ids import is_id
from outdial.refusals import Conflict, NotFound
from outdial.telephony.state import CallState


async def require_conversation(conn: AsyncConnection, workspace_id: str, call_id: str) -> Mapping[str, Any]:
    """What is noted in the call so far. Raises NotFound, and Conflict where nobody talks on it (yet, or any more)."""
    row = None
    if is_id(call_id, "call"):
        query = (
            select(calls.c.state, calls.c.noted, attempts.c.owner, attempts.c.stream_opened_at)
            .outerjoin(attempts, attempts.c.call_id == calls.c.id)
            .where(calls.c.id == call_id, calls.c.workspace_id == workspace_id)
            .order_by(attempts.c.number.desc())
            .limit(1)
        )
        row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise NotFound("call_not_found", "There is no such call.")
    if row.state == CallState.ENDED:
        raise Conflict("call_ended", "The call has ended already.")
    if row.state != CallState.IN_PROGRESS or row.stream_opened_at is None:
        raise Conflict("call_not_in_progress", "Nobody has answered this call yet.")
    if row.owner is None:
        raise Conflict("call_transferred", "The other party was transferred; the agent has left the call.")
    noted: Mapping[str, Any] = row.noted
    return noted
