"""Each verdict on who answered a call, with its evidence and the instants of both on the recording."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.carriers.registry import carrier_named
from outdial.db.detection_tables import detections
from outdial.db.feed import Event, events_of_types
from outdial.db.tables import attempts, calls
from outdial.ids import is_id
from outdial.instants import to_json
from outdial.refusals import NotFound
from outdial.telephony.one_detector import RULES
from outdial.telephony.state import CallState
from outdial.telephony.verdict import AnsweredBy, WhoAnswered, waited_ms

By = Literal["local", "carrier"]


class EvidenceView(TypedDict):
    """`heard_at_ms`: on the call clock, which is the recording's; null where it isn't known or has no instant. A
    carrier's evidence is its name and its word, such as `twilio:machine_end_beep`."""

    text: str
    heard_at_ms: int | None


class VerdictView(TypedDict):
    """`by`: whose it is; null: the rules of a call found it (`words`, `reply`, `deadline`). `at_ms`: on the call clock,
    null where there was no audio."""

    by: By | None
    category: AnsweredBy
    evidence: list[EvidenceView]
    confidence: float | None
    after_answer_ms: int | None
    at_ms: int | None
    at: str


class TruthView(TypedDict):
    """Who answered, as a person says; and when they said so."""

    category: AnsweredBy
    at: str


class CallVerdicts(TypedDict):
    """Of the last dial, in the order in which they came. What a transcript's erasure takes is gone: of `both` the
    single verdicts. `truth` is null as long as nobody has said who it was."""

    call_id: str
    verdicts: list[VerdictView]
    truth: TruthView | None


async def get_verdicts(conn: AsyncConnection, workspace_id: str, call_id: str) -> CallVerdicts:
    """Raises NotFound."""
    dial = attempts.c
    query = (
        select(calls.c.id, dial.answered_at, dial.audio_started_at, detections.c.truth, detections.c.truth_at)
        .select_from(calls)
        .outerjoin(attempts, and_(dial.call_id == calls.c.id, dial.answered_at.is_not(None)))
        .outerjoin(detections, detections.c.attempt_id == dial.id)
        .where(calls.c.id == call_id, calls.c.workspace_id == workspace_id)
        .order_by(dial.number.desc())
        .limit(1)
    )
    row = (await conn.execute(query)).one_or_none() if is_id(call_id, "call") else None
    if row is None:
        raise NotFound("call_not_found", "There is no such call.")
    events = await events_of_types(conn, call_id, ("state", "verdict", "answered_by"))
    return CallVerdicts(
        call_id=call_id,
        verdicts=verdicts_in(events, row.answered_at, row.audio_started_at),
        truth=truth_view(row.truth, row.truth_at),
    )


def truth_view(category: str | None, at: datetime | None) -> TruthView | None:
    return None if category is None else TruthView(category=AnsweredBy(category), at=to_json(at) or "")


def verdicts_in(
    events: Sequence[Event], answered_at: datetime | None, audio_at: datetime | None
) -> list[VerdictView]:
    """Of the last dial that events tell of. What won is among them only where no verdict of a detector says it."""
    late_ms = _late_ms(events, answered_at, audio_at)
    found: list[VerdictView] = []
    told: set[str] = set()
    for event in events:
        if event.type == "state":
            if event.data.get("state") == "queued":
                found, told = [], set()
            continue
        who = WhoAnswered.from_json(event.data)
        new = [each for each in who.evidence if each not in told]
        if event.type == "answered_by" and not new and any(each["category"] is who.category for each in found):
            continue
        told |= set(who.evidence)
        shown = list(who.evidence) if event.type == "verdict" else new
        found.append(_view(event, who, shown, late_ms))
    return found


def _late_ms(events: Sequence[Event], answered_at: datetime | None, audio_at: datetime | None) -> int | None:
    """How long before its audio the last dial was answered, as the detector had it; None where there was neither."""
    if answered_at is None or audio_at is None:
        return None
    told = [each.at for each in events if each.type == "state" and each.data.get("state") == CallState.IN_PROGRESS]
    told_ago_ms = _ms_between(told[-1], audio_at) if told else None
    return waited_ms(_ms_between(answered_at, audio_at), told_ago_ms)


def _ms_between(earlier: datetime, later: datetime) -> int:
    return round((later - earlier).total_seconds() * 1000)


def _view(event: Event, who: WhoAnswered, evidence: Sequence[str], late_ms: int | None) -> VerdictView:
    at_ms = who.at_ms
    if at_ms is None and who.after_answer_ms is not None and late_ms is not None:
        at_ms = max(0, who.after_answer_ms - late_ms)
    return VerdictView(
        by=event.data.get("by") or _by(evidence or who.evidence),
        category=who.category,
        evidence=[EvidenceView(text=each, heard_at_ms=who.heard_ms.get(each)) for each in evidence],
        confidence=who.confidence,
        after_answer_ms=who.after_answer_ms,
        at_ms=at_ms,
        at=to_json(event.at),
    )


def _by(evidence: Sequence[str]) -> By | None:
    if RULES & set(evidence):
        return None
    return "carrier" if any(carrier_named(each.partition(":")[0]) for each in evidence) else "local"
