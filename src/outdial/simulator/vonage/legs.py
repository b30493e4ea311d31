"""The legs of an account's calls as Vonage's books show them: one for every phone and every websocket."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from outdial.simulator.calls import Book, Status

PRUNED_FROM = 1000
RATE_EUR = 0.014  # a minute, billed by the second


class LegStatus(StrEnum):
    """In Vonage's words."""

    STARTED = "started"
    RINGING = "ringing"
    ANSWERED = "answered"
    MACHINE = "machine"
    COMPLETED = "completed"
    BUSY = "busy"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    UNANSWERED = "unanswered"

    @property
    def call_status(self) -> Status:
        """The same in the words of the simulator's book of calls."""
        return STATUSES[self]


STATUSES = {
    LegStatus.STARTED: Status.INITIATED,
    LegStatus.RINGING: Status.RINGING,
    LegStatus.ANSWERED: Status.IN_PROGRESS,
    LegStatus.MACHINE: Status.IN_PROGRESS,
    LegStatus.COMPLETED: Status.COMPLETED,
    LegStatus.BUSY: Status.BUSY,
    LegStatus.CANCELLED: Status.CANCELED,
    LegStatus.FAILED: Status.FAILED,
    LegStatus.REJECTED: Status.FAILED,
    LegStatus.TIMEOUT: Status.NO_ANSWER,
    LegStatus.UNANSWERED: Status.NO_ANSWER,
}


@dataclass(slots=True, kw_only=True, eq=False)
class Leg:
    """`to` and `from_` are endpoints as REST shows them; `headers` are a websocket's."""

    uuid: str
    call_id: str  # in the simulator's book of calls; a websocket's is its phone's
    conversation_uuid: str
    application_id: str
    to: Mapping[str, Any]
    from_: Mapping[str, Any]
    direction: str  # inbound, outbound
    created_at: datetime
    headers: Mapping[str, Any] = field(default_factory=dict)
    status: LegStatus = LegStatus.STARTED
    detail: str = ""
    answered_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_phone(self) -> bool:
        return bool(self.to["type"] == "phone")

    @property
    def duration_s(self) -> int:
        if self.answered_at is None or self.ended_at is None:
            return 0
        return round((self.ended_at - self.answered_at).total_seconds())

    @property
    def rate(self) -> str:
        return f"{RATE_EUR:.8f}"

    @property
    def price(self) -> str:
        return f"{RATE_EUR * self.duration_s / 60:.8f}"


class Legs:
    """In the order in which they began. Forgotten together with their call in the simulator's book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._legs: dict[str, Leg] = {}
        self._prune_at = PRUNED_FROM

    def add(self, leg: Leg) -> None:
        self._legs[leg.uuid] = leg
        if len(self._legs) >= self._prune_at:
            self._legs = {leg.uuid: leg for leg in self.all()}
            self._prune_at = PRUNED_FROM + 2 * len(self._legs)

    def get(self, leg_uuid: str) -> Leg | None:
        leg = self._legs.get(leg_uuid)
        return leg if leg is not None and self._is_known(leg) else None

    def all(self) -> list[Leg]:
        return [leg for leg in self._legs.values() if self._is_known(leg)]

    def _is_known(self, leg: Leg) -> bool:
        return self._book.get(leg.call_id) is not None


def new_uuid() -> str:
    return str(uuid.uuid4())


def new_conversation() -> str:
    return f"CON-{uuid.uuid4()}"


def address(endpoint: Mapping[str, Any]) -> str:
    """What events call an endpoint: a number, or a websocket's address."""
    return str(endpoint.get("number") or endpoint.get("uri") or "")


def digits(number: str) -> str:
    """Vonage writes numbers without +."""
    return number.removeprefix("+")
