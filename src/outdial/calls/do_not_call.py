"""Numbers that come onto the do-not-call list, and what that means for calls: those that wait for them end at once.

Entry, ended calls and audit entry are one transaction. The order of its locks is `policy/do_not_call.py`'s.
"""

from dataclasses import dataclass

from sqlalchemy import Text, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.calls.refused import end_waiting_listed, end_waiting_to, hang_up_on_the_way
from outdial.db.tables import calls
from outdial.policy.do_not_call import (
    EntryView,
    NewEntry,
    Source,
    begin_import,
    get_entry,
    insert_entries,
    lock_list,
    record_change,
)
from outdial.policy.gate import Rule
from outdial.policy.import_file import ImportFile, RefusedRow
from outdial.refusals import Invalid
from outdial.telephony.e164 import parse_e164
from outdial.telephony.state import CallDirection
from outdial.workspaces.audit import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """`added`: it was not on the list before. `canceled`: how many calls waited for the number, and wait no more."""

    entry: EntryView
    added: bool
    canceled: int


class ImportReport(TypedDict):
    """What became of the rows of a file: new on the list, on it already (also by an earlier row), refused. `canceled`
    as in `Listed`. The first refused rows are told one by one."""

    added: int
    already_there: int
    refused: int
    canceled: int
    refused_rows: list[RefusedRow]


async def list_number(
    engine: AsyncEngine, workspace_id: str, number: str, *, reason: str | None, source: Source, by: Actor
) -> Listed:
    """Enter one number (E.164). Doing it again is harmless: the first entry stays."""
    async with engine.begin() as conn:
        added = await insert_entries(conn, workspace_id, [NewEntry(number=number, reason=reason)], source, by=by)
        canceled = 0
        if added:
            await lock_list(conn, workspace_id)
            canceled = await _end_calls_to(conn, workspace_id, number)
            details = {"source": source, "canceled": canceled}
            await record_change(conn, workspace_id, by, "added", number=number, details=details)
        entry = await get_entry(conn, workspace_id, number)
    return Listed(entry=entry, added=bool(added), canceled=canceled)


async def import_numbers(engine: AsyncEngine, workspace_id: str, file: ImportFile, *, by: Actor) -> ImportReport:
    """Enter all numbers of a file, or none where it breaks off. Raises Conflict while another import is under way,
    and Invalid for a file without rows."""
    added = canceled = 0
    async with engine.begin() as conn:
        await begin_import(conn, workspace_id)
        async for entries in file.pages():
            added += len(await insert_entries(conn, workspace_id, entries, Source.CSV, by=by))
        if file.rows == 0:
            raise Invalid("body", "has no rows")
        if added:
            # Most of it while calls are still claimed. Nobody who has the list waits for these: their numbers are ours.
            canceled = await end_waiting_listed(conn, workspace_id, Rule.DO_NOT_CALL)
            await lock_list(conn, workspace_id)
            canceled += await end_waiting_listed(conn, workspace_id, Rule.DO_NOT_CALL)
            await hang_up_on_the_way(conn, workspace_id)
        already_there = file.rows - file.refused - added
        counts = {"added": added, "already_there": already_there, "refused": file.refused, "canceled": canceled}
        await record_change(conn, workspace_id, by, "imported", details=counts)
    return ImportReport(
        added=added,
        already_there=already_there,
        refused=file.refused,
        canceled=canceled,
        refused_rows=file.refused_rows,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody asked on a call not to be called again, and their number is on the list now."""

    workspace_id: str
    number: str


async def enter_wish(conn: AsyncConnection, call_id: str) -> Wish | None:
    """Enter the other party of a call, who asked not to be called again. None where there is nothing to do: no such
    call, a caller who hid their number, a number that is on the list already.

    It locks the list, so before any attempt or call; `keep_wish` comes after those.
    """
    row = (await conn.execute(_PARTIES, {"the_call": call_id})).one_or_none()
    if row is None:
        return None
    try:
        number = parse_e164(row.to if row.direction == CallDirection.OUTBOUND else row.from_)
    except ValueError:
        return None
    entry = NewEntry(number=number, call_id=call_id)
    if not await insert_entries(conn, row.workspace_id, [entry], Source.CALLEE, by=None):
        return None
    await lock_list(conn, row.workspace_id)
    return Wish(workspace_id=row.workspace_id, number=number)


async def keep_wish(conn: AsyncConnection, wish: Wish) -> None:
    """The second half of `enter_wish`: end what waits for the number."""
    await _end_calls_to(conn, wish.workspace_id, wish.number)


async def enter_wish_at_once(engine: AsyncEngine, call_id: str) -> None:
    """Both halves, while the call still goes on. Its result finds the number on the list."""
    async with engine.begin() as conn:
        wish = await enter_wish(conn, call_id)
        if wish is not None:
            await keep_wish(conn, wish)


async def _end_calls_to(conn: AsyncConnection, workspace_id: str, number: str) -> int:
    canceled = await end_waiting_to(conn, workspace_id, [number], Rule.DO_NOT_CALL)
    await hang_up_on_the_way(conn, workspace_id)
    return canceled


_PARTIES = select(calls.c.workspace_id, calls.c.direction, calls.c.from_, calls.c.to).where(
    calls.c.id == bindparam("the_call", type_=Text)
)
