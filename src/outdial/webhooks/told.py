"""What is told of something that happened: rows of our own events → the JSON of each payload's `data`."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.tables import call_events, calls
from outdial.history.views import AgentRef, AnsweredByView, CallView, answered_by_view, whole_calls
from outdial.instants import to_json
from outdial.telephony.state import CallDirection, CallState
from outdial.telephony.verdict import WhoAnswered
from outdial.webhooks.event_type import EventType, told_by

_Parties = TypedDict("_Parties", {"from": str, "to": str})


class CallBrief(_Parties):
    """The call an event is of, as it was then. `attempt`: which of its dials, from 1; null before the first."""

    id: str
    direction: CallDirection
    state: CallState
    number_id: str | None
    agent: AgentRef | None
    attempt: int | None
    metadata: dict[str, Any] | None
    created_at: str


class CallProgress(TypedDict):
    """`call.queued`, `call.dialing`, `call.ringing`, `call.answered`. A call that is queued for its next attempt says
    how the last one ended (`end_reason`) and when that is (`next_attempt_at`)."""

    call: CallBrief
    end_reason: NotRequired[str]
    next_attempt_at: NotRequired[str]


class CallAnsweredBy(TypedDict):
    """`call.answered_by`: who answered is known, or known better than before."""

    call: CallBrief
    answered_by: AnsweredByView


class TurnTold(TypedDict):
    """What one side has said. `seq` names the turn: one that is told again is put right."""

    seq: int
    speaker: str
    text: str
    start_ms: int
    end_ms: int
    interrupted: bool


class CallTranscript(TypedDict):
    """`call.transcript`: one turn, when it is over."""

    call: CallBrief
    turn: TurnTold


class CallEnded(TypedDict):
    """`call.ended`: the call, whole, as `GET /v1/calls/{call_id}` shows it. `complete` is false where what the
    conversation brought had not come after two minutes (its process died): `call.updated` tells it if it still comes.
    """

    call: CallView
    complete: bool


class CallUpdated(TypedDict):
    """`call.updated`: more is known of a call than `call.ended` told: its wrap-up is made (or has failed), what its
    conversation brought came late, or its end or outcome was put right. The call, whole, as it is now."""

    call: CallView


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """A row of `call_events` that users are told of (`row_type` there), and its call as far as it never changes."""

    id: int
    type: EventType
    row_type: str
    data: Mapping[str, Any]
    at: datetime
    workspace_id: str
    call_id: str
    direction: CallDirection
    from_: str
    to: str
    number_id: str | None
    agent: AgentRef | None
    metadata: dict[str, Any] | None
    created_at: datetime
    webhook_url: str | None

    @classmethod
    def of(cls, row: RowMapping) -> "CallEvent | None":
        """Of a row of CALL_EVENT; None where users aren't told of it."""
        call, data = calls.c, row[call_events.c.data]
        type_ = told_by(row[call_events.c.type], data)
        if type_ is None or (type_ is EventType.TRANSCRIPT and not _is_said(data)):
            return None
        agent_id = row[call.agent_id]
        return cls(
            id=row[call_events.c.id],
            type=type_,
            row_type=row[call_events.c.type],
            data=data,
            at=row[call_events.c.at],
            workspace_id=row[call.workspace_id],
            call_id=row[call.id],
            direction=CallDirection(row[call.direction]),
            from_=row[call.from_],
            to=row[call.to],
            number_id=row[call.number_id],
            agent=None if agent_id is None else AgentRef(id=agent_id, version=row[call.agent_version]),
            metadata=row[call.metadata],
            created_at=row[call.created_at],
            webhook_url=row[call.webhook_url],
        )

    @property
    def state(self) -> CallState:
        """Of the call at that moment: what isn't a change of it happens while it talks."""
        return CallState(self.data["state"]) if "state" in self.data else CallState.IN_PROGRESS


_WHOLE = (EventType.ENDED, EventType.UPDATED)  # told with the whole call


def call_events_query() -> Select[Any]:
    """Rows for `CallEvent.of`."""
    call, told = calls.c, call_events.c
    return select(
        told.id, told.type, told.data, told.at,
        call.workspace_id, call.id, call.direction, call.from_, call.to, call.number_id, call.agent_id,
        call.agent_version, call.metadata, call.created_at, call.webhook_url,
    ).join(calls, call.id == told.call_id)  # fmt: skip


async def tell(
    conn: AsyncConnection, events: Sequence[CallEvent], *, base_url: str, incomplete: Collection[str] = ()
) -> Sequence[str]:
    """The JSON of each one's `data`, in their order. `incomplete`: calls that have ended and of which more may come."""
    ended = {event.call_id: event.workspace_id for event in events if event.type in _WHOLE}
    views: dict[str, CallView] = {}
    for workspace_id in sorted(set(ended.values())):
        these = [call_id for call_id, of in ended.items() if of == workspace_id]
        views |= await whole_calls(conn, workspace_id, these, base_url=base_url)
    return [as_json(_data(event, views, incomplete)) for event in events]


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _data(event: CallEvent, views: Mapping[str, CallView], incomplete: Collection[str]) -> Any:
    match event.type:
        case EventType.ENDED if event.call_id in views:
            return CallEnded(call=views[event.call_id], complete=event.call_id not in incomplete)
        case EventType.UPDATED if event.call_id in views:
            return CallUpdated(call=views[event.call_id])
        case EventType.ANSWERED_BY:
            return CallAnsweredBy(call=_brief(event), answered_by=answered_by_view(WhoAnswered.from_json(event.data)))
        case EventType.TRANSCRIPT:
            return CallTranscript(call=_brief(event), turn=_turn(event.data))
    told = CallProgress(call=_brief(event))
    if reason := event.data.get("end_reason"):
        told["end_reason"] = reason
    if at := event.data.get("next_attempt_at"):
        told["next_attempt_at"] = at
    return told


def _brief(event: CallEvent) -> CallBrief:
    return {
        "id": event.call_id,
        "direction": event.direction,
        "state": event.state,
        "from": event.from_,
        "to": event.to,
        "number_id": event.number_id,
        "agent": event.agent,
        "attempt": event.data.get("attempt"),
        "metadata": event.metadata,
        "created_at": to_json(event.created_at),
    }


def _is_said(data: Mapping[str, Any]) -> bool:
    return bool(data.get("text")) and data.get("end_ms") is not None


def _turn(data: Mapping[str, Any]) -> TurnTold:
    return TurnTold(
        seq=data["seq"],
        speaker=data["speaker"],
        text=data["text"],
        start_ms=data["start_ms"],
        end_ms=data["end_ms"],
        interrupted=bool(data.get("interrupted")),
    )


def kept(events: Iterable[CallEvent | None]) -> list[CallEvent]:
    return [event for event in events if event is not None]
