"""A leg: one party's side of a call, as Telnyx's resources and events show it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outdial.simulator.calls import Call, Direction, Status
from outdial.simulator.telnyx.inventory import Application
from outdial.simulator.telnyx.parameters import Hooks

KEPT_EVENTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something `/call_events` lists: a command that was received or a callback that was due."""

    name: str
    type: str  # command, webhook
    at: datetime
    metadata: dict[str, Any]


@dataclass(slots=True, kw_only=True, eq=False)
class Leg:
    """`call.id` is the call_control_id."""

    call: Call
    leg_id: str
    session_id: str
    application: Application
    client_state: str
    hooks: Hooks
    events: list[Event] = field(default_factory=list)

    @property
    def incoming(self) -> bool:
        return self.call.direction is Direction.INBOUND

    @property
    def us(self) -> str:
        """Who the customer is, in `hangup_source`'s words."""
        return "callee" if self.incoming else "caller"

    @property
    def them(self) -> str:
        return "caller" if self.incoming else "callee"

    def ids(self) -> dict[str, Any]:
        """What every event says; without client state there is no such field."""
        ids = {
            "call_control_id": self.call.id,
            "call_leg_id": self.leg_id,
            "call_session_id": self.session_id,
            "connection_id": self.application.id,
        }
        return {**ids, "client_state": self.client_state} if self.client_state else ids

    def parties(self) -> dict[str, str]:
        return {"from": self.call.from_, "to": self.call.to}

    def record(self, event: Event) -> None:
        self.events.append(event)
        del self.events[:-KEPT_EVENTS]

    def duration_s(self, now: datetime) -> int:
        if self.call.answered_at is None:
            return 0
        return round(((self.call.ended_at or now) - self.call.answered_at).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a leg is over: `cause` and `source` as in `call.hangup`."""

    cause: str
    source: str
    sip_code: int = 200

    def status(self, answered: bool) -> Status:
        return Status.COMPLETED if answered else UNANSWERED.get(self.cause, Status.FAILED)


UNANSWERED = {
    "user_busy": Status.BUSY,
    "timeout": Status.NO_ANSWER,
    "no_answer": Status.NO_ANSWER,
    "originator_cancel": Status.CANCELED,
}


def stamp(at: datetime, timespec: str = "microseconds") -> str:
    """Telnyx's way to write an instant; events have microseconds, resources milliseconds."""
    return at.isoformat(timespec=timespec).replace("+00:00", "Z")
