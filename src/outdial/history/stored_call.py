"""A call as it is stored, with all that is shown of it."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from sqlalchemy import RowMapping
from typing_extensions import TypedDict

from outdial.db.tables import calls
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallDirection, CallState, EndedBy, EndReason
from outdial.telephony.verdict import WhoAnswered


class ErrorView(TypedDict):
    """Why a call failed: a word that is the same for every carrier, a sentence, and what the carrier calls it
    (`sip_404` where it passes the telephone network's code on), null where it wasn't the carrier who said so."""

    code: FailureCode
    message: str
    carrier_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """`error`, `detection` and `retry` are in the form in which the API shows them. `recording` is its path under the
    data directory; `variables` were sent with the call, `noted` is what was noted in it."""

    id: str
    direction: CallDirection
    state: CallState
    end_reason: EndReason | None
    ended_by: EndedBy | None
    outcome: str | None
    error: dict[str, Any] | None
    number_id: str | None
    from_: str
    to: str
    agent_id: str | None
    agent_version: int | None
    variables: dict[str, Any]
    noted: dict[str, Any]
    metadata: dict[str, Any] | None
    detection: dict[str, Any] | None
    retry: dict[str, Any] | None
    ring_timeout_s: int
    max_duration_s: int
    answered_by: WhoAnswered | None
    message_delivered: bool | None
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    hang_up_requested_at: datetime | None
    recording: str | None
    disclosure: dict[str, Any] | None
    recording_erased_at: datetime | None
    transcript_erased_at: datetime | None
    erased_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """From a row of the columns STORED_CALL."""
        stored: dict[str, Any] = {name: row[column] for name, column in _COLUMNS.items()}
        end_reason, ended_by, answered_by = stored["end_reason"], stored["ended_by"], stored["answered_by"]
        parsed = {
            "direction": CallDirection(stored["direction"]),
            "state": CallState(stored["state"]),
            "end_reason": None if end_reason is None else EndReason(end_reason),
            "ended_by": None if ended_by is None else EndedBy(ended_by),
            "answered_by": None if answered_by is None else WhoAnswered.from_json(answered_by),
        }
        return cls(**stored | parsed)

    @property
    def duration_s(self) -> float | None:
        """Of the conversation; None where there was none, or it lasts."""
        if self.answered_at is None or self.ended_at is None:
            return None
        return round(max(0.0, (self.ended_at - self.answered_at).total_seconds()), 3)


_COLUMNS = {field.name: calls.c[field.name] for field in fields(StoredCall)}
STORED_CALL = tuple(_COLUMNS.values())
