"""The book of calls: every call this carrier knows, whatever protocol asked for it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from outdial.simulator.callees import Callee, Reaction
from outdial.simulator.handset import Handset

KEPT_CALLS = 20_000


class Status(StrEnum):
    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        return self in FINAL


FINAL = frozenset({Status.COMPLETED, Status.BUSY, Status.NO_ANSWER, Status.FAILED, Status.CANCELED})

# What the network answers (RFC 3261) when nobody picks up.
UNANSWERED = {
    Reaction.NO_SUCH_NUMBER: (Status.FAILED, 404),
    Reaction.BUSY: (Status.BUSY, 486),
    Reaction.DECLINES: (Status.BUSY, 603),
    Reaction.RINGS_OUT: (Status.NO_ANSWER, 487),
    Reaction.UNREACHABLE: (Status.NO_ANSWER, 480),
}

Subscriber = Callee | Handset  # who is behind a number


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND_API = "outbound-api"
    OUTBOUND_DIAL = "outbound-dial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Something the account's owner should know, as carriers show in their debugger."""

    code: int
    message: str
    at: datetime
    request_url: str = ""
    warning: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    id: str
    account: str
    to: str
    from_: str
    direction: Direction
    callee: Subscriber
    created_at: datetime
    updated_at: datetime
    status: Status = Status.QUEUED
    parent_id: str | None = None
    queue_ms: int = 0
    dialled_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    sip_code: int | None = None
    answered_by: str | None = None
    heard_digits: str = ""
    notifications: list[Notification] = field(default_factory=list)

    @property
    def duration_s(self) -> int:
        """Whole seconds from answer to end; 0 when it wasn't answered."""
        if self.answered_at is None or self.ended_at is None:
            return 0
        return round((self.ended_at - self.answered_at).total_seconds())


class Book:
    """The newest calls; ended ones beyond `KEPT_CALLS` are forgotten."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def add(self, call: Call) -> None:
        self._calls[call.id] = call
        if len(self._calls) > KEPT_CALLS:
            oldest = next((id_ for id_, old in self._calls.items() if old.status.final), None)
            if oldest is not None:
                del self._calls[oldest]

    def get(self, call_id: str) -> Call | None:
        return self._calls.get(call_id)

    def remove(self, call_id: str) -> None:
        self._calls.pop(call_id, None)

    def newest_first(self) -> Iterator[Call]:
        return reversed(list(self._calls.values()))

    def forget_ended(self) -> None:
        self._calls = {id_: call for id_, call in self._calls.items() if not call.status.final}
