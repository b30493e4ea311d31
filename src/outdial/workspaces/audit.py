"""The audit log: who changed what, written in the transaction that changes it. Calls are their own record."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.tables import audit_log
from outdial.instants import to_json
from outdial.refusals import Invalid

PAGE = 50
MAX_PAGE = 200


class ActorKind(StrEnum):
    API_KEY = "api_key"
    PERSON = "person"
    COMMAND_LINE = "command_line"  # somebody who may use the server's database itself
    SERVER = "server"              # by itself, by a rule that somebody has made


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something: `id` and `name` of the API key or person, as they are at that moment."""

    kind: ActorKind
    id: str
    name: str


COMMAND_LINE = Actor(kind=ActorKind.COMMAND_LINE, id="command_line", name="Command line")
SERVER = Actor(kind=ActorKind.SERVER, id="server", name="Server")


class ActorView(TypedDict):
    kind: ActorKind
    id: str
    name: str


class SubjectView(TypedDict):
    id: str
    name: str


class AuditEntry(TypedDict):
    """`act` is what was done to `subject`, such as `number.connected`; `details` depend on it."""

    id: int
    at: str
    actor: ActorView
    act: str
    subject: SubjectView
    details: dict[str, Any]


class AuditPage(TypedDict):
    """Newest first. `next_cursor` gets the next page, null on the last one."""

    entries: list[AuditEntry]
    next_cursor: str | None


async def record(
    conn: AsyncConnection,
    workspace_id: str,
    actor: Actor,
    act: str,
    *,
    subject_id: str,
    subject_name: str = "",
    details: Mapping[str, Any] | None = None,
) -> int:
    """Part of the caller's transaction; the entry's id. `details` must hold no secret and no phone number of a
    callee."""
    entry_id: int | None = await conn.scalar(
        insert(audit_log)
        .values(
            workspace_id=workspace_id,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            act=act,
            subject_id=subject_id,
            subject_name=subject_name,
            details=dict(details or {}),
        )
        .returning(audit_log.c.id)
    )
    assert entry_id is not None
    return entry_id


async def amend(conn: AsyncConnection, entry_id: int, details: Mapping[str, Any]) -> None:
    """Of something that takes a while: what it has come to by now."""
    await conn.execute(update(audit_log).where(audit_log.c.id == entry_id).values(details=dict(details)))


async def list_audit(
    conn: AsyncConnection,
    workspace_id: str,
    *,
    act: str | None = None,
    actor_id: str | None = None,
    subject_id: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> AuditPage:
    """`act` is a whole one (`number.connected`) or what comes before its dot (`number`).

    Raises Invalid for a cursor that isn't one of ours.
    """
    entries = audit_log.c
    query = select(audit_log).where(entries.workspace_id == workspace_id)
    if act is not None:
        query = query.where(entries.act == act if "." in act else entries.act.startswith(f"{act}.", autoescape=True))
    if actor_id is not None:
        query = query.where(entries.actor_id == actor_id)
    if subject_id is not None:
        query = query.where(entries.subject_id == subject_id)
    if cursor is not None:
        query = query.where(entries.id < _read_cursor(cursor))
    rows = await conn.execute(query.order_by(entries.id.desc()).limit(limit + 1))
    found = [
        AuditEntry(
            id=row.id,
            at=to_json(row.at),
            actor=ActorView(kind=ActorKind(row.actor_kind), id=row.actor_id, name=row.actor_name),
            act=row.act,
            subject=SubjectView(id=row.subject_id, name=row.subject_name),
            details=row.details,
        )
        for row in rows
    ]
    page = found[:limit]
    return AuditPage(entries=page, next_cursor=str(page[-1]["id"]) if len(found) > len(page) else None)


def _read_cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid("cursor", "is not a cursor of this API")
    return int(cursor)
