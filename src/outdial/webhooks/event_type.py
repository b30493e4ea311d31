"""What users can be told of, and which of our own events tell it. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from outdial.telephony.state import CallState


class EventType(StrEnum):
    QUEUED = "call.queued"            # accepted; or it waits for its next attempt
    DIALING = "call.dialing"
    RINGING = "call.ringing"
    ANSWERED = "call.answered"
    ANSWERED_BY = "call.answered_by"  # who answered is known (better)
    TRANSCRIPT = "call.transcript"    # one side has said something
    ENDED = "call.ended"              # also of calls never answered; once what the conversation brought is written
    UPDATED = "call.updated"          # more is known of a call whose end was told
    NUMBER_UNHEALTHY = "number.unhealthy"
    DO_NOT_CALL_ADDED = "do_not_call.added"
    ALERT_RAISED = "alert.raised"     # a rule has found something
    ALERT_CLEARED = "alert.cleared"   # it is over


TEST = "webhook.test"  # sent by hand, to see whether an endpoint works

_OF_STATE = {
    CallState.QUEUED: EventType.QUEUED,
    CallState.DIALING: EventType.DIALING,
    CallState.RINGING: EventType.RINGING,
    CallState.IN_PROGRESS: EventType.ANSWERED,
    CallState.ENDED: EventType.ENDED,
}
WRAPPED_UP = "wrapped_up"
_SAME = {
    "answered_by": EventType.ANSWERED_BY,
    "transcript": EventType.TRANSCRIPT,
    WRAPPED_UP: EventType.UPDATED,
    "outcome": EventType.UPDATED,
    "corrected": EventType.UPDATED,
    "noted": EventType.UPDATED,
    "result_late": EventType.UPDATED,
}


def told_by(type_: str, data: Mapping[str, Any]) -> EventType | None:
    """Of a row of `call_events`; None where users aren't told of it."""
    if type_ == "state":
        return _OF_STATE.get(data.get("state"))  # type: ignore[arg-type]
    return _SAME.get(type_)


def wants(events: list[str] | None, type_: EventType) -> bool:
    """Whether an endpoint with these events is told; None: of everything."""
    return events is None or type_ in events
