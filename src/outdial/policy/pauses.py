"""Dialling paused, for a workspace or for one of its numbers: calls are accepted and wait. The only writer of `pauses`.

A pause is about a queue and not about a call, so the gate (`policy/gate.py`) doesn't know it: the claim looks for no
call of what is paused, however many wait, and the last question before a dial (`calls/departure.py`) finds it, too. So
nothing is sent that asks after the pause was committed. Live calls, and those that come in, go on.

Whoever pauses first is who paused, and when. An API key may pause, and take back what keys have paused; what a person
(or the command line) wants paused, also on top of a key's pause, a person resumes: a program that has run wild must not
set itself free.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, all_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.notify import notify
from outdial.db.tables import numbers, pauses, workspaces
from outdial.instants import to_json
from outdial.refusals import Denied, LimitReached, NotFound
from outdial.workspaces.audit import Actor, ActorKind, ActorView, record
from outdial.workspaces.store import workspace_name

MAX_REASON_CHARS = 200
PAUSED = "paused"               # the code of a request that would wait, and must not
BY_PEOPLE = "paused_by_people"  # … of a key that may not resume
TRY_AGAIN_S = 60                # nobody knows when it is resumed
PEOPLE_RESUME = (
    "A person paused this, so an API key can't resume it. A person can: on any page of the dashboard, or with the "
    "command outdial resume."
)


class PauseView(TypedDict):
    """Since when dialling is paused, who did so, and what they said about it."""

    at: str
    by: ActorView
    reason: str | None


class PauseAnswer(TypedDict):
    """How it is now. `changed`: it wasn't so before. `pause` is null where dialling isn't paused."""

    paused: bool
    changed: bool
    pause: PauseView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """`number_id`, `number`: of the number that is paused (E.164), None where it is the whole workspace."""

    at: datetime
    reason: str | None
    by: Actor
    people_only: bool
    number_id: str | None
    number: str | None = None

    def view(self) -> PauseView:
        by = ActorView(kind=self.by.kind, id=self.by.id, name=self.by.name)
        return PauseView(at=to_json(self.at), by=by, reason=self.reason)


# -- asked before a dial ---------------------------------------------------------------------------------------


def is_paused(subject_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Part of a query: whether a workspace, or a number by itself, is paused."""
    return select(pauses.c.subject_id).where(pauses.c.subject_id == subject_id).exists()


def not_paused(number_id: ColumnElement[str], workspace_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Part of a query: whether a number of a workspace isn't paused by itself. Found once for all numbers, so that it
    is no join, and changes no plan."""
    paused = select(pauses.c.subject_id).where(pauses.c.workspace_id == workspace_id)
    return number_id != all_(func.array(paused.scalar_subquery()))


def holds_back(workspace_id: ColumnElement[str], number_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Part of a query: whether calls of a number wait because of a pause, of its own or of its workspace."""
    subject = pauses.c.subject_id
    return select(subject).where(or_(subject == workspace_id, subject == number_id)).exists()


async def may_hold_back(conn: AsyncConnection, workspace_id: str, number_id: str | None = None) -> bool:
    """Whether there is a pause for dials of the workspace, or of one of its numbers, to be held back by."""
    found = select(pauses.c.subject_id).where(_holding_back(workspace_id, number_id))
    return bool(await conn.scalar(select(found.exists())))


async def refuse_while_paused(conn: AsyncConnection, workspace_id: str, number_id: str) -> None:
    """For a request that must not wait. Raises LimitReached."""
    query = select(pauses.c.number_id).where(_holding_back(workspace_id, number_id))
    of_workspace_first = query.order_by(pauses.c.number_id.is_not(None))
    pause = (await conn.execute(of_workspace_first)).first()
    if pause is not None:
        raise would_wait(pause.number_id)


def _holding_back(workspace_id: str, number_id: str | None) -> ColumnElement[bool]:
    """Which pauses hold dials of a number back; without one, any dials of the workspace."""
    ours = pauses.c.workspace_id == workspace_id
    return ours if number_id is None else ours & pauses.c.subject_id.in_([workspace_id, number_id])


def would_wait(number_id: str | None = None) -> LimitReached:
    """The refusal, where the number is paused by itself or (None) its whole workspace."""
    what, verb = ("workspace", "resume") if number_id is None else ("number", f"resume --number {number_id}")
    return LimitReached(
        PAUSED,
        f"Dialling is paused for this {what} (rule {PAUSED}), so the call would wait. Somebody has to resume it: on a "
        f"page of the dashboard, or with: outdial {verb}",
        TRY_AGAIN_S,
    )


# -- changed ---------------------------------------------------------------------------------------------------


async def pause(
    engine: AsyncEngine, workspace_id: str, number_id: str | None = None, *, reason: str | None, by: Actor
) -> PauseAnswer:
    """Dial no calls of the workspace, or of one of its numbers, any more. A pause that is there stays as it is, but for
    who may resume it. Raises NotFound."""
    people_only = by.kind is not ActorKind.API_KEY
    values: dict[str, Any] = {
        "subject_id": number_id or workspace_id,
        "workspace_id": workspace_id,
        "number_id": number_id,
        "reason": reason,
        "people_only": people_only,
        "actor_kind": by.kind,
        "actor_id": by.id,
        "actor_name": by.name,
    }
    new = upsert(pauses).values(values).on_conflict_do_nothing().returning(pauses.c.subject_id)
    async with engine.begin() as conn:
        name = await name_of(conn, workspace_id, number_id, stays=True)
        changed = (await conn.execute(new)).one_or_none() is not None
        kept = not changed and people_only and await _keep_for_people(conn, values["subject_id"])
        if changed or kept:
            details = {"reason": reason} if changed else {"reason": reason, "was_paused": True}
            await record(
                conn, workspace_id, by, "pause.set", subject_id=values["subject_id"], subject_name=name, details=details
            )
            await _tell(conn, workspace_id)
        found = await read_pause(conn, workspace_id, number_id)
    return _answer(found, changed=changed)


async def pause_everything(conn: AsyncConnection, *, reason: str, by: Actor) -> int:
    """Every workspace, until a person resumes it; how many. A pause that is there stays as it is, but for who may
    resume it."""
    people_only = by.kind is not ActorKind.API_KEY
    who = {"actor_kind": by.kind, "actor_id": by.id, "actor_name": by.name, "people_only": people_only}
    paused = 0
    for workspace_id, name in (await conn.execute(select(workspaces.c.id, workspaces.c.name))).all():
        values = {"subject_id": workspace_id, "workspace_id": workspace_id, "reason": reason} | who
        await conn.execute(upsert(pauses).values(values).on_conflict_do_nothing())
        await _keep_for_people(conn, workspace_id)
        details = {"reason": reason}
        await record(conn, workspace_id, by, "pause.set", subject_id=workspace_id, subject_name=name, details=details)
        await _tell(conn, workspace_id)
        paused += 1
    return paused


async def resume(engine: AsyncEngine, workspace_id: str, number_id: str | None = None, *, by: Actor) -> PauseAnswer:
    """Dial again what waits. A number whose workspace is paused goes on waiting for that. Raises NotFound, and Denied
    where a key would undo what people want."""
    subject_id = number_id or workspace_id
    async with engine.begin() as conn:
        name = await name_of(conn, workspace_id, number_id, stays=True)
        found = await read_pause(conn, workspace_id, number_id, for_update=True)
        if found is None:
            return _answer(None, changed=False)
        if found.people_only and by.kind is ActorKind.API_KEY:
            raise Denied(BY_PEOPLE, PEOPLE_RESUME)
        await conn.execute(delete(pauses).where(pauses.c.subject_id == subject_id))
        details = {"paused_at": to_json(found.at), "paused_by": found.by.name}
        await record(
            conn, workspace_id, by, "pause.lifted", subject_id=subject_id, subject_name=name, details=details
        )
        await _tell(conn, workspace_id)
        await notify(conn, "outdial_queue", workspace_id)
    return _answer(None, changed=True)


async def _keep_for_people(conn: AsyncConnection, subject_id: str) -> bool:
    """Whether that is new."""
    by_key = update(pauses).where(pauses.c.subject_id == subject_id, ~pauses.c.people_only)
    return bool((await conn.execute(by_key.values(people_only=True))).rowcount)


async def _tell(conn: AsyncConnection, workspace_id: str) -> None:
    await notify(conn, "outdial_pause", workspace_id)


async def name_of(conn: AsyncConnection, workspace_id: str, number_id: str | None, *, stays: bool = False) -> str:
    """What the workspace, or the number of it, is called. `stays`: it isn't removed while the transaction goes on.
    Raises NotFound."""
    if number_id is None:
        return await workspace_name(conn, workspace_id)
    query = select(numbers.c.e164).where(numbers.c.id == number_id, numbers.c.workspace_id == workspace_id)
    if stays:
        query = query.with_for_update(read=True, key_share=True)
    e164: str | None = await conn.scalar(query)
    if e164 is None:
        raise NotFound("number_not_found", "There is no such phone number.")
    return e164


# -- shown -----------------------------------------------------------------------------------------------------


async def read_pause(
    conn: AsyncConnection, workspace_id: str, number_id: str | None = None, *, for_update: bool = False
) -> Pause | None:
    """Of the whole workspace, or of the number by itself."""
    of_subject = pauses.c.subject_id == (number_id or workspace_id)
    query = _PAUSES.where(of_subject, pauses.c.workspace_id == workspace_id)
    if for_update:
        query = query.with_for_update(of=pauses)
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else _pause(row)


async def pause_views(conn: AsyncConnection, subject_ids: Sequence[str]) -> Mapping[str, PauseView]:
    """By the id of the workspace or number; of what isn't paused by itself there is none."""
    rows = await conn.execute(_PAUSES.where(pauses.c.subject_id.in_(subject_ids)))
    return {row["subject_id"]: _pause(row).view() for row in rows.mappings()}


async def list_pauses(conn: AsyncConnection, workspace_id: str) -> Sequence[Pause]:
    """Of the workspace first, then of its numbers, the oldest first."""
    ours = _PAUSES.where(pauses.c.workspace_id == workspace_id)
    rows = await conn.execute(ours.order_by(pauses.c.number_id.is_not(None), pauses.c.at, pauses.c.subject_id))
    return [_pause(row) for row in rows.mappings()]


_PAUSES = select(pauses, numbers.c.e164).outerjoin(numbers, numbers.c.id == pauses.c.number_id)


def _pause(row: RowMapping) -> Pause:
    return Pause(
        at=row["at"],
        reason=row["reason"],
        by=Actor(kind=ActorKind(row["actor_kind"]), id=row["actor_id"], name=row["actor_name"]),
        people_only=row["people_only"],
        number_id=row["number_id"],
        number=row["e164"],
    )


def _answer(found: Pause | None, *, changed: bool) -> PauseAnswer:
    return PauseAnswer(
        paused=found is not None, changed=changed, pause=None if found is None else found.view()
    )
