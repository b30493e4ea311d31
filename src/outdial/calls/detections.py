"""What two detectors found of a call's answer, side by side, and who it truly was, as a person says: kept for the
comparison (history.agreement). Categories and instants alone, so it stays when what is personal in a call is erased.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.calls.records import DetectionWanted, Held
from outdial.db.detection_tables import detections
from outdial.db.tables import attempts, calls
from outdial.ids import is_id
from outdial.refusals import Conflict, NotFound
from outdial.telephony.one_detector import RULES, Found
from outdial.telephony.state import CallState
from outdial.telephony.verdict import AnsweredBy, DetectedBy, Verdict, WhoAnswered
from outdial.workspaces.audit import Actor, record


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Who answered, as a person says, and when they said so; `category` None: nobody does, or not any more."""

    category: AnsweredBy | None
    at: datetime | None


async def note_verdict(conn: AsyncConnection, held: Held, verdict: Verdict) -> None:
    """A verdict of one of two detectors that are both asked. Part of the caller's transaction; the call is locked.

    The carrier's counts from when it is known here: whoever is first is told by one clock.
    """
    attempt, call = held.attempt, held.call
    kept = detections.c
    query = select(detections).where(kept.attempt_id == attempt.id)
    row = (await conn.execute(query)).mappings().one_or_none()
    name = DetectedBy.LOCAL if verdict.is_ours else DetectedBy.CARRIER
    known = verdict if verdict.is_ours else replace(verdict, at=clock.now())
    found = (Found() if row is None else _found(row, name)).after(known)
    values = {
        "call_id": call.id,
        "workspace_id": call.workspace_id,
        "carrier": attempt.carrier,
        "at": attempt.answered_at or call.answered_at or verdict.at,
        "asked": DetectedBy.BOTH,
    } | _columns(name, found)
    await _put(conn, attempt.id, values)


async def set_truth(
    engine: AsyncEngine, workspace_id: str, call_id: str, category: AnsweredBy | None, *, by: Actor
) -> Truth:
    """Who truly answered a call that has ended (its last dial that was answered); None takes back what was said.
    Again it is harmless.

    Raises NotFound, and Conflict: `call_not_ended`, `call_not_answered`.
    """
    async with engine.begin() as conn:
        of_call = select(calls.c.state, calls.c.detection, calls.c.answered_by).where(
            calls.c.id == call_id, calls.c.workspace_id == workspace_id
        )
        is_known = is_id(call_id, "call")
        call = (await conn.execute(of_call.with_for_update())).one_or_none() if is_known else None
        if call is None:
            raise NotFound("call_not_found", "There is no such call.")
        if call.state != CallState.ENDED:
            raise Conflict("call_not_ended", "The call goes on. Who answered can be said once it has ended.")
        attempt = (await conn.execute(_last_answered(call_id))).mappings().one_or_none()
        if attempt is None:
            raise Conflict("call_not_answered", "Nobody has answered this call.")
        before = Truth(category=_category(attempt["truth"]), at=attempt["truth_at"])
        if before.category is category:
            return before
        of_row = {"call_id": call_id, "workspace_id": workspace_id, "carrier": attempt["carrier"]}
        values = of_row | {"at": attempt["answered_at"], "truth": category, "truth_at": func.now()}
        if attempt["attempt_id"] is None:
            values |= _as_found_alone(call.detection, call.answered_by)
        truth = await _put(conn, attempt["id"], values)
        act = "truth.taken_back" if category is None else "truth.set"
        details = {"category": category, "before": before.category}
        told = {name: value for name, value in details.items() if value is not None}
        await record(conn, workspace_id, by, act, subject_id=call_id, subject_name=call_id, details=told)
        return truth


def _last_answered(call_id: str) -> Any:
    columns = (attempts.c.id, attempts.c.carrier, attempts.c.answered_at)
    joined = attempts.outerjoin(detections, detections.c.attempt_id == attempts.c.id)
    return (
        select(*columns, detections.c.attempt_id, detections.c.truth, detections.c.truth_at)
        .select_from(joined)
        .where(attempts.c.call_id == call_id, attempts.c.answered_at.is_not(None))
        .order_by(attempts.c.number.desc())
        .limit(1)
    )


def _as_found_alone(
    detection: Mapping[str, Any] | None, answered_by: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Of a dial that has no row yet: who was asked, and what the one detector that was has found, unless the rules of
    the call decided it."""
    wanted = None if detection is None else DetectionWanted.from_json(detection)
    who = None if answered_by is None else WhoAnswered.from_json(answered_by)
    if wanted is None:
        return {}
    if who is None or wanted.by is DetectedBy.BOTH or RULES & set(who.evidence):
        return {"asked": wanted.by}
    return {"asked": wanted.by} | _columns(wanted.by, Found(category=who.category))


async def _put(conn: AsyncConnection, attempt_id: str, values: Mapping[str, Any]) -> Truth:
    """The row as it is to be; what it is of stays as it was entered first."""
    row = insert(detections).values(attempt_id=attempt_id, **values)
    changed = {name: value for name, value in values.items() if name not in ("call_id", "workspace_id", "at")}
    put = row.on_conflict_do_update(index_elements=[detections.c.attempt_id], set_=changed)
    truth = (await conn.execute(put.returning(detections.c.truth, detections.c.truth_at))).one()
    return Truth(category=_category(truth.truth), at=truth.truth_at)


def _found(row: Mapping[Any, Any], name: DetectedBy) -> Found:
    return Found(
        category=_category(row[f"{name}_category"]),
        known_at=row[f"{name}_known_at"],
        revisions=row[f"{name}_revisions"],
    )


def _columns(name: DetectedBy, found: Found) -> dict[str, Any]:
    return {
        f"{name}_category": found.category,
        f"{name}_known_at": found.known_at,
        f"{name}_revisions": found.revisions,
    }


def _category(stored: str | None) -> AnsweredBy | None:
    return None if stored is None else AnsweredBy(stored)
