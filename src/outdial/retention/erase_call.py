"""All that is personal in one call, erased at once. The call stays, and what it counts for."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.calls.erasing import erase_details, lock_ended, note_erased
from outdial.db.tables import calls
from outdial.ids import is_id
from outdial.instants import to_json
from outdial.jobs.job import Job, add_job_named
from outdial.policy.erased_entries import Box, hash_entries_of
from outdial.refusals import Conflict, NotFound
from outdial.telephony.state import CallState
from outdial.webhooks.erasing import LATE_S, forget_listing, forget_told, forget_told_late
from outdial.workspaces.audit import Actor, record

FORGET_LATE = "erasing.told"  # the job's name


class ErasedCall(TypedDict):
    """`recording`: it had one; its file goes from the host that has it within a minute, or when that starts."""

    call_id: str
    erased_at: str
    recording: bool


async def erase_call(engine: AsyncEngine, box: Box, workspace_id: str, call_id: str, *, by: Actor) -> ErasedCall:
    """Again, it is harmless. Raises NotFound, and Conflict: `call_not_ended`."""
    async with engine.begin() as conn:
        query = select(calls.c.state, calls.c.erased_at, calls.c.recording).where(
            calls.c.id == call_id, calls.c.workspace_id == workspace_id
        )
        row = (await conn.execute(query)).one_or_none() if is_id(call_id, "call") else None
        if row is None:
            raise NotFound("call_not_found", "There is no such call.")
        if row.erased_at is None:
            if row.state != CallState.ENDED:
                raise not_ended("The call goes on, or waits to be dialled. Hang up first; then it can be erased.")
            if not await lock_ended(conn, [call_id], skip_locked=False):
                raise not_ended("What the call brought is still being written. Try again in a moment.")
            await forget_call(conn, box, [call_id])
            await record(conn, workspace_id, by, "erasure.call", subject_id=call_id, subject_name=call_id)
        erased_at = (await conn.execute(select(calls.c.erased_at).where(calls.c.id == call_id))).scalar_one()
    return ErasedCall(call_id=call_id, erased_at=to_json(erased_at), recording=row.recording is not None)


async def forget_call(conn: AsyncConnection, box: Box, call_ids: list[str]) -> None:
    """Erase calls that are locked, and what was told of them; now, and once more a minute later. What their callees
    asked for stays on the do-not-call list, as a hash."""
    await forget_told(conn, call_ids)
    await forget_entries(conn, box, call_ids)
    await erase_details(conn, call_ids)
    for call_id in call_ids:
        await note_erased(conn, call_id)
    await add_job_named(conn, FORGET_LATE, in_s=LATE_S, call_ids=call_ids)


async def forget_entries(conn: AsyncConnection, box: Box, call_ids: list[str]) -> None:
    """Before the calls themselves are erased: what their callees asked for is hashed, and no longer told of."""
    for each in await hash_entries_of(conn, box, call_ids):
        await forget_listing(conn, each.workspace_id, each.number, untold=each.is_hashed)


def not_ended(message: str) -> Conflict:
    return Conflict("call_not_ended", message)


def forget_late_job(engine: AsyncEngine) -> Job:
    async def run(*, call_ids: list[str]) -> None:
        async with engine.begin() as conn:
            await forget_told_late(conn, call_ids)

    return Job(name=FORGET_LATE, run=run)
