"""The life of a call as data: states, the steps between them, end reasons, and the one function that moves an attempt
forward. Pure. docs/architecture.md draws `FIRST` and `STEPS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeVar

from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.transfer import TransferOutcome, TransferResult
from outdial.telephony.verdict import Verdict


class CallState(StrEnum):
    QUEUED = "queued"            # accepted by our API; no carrier knows of it yet
    DIALING = "dialing"          # handed to a carrier; the phone does not ring yet
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"  # answered: audio flows, billing runs
    ENDED = "ended"              # terminal; end_reason says why


# How a call comes to be, and every step it can take from there, with what takes it. Only a call goes back, and only to
# be dialled again by another attempt: an attempt moves forward.
FIRST: Mapping[CallState, str] = {
    CallState.QUEUED: "asked for",
    CallState.RINGING: "a call comes in",
    CallState.ENDED: "a call comes in and is turned away",
}
STEPS: Mapping[CallState, Mapping[CallState, str]] = {
    CallState.QUEUED: {
        CallState.DIALING: "claimed",
        CallState.ENDED: "canceled, refused or expired",
    },
    CallState.DIALING: {
        CallState.RINGING: "the phone rings",
        CallState.IN_PROGRESS: "answered before ringing was told",
        CallState.ENDED: "refused, busy, failed or canceled",
        CallState.QUEUED: "deferred, never placed, or another attempt is due",
    },
    CallState.RINGING: {
        CallState.IN_PROGRESS: "answered",
        CallState.ENDED: "not answered, declined, failed or canceled",
        CallState.QUEUED: "another attempt is due",
    },
    CallState.IN_PROGRESS: {
        CallState.ENDED: "hung up, transferred, failed, or a machine",
        CallState.QUEUED: "another attempt is due",
    },
    CallState.ENDED: {},
}


def _ahead(state: CallState) -> frozenset[CallState]:
    """The states that are reached by all steps that lead forward from `state`."""
    steps = STEPS[state].keys() - {CallState.QUEUED}
    return frozenset(steps).union(*(_ahead(each) for each in steps))


# Where an attempt in each state can still get to, by one step or several: carriers don't tell of every step.
AHEAD: Mapping[CallState, frozenset[CallState]] = {state: _ahead(state) for state in CallState}


class EndReason(StrEnum):
    COMPLETED = "completed"  # answered, and the conversation came to its end (by either side)
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"    # by the callee, where the carrier can tell it from busy; inbound: by us, error says why
    FAILED = "failed"        # error says why, in words a user understands
    CANCELED = "canceled"    # ended by us or the user before it was answered
    MACHINE = "machine"      # a machine answered, and we hung up on it
    EXPIRED = "expired"      # expires_at passed while it waited to be dialled


class EndedBy(StrEnum):
    AGENT = "agent"        # our side hung up: the agent, its script, its word on machines
    CALLEE = "callee"      # the other party hung up, was busy or declined
    OPERATOR = "operator"  # somebody asked for it: a hang-up, a cancellation
    LIMIT = "limit"        # longest duration, ring time, expiry
    POLICY = "policy"      # a rule ended it while it waited
    CARRIER = "carrier"    # the carrier or the network failed or ended it
    SYSTEM = "system"      # our own fault, a crash, a drain


# Who ends a call that ends so, where nobody knows better. Of one that failed its error says it: `who_ended`.
ENDED_BY: Mapping[EndReason, EndedBy] = {
    EndReason.COMPLETED: EndedBy.CALLEE,  # it came to its end without a word of ours
    EndReason.BUSY: EndedBy.CALLEE,
    EndReason.NO_ANSWER: EndedBy.LIMIT,
    EndReason.DECLINED: EndedBy.CALLEE,
    EndReason.FAILED: EndedBy.CARRIER,
    EndReason.CANCELED: EndedBy.OPERATOR,
    EndReason.MACHINE: EndedBy.AGENT,
    EndReason.EXPIRED: EndedBy.LIMIT,
}
# What isn't the carrier's doing, nor the network's.
OUR_FAULTS = frozenset(
    {
        FailureCode.AGENT_FAILED,
        FailureCode.SPEECH_FAILED,
        FailureCode.INTERRUPTED,
        FailureCode.INTERNAL_ERROR,
        FailureCode.NOT_PREPARED,
        FailureCode.TOO_LATE,
        FailureCode.POOL_FULL,
        FailureCode.NO_SEAT,
        FailureCode.DRAINING,
        FailureCode.NUMBER_HAS_NO_AGENT,
        FailureCode.AGENT_NOT_PUBLISHED,
        FailureCode.ACCOUNT_REMOVED,
    }
)


def who_ended(end_reason: EndReason, error: CallError | None) -> EndedBy:
    """Who ended a call that ended so, as far as that alone tells."""
    return EndedBy.SYSTEM if error is not None and error.code in OUR_FAULTS else ENDED_BY[end_reason]


class CallDirection(StrEnum):
    OUTBOUND = "outbound"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Somebody (a carrier, or our own code) says how far a call has come.

    `at` is when it happened (aware UTC); `end_reason` is set exactly when `state` is ENDED. `ended_by` is set where who
    says it also knows who ended the call; `by_callee`: whether a carrier says that the other party hung up, None where
    it doesn't say. `duration_s` is how long the carrier says that an ended call was, from its answer.
    """

    state: CallState
    at: datetime
    carrier_call: CarrierCall | None = None
    end_reason: EndReason | None = None
    error: CallError | None = None
    ended_by: EndedBy | None = None
    by_callee: bool | None = None
    duration_s: float | None = None


CallEvent = Progress | Verdict | TransferResult

# What the end of the other party's leg makes of a transfer.
_TRANSFERS: Mapping[EndReason, TransferOutcome] = {
    EndReason.COMPLETED: TransferOutcome.ANSWERED,
    EndReason.BUSY: TransferOutcome.BUSY,
    EndReason.NO_ANSWER: TransferOutcome.NO_ANSWER,
    EndReason.DECLINED: TransferOutcome.DECLINED,
    EndReason.CANCELED: TransferOutcome.NO_ANSWER,
}


def transfer_result(leg: Progress, *, to: str | None = None, of: CarrierCall | None = None) -> TransferResult:
    """What the progress of the other party's leg says of a transfer. `of`: the call that was transferred."""
    outcome = TransferOutcome.ANSWERED if leg.state is CallState.IN_PROGRESS else None
    if leg.state is CallState.ENDED:
        outcome = _TRANSFERS.get(leg.end_reason or EndReason.FAILED, TransferOutcome.FAILED)
    return TransferResult(
        at=leg.at,
        outcome=outcome,
        is_over=leg.state is CallState.ENDED,
        duration_s=leg.duration_s if outcome is TransferOutcome.ANSWERED else None,
        error=leg.error if outcome is TransferOutcome.FAILED else None,
        leg=leg.carrier_call.id if leg.carrier_call else None,
        to=to,
        carrier_call=of,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One dial. What the database row says of its life."""

    state: CallState
    carrier_call: CarrierCall | None = None
    end_reason: EndReason | None = None
    error: CallError | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a call ends, or is being ended by us, and who ends it (None: whom the reason names, see `by`).

    `not_before`: until then a last sentence is being said, and nobody but whoever says it hangs up.
    """

    end_reason: EndReason
    error: CallError | None = None
    ended_by: EndedBy | None = None
    not_before: datetime | None = None

    @property
    def by(self) -> EndedBy:
        """Who ends the call."""
        return self.ended_by or who_ended(self.end_reason, self.error)

    def reached(self, at: datetime) -> Progress:
        """The call has ended so, at `at`."""
        return Progress(
            state=CallState.ENDED, at=at, end_reason=self.end_reason, error=self.error, ended_by=self.ended_by
        )

    def to_json(self) -> dict[str, Any]:
        error = self.error.to_json() if self.error else None
        ending = {"end_reason": self.end_reason, "error": error, "ended_by": self.by}
        return ending if self.not_before is None else ending | {"not_before": self.not_before.isoformat()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        error, ended_by, not_before = stored.get("error"), stored.get("ended_by"), stored.get("not_before")
        return cls(
            end_reason=EndReason(stored["end_reason"]),
            error=CallError.from_json(error) if error else None,
            ended_by=EndedBy(ended_by) if ended_by else None,
            not_before=datetime.fromisoformat(not_before) if not_before else None,
        )


A = TypeVar("A", bound=Attempt)


def advance(attempt: A, event: Progress) -> A:
    """The attempt after `event`; unchanged when the event is late or repeated (carriers do both).

    The first carrier call id that arrives is kept: it may come with the REST reply or overtake it in a callback.
    From then on events of other calls (a media leg, the other party of a transfer, somebody's replay at the
    wrong URL) change nothing.
    """
    if is_of_another_call(attempt.carrier_call, event):
        return attempt
    if event.carrier_call is not None:
        known = attempt.carrier_call or event.carrier_call
        attempt = replace(attempt, carrier_call=known.with_refs_of(event.carrier_call))
    if event.state not in AHEAD[attempt.state]:
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
                answered_at=attempt.answered_at or _answered_at(event),
                ended_at=event.at,
                end_reason=event.end_reason or EndReason.FAILED,
                error=event.error,
            )
    return replace(attempt, state=event.state)


def _answered_at(ended: Progress) -> datetime | None:
    """When a call must have been answered of which only the end was heard."""
    return ended.at - timedelta(seconds=ended.duration_s) if ended.duration_s else None


def is_of_another_call(known: CarrierCall | None, event: CallEvent) -> bool:
    """Whether `event` names a carrier call that is not the known one."""
    return known is not None and event.carrier_call is not None and event.carrier_call.id != known.id
