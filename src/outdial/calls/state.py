"""The life of a call as data: states, end reasons, and the one function that moves a call forward.

Pure: imports nothing of Outdial, so carriers (which translate their words into these) may import it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class CallState(StrEnum):
    QUEUED = "queued"            # accepted by our API; no carrier knows of it yet
    DIALING = "dialing"          # handed to a carrier; the phone does not ring yet
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"  # answered: audio flows, billing runs
    ENDED = "ended"              # terminal; end_reason says why


ORDER = tuple(CallState)  # a call only moves forward, and may skip states


class EndReason(StrEnum):
    COMPLETED = "completed"  # answered, and the conversation came to its end (by either side)
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"    # only where the carrier can tell it from busy
    FAILED = "failed"        # error says why, in words a user understands
    CANCELED = "canceled"    # ended by us or the user before it was answered
    MACHINE = "machine"      # a machine answered, and we hung up on it
    EXPIRED = "expired"      # expires_at passed before a phone rang


class AnsweredBy(StrEnum):
    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNKNOWN = "unknown"


class CallDirection(StrEnum):
    OUTBOUND = "outbound"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    """Why a call failed: the carrier's code (or ours) and a sentence a user understands."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Somebody (a carrier, or our own code) says how far a call has come.

    `at` is when it happened (aware UTC); `end_reason` is set exactly when `state` is ENDED.
    """

    state: CallState
    at: datetime
    carrier_call_id: str | None = None
    end_reason: EndReason | None = None
    error: CallError | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Answering machine detection's result. `message_end` says that a message can be left now, `confidence` (0 to
    1) how sure the carrier is, where it says so."""

    answered_by: AnsweredBy
    at: datetime
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    detection_ms: int | None = None
    message_end: bool = False
    carrier_call_id: str | None = None


CallEvent = Progress | Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One dial. What the database row says of its life."""

    state: CallState
    carrier_call_id: str | None = None
    end_reason: EndReason | None = None
    error: CallError | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None


def advance(attempt: Attempt, event: Progress) -> Attempt:
    """The attempt after `event`; unchanged when the event is late or repeated (carriers do both).

    The first carrier call id that arrives is kept: it may come with the REST reply or overtake it in a callback.
    """
    if attempt.carrier_call_id is None and event.carrier_call_id is not None:
        attempt = replace(attempt, carrier_call_id=event.carrier_call_id)
    if ORDER.index(event.state) <= ORDER.index(attempt.state):
        return attempt
    match event.state:
        case CallState.RINGING:
            return replace(attempt, state=event.state, ringing_at=event.at)
        case CallState.IN_PROGRESS:
            return replace(attempt, state=event.state, answered_at=event.at)
        case CallState.ENDED:
            return replace(
                attempt,
                state=event.state,
                ended_at=event.at,
                end_reason=event.end_reason or EndReason.FAILED,
                error=event.error,
            )
    return replace(attempt, state=event.state)
