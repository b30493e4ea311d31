"""How long a call may ring and last, and from when on it must have ended by itself. Pure."""

from datetime import datetime, timedelta

from outdial.calls.records import Held
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallDirection, CallState, EndedBy, Ending, EndReason

RING_GRACE_S = 5.0      # carriers add a little to the ring time they are given
NO_RING_GRACE_S = 30.0  # until the phone rings at all, where the carrier tells us that it does
LENGTH_GRACE_S = 10.0

NOT_ANSWERED = CallError(
    code=FailureCode.NO_MEDIA, message="The call came in, but the carrier opened no audio connection to Outdial."
)
NO_AUDIO = CallError(
    code=FailureCode.NO_MEDIA,
    message="The call was answered, but the carrier opened no audio connection to Outdial.",
)


def overdue_end(held: Held, state: CallState, now: datetime, stream_start_timeout_s: float) -> Ending | None:
    """Why an attempt that the carrier says is in `state` must be ended now; None while it may go on."""
    attempt, call = held.attempt, held.call
    if call.hang_up_requested_at is not None:
        answered = state is CallState.IN_PROGRESS
        reason = EndReason.COMPLETED if answered else EndReason.CANCELED
        return Ending(end_reason=reason, ended_by=EndedBy.OPERATOR)
    if state is not CallState.IN_PROGRESS:
        if call.direction == CallDirection.INBOUND:  # we were to answer it
            late = now > attempt.created_at + timedelta(seconds=stream_start_timeout_s)
            is_missed = late and attempt.stream_opened_at is None
            return Ending(end_reason=EndReason.FAILED, error=NOT_ANSWERED) if is_missed else None
        if attempt.ringing_at is not None:
            limit_at = attempt.ringing_at + timedelta(seconds=call.ring_timeout_s + RING_GRACE_S)
        else:
            limit_at = attempt.created_at + timedelta(seconds=call.ring_timeout_s + NO_RING_GRACE_S)
        return Ending(end_reason=EndReason.NO_ANSWER) if now > limit_at else None
    answered_at = attempt.answered_at or now  # just heard of it: its audio gets the time until the next look
    if attempt.stream_opened_at is None and now > answered_at + timedelta(seconds=stream_start_timeout_s):
        return Ending(end_reason=EndReason.FAILED, error=NO_AUDIO)
    if now > answered_at + timedelta(seconds=call.max_duration_s + LENGTH_GRACE_S):
        return Ending(end_reason=EndReason.COMPLETED, ended_by=EndedBy.LIMIT)
    return None


def waits_until(held: Held, now: datetime) -> datetime | None:
    """Until when a call whose end is noted is left alone, because somebody on it is being told a last sentence; None
    when it may be hung up. A user's hang-up waits for no sentence."""
    attempt, call = held.attempt, held.call
    if attempt.ending is None or call.hang_up_requested_at is not None:
        return None
    not_before = attempt.ending.not_before
    return not_before if not_before is not None and now < not_before else None


def must_be_over(held: Held, now: datetime) -> bool:
    """Whether a call must have ended by itself: its carrier was told how long it may ring and last.

    Not when nothing was ever heard of it: such a call stays unknown until somebody tells us, or an operator
    asks for its end.
    """
    attempt, call = held.attempt, held.call
    rung_out_at = attempt.created_at + timedelta(seconds=call.ring_timeout_s + NO_RING_GRACE_S)
    if attempt.carrier_call is None and attempt.stream_opened_at is None:
        return call.hang_up_requested_at is not None and now > rung_out_at
    over_at: datetime = (attempt.answered_at or rung_out_at) + timedelta(seconds=call.max_duration_s + LENGTH_GRACE_S)
    return now > over_at
