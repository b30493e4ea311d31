"""A wish to end a call, written down; calls that wait are ended at once."""


from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.calls.changes import end_call
from outdial.calls.records import CALL_COLUMNS, CallRecord
from outdial.calls.refused import canceled, end_expired
from outdial.db.notify import notify
from outdial.db.tables import calls
from outdial.ids import is_id
from outdial.refusals import Conflict, NotFound
from outdial.telephony.state import CallState


async def request_hang_up(engine: AsyncEngine, workspace_id: str, call_id: str) -> CallState:
    """End a call: at once while it is queued, else by asking the worker that holds it. Returns the state now.

    Asking twice is harmless. Raises NotFound, and Conflict `call_ended`.
    """
    query = select(*CALL_COLUMNS).where(calls.c.id == call_id, calls.c.workspace_id == workspace_id)
    async with engine.begin() as conn:
        row = None
        if is_id(call_id, "call"):
            row = (await conn.execute(query.with_for_update())).mappings().one_or_none()
        if row is None:
            raise NotFound("call_not_found", "There is no such call.")
        call = CallRecord.of(row)
        if call.state is CallState.ENDED:
            raise Conflict("call_ended", "The call has ended already.")
        if call.state is CallState.QUEUED:
            return await end_call(conn, call, canceled(), ended_at=clock.now())
        await conn.execute(
            update(calls)
            .where(calls.c.id == call_id)
            .values(hang_up_requested_at=func.coalesce(calls.c.hang_up_requested_at, func.now()))
        )
        await notify(conn, "outdial_control", call_id)
    return call.state


async def expire_queued(engine: AsyncEngine, *, at_most: int) -> int:
    """End calls that still wait when their time to give up has come; how many."""
    async with engine.begin() as conn:
        return await end_expired(conn, at_most=at_most)
