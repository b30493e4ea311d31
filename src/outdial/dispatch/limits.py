"""How long a call may ring and last, and from when on it must have ended by itself. Pure."""

from datetime import datetime, timedelta
from typing import Any

from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallDirection, CallState, EndReason

RING_GRACE_S = 5.0      # carriers add a little to the ring time they are given
NO_RING_GRACE_S = 30.0  # until the phone rings at all, where the carrier tells us that it does
LENGTH_GRACE_S = 10.0

NOT_ANSWERED = CallError(
    code=FailureCode.NO_MEDIA, message="The call came in, but the carrier opened no audio connection to Outdial."
)


def overdue_end(
    row: Any, state: CallState, now: datetime, stream_start_timeout_s: float
) -> tuple[EndReason, CallError | None] | None:
    """Why an attempt that the carrier says is in `state` must be ended now; None while it may go on.

    `row` has the attempt's instants and its call's limits.
    """
    if row.hang_up_requested_at is not None:
        answered = state is CallState.IN_PROGRESS
        return (EndReason.COMPLETED if answered else EndReason.CANCELED), None
    if state is not CallState.IN_PROGRESS:
        if row.direction == CallDirection.INBOUND:  # we were to answer it
            late = now > row.created_at + timedelta(seconds=stream_start_timeout_s)
            return (EndReason.FAILED, NOT_ANSWERED) if late and row.stream_opened_at is None else None
        if row.ringing_at is not None:
            limit_at = row.ringing_at + timedelta(seconds=row.ring_timeout_s + RING_GRACE_S)
        else:
            limit_at = row.created_at + timedelta(seconds=row.ring_timeout_s + NO_RING_GRACE_S)
        return (EndReason.NO_ANSWER, None) if now > limit_at else None
    answered_at = row.answered_at or now  # just heard of it: its audio gets the time until the next look
    if row.stream_opened_at is None and now > answered_at + timedelta(seconds=stream_start_timeout_s):
        message = "The call was answered, but the carrier opened no audio connection to Outdial."
        return EndReason.FAILED, CallError(code=FailureCode.NO_MEDIA, message=message)
    if now > answered_at + timedelta(seconds=row.max_duration_s + LENGTH_GRACE_S):
        return EndReason.COMPLETED, None
    return None


def must_be_over(row: Any, now: datetime) -> bool:
    """Whether a call must have ended by itself: its carrier was told how long it may ring and last.

    Not when nothing was ever heard of it: such a call stays unknown until somebody tells us, or an operator
    asks for its end.
    """
    rung_out_at = row.created_at + timedelta(seconds=row.ring_timeout_s + NO_RING_GRACE_S)
    if row.carrier_call_id is None and row.stream_opened_at is None:
        return row.hang_up_requested_at is not None and now > rung_out_at
    over_at: datetime = (row.answered_at or rung_out_at) + timedelta(seconds=row.max_duration_s + LENGTH_GRACE_S)
    return now > over_at
