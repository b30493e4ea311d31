"""The do-not-call list of a workspace: who must not be called, and why. The only writer of `do_not_call`.

**Nobody is dialled by a claim that ends after the addition of their number.** A claim reads the list under a shared
lock of it, an addition commits under the exclusive one: so a claim is over before the addition is, or sees it.
The lock is the workspace's own, an advisory one: no row is written for it, and other workspaces never meet it.

Lock order: **entries → list → attempt → call → callback → pool**. Whoever adds inserts first (somebody else may be
adding the same number, and is waited for with nothing else in hand), locks the list then, and attempts and calls only
afterwards. The claim has nothing else in hand when it asks for the list, and waits a moment for it. Taking a number off
needs no lock: a claim that still sees the entry refuses a call, which does no harm.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Integer, RowMapping, Text, bindparam, delete, func, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.engine import lock_timeout
from outdial.db.tables import do_not_call
from outdial.instants import parse_instant, to_json
from outdial.policy.erased_entries import ErasedEntry, count_hashed, forget_hash
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.telephony.e164 import MAX_CHARS, number_hint
from outdial.workspaces.audit import Actor, ActorKind, ActorView, record
from outdial.workspaces.secrets import SecretBox

PAGE = 50
MAX_PAGE = 1000
MAX_REASON_CHARS = 200
PATIENCE_MS = 100  # of a claim that meets an addition
SUBJECT = "do_not_call"  # what the audit log calls the list; an entry's number never stands there


class Source(StrEnum):
    """How a number came onto the list."""

    CALLEE = "callee"    # said during a call
    PAGE = "page"
    API = "api"
    CSV = "csv"
    CLI = "cli"
    UPGRADE = "upgrade"  # said during a call, before there was a list


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """`number` is E.164. `call_id`: the call it was said in."""

    number: str
    reason: str | None = None
    call_id: str | None = None


class EntryView(TypedDict):
    """A number that isn't called. `call_id`: the call in which it was asked for; `by`: who added it otherwise."""

    number: str
    reason: str | None
    source: Source
    call_id: str | None
    by: ActorView | None
    created_at: str


class EntryPage(TypedDict):
    """Newest first. `next_cursor` gets the next page, null on the last one. `erased`: how many more there are whose
    number was erased; whoever knows such a number finds it on the list still."""

    entries: list[EntryView]
    next_cursor: str | None
    erased: int


# -- asked before a dial ---------------------------------------------------------------------------------------


def is_listed(workspace_id: ColumnElement[str], number: ColumnElement[str]) -> ColumnElement[bool]:
    """Part of a query: whether a number is on the list of a workspace. By the primary key, however long the list."""
    entry = do_not_call.c
    return select(entry.number).where(entry.workspace_id == workspace_id, entry.number == number).exists()


def list_at_rest(workspace_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Part of a query: the shared lock of the list, until the transaction ends; false where somebody is adding."""
    return func.pg_try_advisory_xact_lock_shared(_key(workspace_id))


async def await_additions(conn: AsyncConnection, workspace_id: str) -> None:
    """The shared lock of the list, waited for; the first thing that a transaction locks. Raises after PATIENCE_MS
    (`db.engine.is_lock_timeout`)."""
    lock = select(func.pg_advisory_xact_lock_shared(_key(literal(workspace_id, Text))))
    await conn.execute(lock.where(lock_timeout(literal(PATIENCE_MS, Integer))))


async def listed_now(conn: AsyncConnection, workspace_id: str, number: str) -> bool:
    return bool(await conn.scalar(_LISTED, {"workspace": workspace_id, "number": number}))


# -- changed ---------------------------------------------------------------------------------------------------


async def insert_entries(
    conn: AsyncConnection, workspace_id: str, entries: Sequence[NewEntry], source: Source, *, by: Actor | None
) -> frozenset[str]:
    """The numbers that are new on the list; an earlier entry stays as it is. Follow it with `lock_list`."""
    values = {
        "workspace": workspace_id,
        "numbers": [entry.number for entry in entries],
        "reasons": [entry.reason for entry in entries],
        "call_ids": [entry.call_id for entry in entries],
        "source": source,
        "by_kind": None if by is None else by.kind,
        "by_id": None if by is None else by.id,
        "by_name": None if by is None else by.name,
    }
    return frozenset((await conn.execute(_INSERT, values)).scalars())


async def lock_list(conn: AsyncConnection, workspace_id: str) -> None:
    """Wait for claims under way, and keep new ones off until the transaction ends: they will see what was added."""
    await conn.execute(select(func.pg_advisory_xact_lock(_key(literal(workspace_id, Text)))))


async def begin_import(conn: AsyncConnection, workspace_id: str) -> None:
    """One import at a time: two of the same numbers in another order would wait for each other. Raises Conflict."""
    lock = func.hashtextextended(f"do-not-call import {workspace_id}", 0)
    if not await conn.scalar(select(func.pg_try_advisory_xact_lock(lock))):
        raise Conflict("import_under_way", "Another import into this list is under way; try again when it is done.")


async def remove_entry(
    engine: AsyncEngine, workspace_id: str, number: str, *, by: Actor, box: SecretBox | None = None
) -> EntryView:
    """Take a number off: it may be called again, also where only its hash is left (which takes the `box`). Calls that
    were refused stay refused. Raises NotFound."""
    entry = do_not_call.c
    query = delete(do_not_call).where(entry.workspace_id == workspace_id, entry.number == number)
    async with engine.begin() as conn:
        row = (await conn.execute(query.returning(do_not_call))).mappings().one_or_none()
        hashed = None if box is None else await forget_hash(conn, box, workspace_id, number)
        if row is None and hashed is None:
            raise NotFound("not_on_the_list", "This number is not on the do-not-call list.")
        removed = _view(row) if row is not None else _erased_view(number, hashed)
        details = {"source": removed["source"], "added_at": removed["created_at"]}
        await record_change(conn, workspace_id, by, "removed", number=number, details=details)
    return removed


async def record_change(
    conn: AsyncConnection,
    workspace_id: str,
    by: Actor,
    what: str,
    *,
    number: str | None = None,
    details: Mapping[str, Any],
) -> None:
    """The audit log hears who changed the list (`added`, `removed`, `imported`), and of a number only a hint."""
    name = "Do-not-call list" if number is None else number_hint(number)
    act = f"do_not_call.{what}"
    await record(conn, workspace_id, by, act, subject_id=SUBJECT, subject_name=name, details=details)


# -- shown -----------------------------------------------------------------------------------------------------


async def get_entry(conn: AsyncConnection, workspace_id: str, number: str) -> EntryView:
    """Raises NotFound."""
    entry = do_not_call.c
    query = select(do_not_call).where(entry.workspace_id == workspace_id, entry.number == number)
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("not_on_the_list", "This number is not on the do-not-call list.")
    return _view(row)


async def entries_of(conn: AsyncConnection, workspace_id: str, numbers: Collection[str]) -> dict[str, EntryView]:
    """By number; those that aren't on the list (any more) are left out."""
    entry = do_not_call.c
    query = select(do_not_call).where(entry.workspace_id == workspace_id, entry.number.in_(numbers))
    return {row["number"]: _view(row) for row in (await conn.execute(query)).mappings()}


async def list_entries(
    conn: AsyncConnection,
    workspace_id: str,
    *,
    number: str | None = None,
    source: Source | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> EntryPage:
    """`number` is how entries begin where it begins with +, else digits they have in them. Raises Invalid for a cursor
    that isn't one of ours."""
    entry = do_not_call.c
    query = select(do_not_call).where(entry.workspace_id == workspace_id)
    digits = "".join(char for char in number or "" if char.isascii() and char.isdigit())
    if digits:
        begins = (number or "").lstrip().startswith("+")
        query = query.where(entry.number.like(f"+{digits}%" if begins else f"%{digits}%"))
        if begins:  # in any collation these are its bounds; unlike LIKE they lead through the primary key
            query = query.where(entry.number.between(f"+{digits}", f"+{digits}".ljust(MAX_CHARS, "9")))
    if source is not None:
        query = query.where(entry.source == source)
    if cursor is not None:
        at, _, after = cursor.partition("/")
        try:
            query = query.where(tuple_(entry.created_at, entry.number) < tuple_(literal(parse_instant(at)), after))
        except ValueError:
            raise Invalid("cursor", "is not a cursor of this API") from None
    newest_first = query.order_by(entry.created_at.desc(), entry.number.desc()).limit(limit + 1)
    found = [_view(row) for row in (await conn.execute(newest_first)).mappings()]
    page = found[:limit]
    last = f"{page[-1]['created_at']}/{page[-1]['number']}" if len(found) > limit else None
    return EntryPage(entries=page, next_cursor=last, erased=await count_hashed(conn, workspace_id))


def _view(row: RowMapping) -> EntryView:
    kind = row["actor_kind"]
    by = None if kind is None else ActorView(kind=ActorKind(kind), id=row["actor_id"], name=row["actor_name"])
    return EntryView(
        number=row["number"],
        reason=row["reason"],
        source=Source(row["source"]),
        call_id=row["call_id"],
        by=by,
        created_at=to_json(row["created_at"]),
    )


def _erased_view(number: str, entry: ErasedEntry | None) -> EntryView:
    assert entry is not None
    return EntryView(
        number=number,
        reason=None,
        source=Source(entry.source),
        call_id=entry.call_id,
        by=None,
        created_at=to_json(entry.created_at),
    )


def _key(workspace_id: ColumnElement[str]) -> ColumnElement[int]:
    return func.hashtextextended(literal("do-not-call ", Text) + workspace_id, 0)


_LISTED = select(is_listed(bindparam("workspace", type_=Text), bindparam("number", type_=Text)))
# In the order of the numbers: two who add the same ones at a time don't wait for each other in a circle.
_INSERT = text("""
    INSERT INTO do_not_call (workspace_id, number, reason, source, call_id, actor_kind, actor_id, actor_name)
    SELECT :workspace, number, reason, :source, call_id, :by_kind, :by_id, :by_name
    FROM unnest(CAST(:numbers AS text[]), CAST(:reasons AS text[]), CAST(:call_ids AS text[]))
        AS added (number, reason, call_id)
    ORDER BY number
    ON CONFLICT (workspace_id, number) DO NOTHING
    RETURNING number
""")
