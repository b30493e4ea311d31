"""How long a call may ring and last, and from when on it must have ended by itself. Pure."""

from datetime import datetime, timedelta

from outdial.calls.records import AttemptRecord, Held
from outdial.carriers.calls import HungUp
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
OUTCOME_UNKNOWN = CallError(
    code=FailureCode.OUTCOME_UNKNOWN, message="The carrier could not say what became of this call."
)
FORGOTTEN = CallError(
    code=FailureCode.NOT_KNOWN_THERE,
    message="The carrier does not know this call any more, so what became of it can't be told.",
)


def overdue_end(held: Held, state: CallState, now: datetime, stream_start_timeout_s: float) -> Ending | None:
    """Why an attempt that the carrier says is in `state` must be ended now; None while it may go on."""
    attempt, call = held.attempt, held.call
    if state is not CallState.IN_PROGRESS:
        if call.direction == CallDirection.INBOUND:  # we were to answer it
            is_missed = _has_no_audio(attempt, attempt.created_at, now, stream_start_timeout_s)
            return Ending(end_reason=EndReason.FAILED, error=NOT_ANSWERED) if is_missed else None
        return Ending(end_reason=EndReason.NO_ANSWER) if now > _rung_out_at(held) else None
    answered_at = attempt.answered_at or now  # just heard of it: its audio gets the time until the next look
    if _has_no_audio(attempt, answered_at, now, stream_start_timeout_s):
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


def over_at(held: Held, stream_start_timeout_s: float) -> datetime:
    """From when on an attempt is over of which its carrier tells nothing. It was told how long the call may ring and
    last; and who picks up in that time has an audio connection `stream_start_timeout_s` later."""
    attempt, call = held.attempt, held.call
    started_at = attempt.stream_opened_at if attempt.holds_conversation else attempt.audio_started_at
    if started_at is not None:
        started_at = attempt.answered_at or started_at
        return started_at + timedelta(seconds=call.max_duration_s + LENGTH_GRACE_S)
    stream_start = timedelta(seconds=stream_start_timeout_s)
    if (answered_at := attempt.answered_at or attempt.stream_opened_at) is not None:
        return _audio_expected_since(attempt, answered_at) + stream_start
    if call.direction == CallDirection.INBOUND:
        return attempt.created_at + stream_start
    return _rung_out_at(held) + stream_start


def unheard_end(held: Held, asked: HungUp | None) -> Ending:
    """How an attempt ended that is over and of which its carrier tells nothing. `asked`: what it answered when it was
    asked to end it (None: nothing)."""
    attempt = held.attempt
    if attempt.carrier_call is None:
        return Ending(end_reason=EndReason.FAILED, error=OUTCOME_UNKNOWN)
    if is_unwanted(held):
        return unwanted_end(held)
    if attempt.audio_started_at is None and not attempt.holds_conversation:
        if attempt.state is CallState.IN_PROGRESS or attempt.stream_opened_at is not None:
            return Ending(end_reason=EndReason.FAILED, error=NO_AUDIO)
        if held.call.direction == CallDirection.INBOUND:
            return Ending(end_reason=EndReason.FAILED, error=NOT_ANSWERED)
        if asked is HungUp.TAKEN:  # it rang until now
            return Ending(end_reason=EndReason.NO_ANSWER)
    elif attempt.owner is None and asked is not None:  # transferred, and whoever it was transferred to is done
        lasted = asked is HungUp.TAKEN  # until now, and that is too long
        return Ending(end_reason=EndReason.COMPLETED, ended_by=EndedBy.LIMIT if lasted else None)
    error = FORGOTTEN if asked is HungUp.NOT_KNOWN else OUTCOME_UNKNOWN
    return Ending(end_reason=EndReason.FAILED, error=error)


def is_unwanted(held: Held) -> bool:
    """Whether we are ending the attempt, or somebody wants its end."""
    return held.attempt.ending is not None or held.call.hang_up_requested_at is not None


def unwanted_end(held: Held) -> Ending:
    """How an attempt ends whose end is wanted, as far as we know."""
    if held.attempt.ending is not None:
        return held.attempt.ending
    answered = held.attempt.state is CallState.IN_PROGRESS
    reason = EndReason.COMPLETED if answered else EndReason.CANCELED
    return Ending(end_reason=reason, ended_by=EndedBy.OPERATOR)


def is_settled(held: Held, now: datetime, settle_s: float) -> bool:
    """Whether a carrier that knows no such call can be believed: its books may lag behind a dial. Not behind an answer:
    that comes seconds later."""
    return held.attempt.answered_at is not None or now > _placed_at(held.attempt) + timedelta(seconds=settle_s)


def surely_ended(held: Held, now: datetime) -> bool:
    """Whether a call must have ended whatever came in between: nobody needs to be asked to end it any more."""
    return now > _rung_out_at(held) + timedelta(seconds=held.call.max_duration_s + LENGTH_GRACE_S)


def _has_no_audio(attempt: AttemptRecord, since: datetime, now: datetime, stream_start_timeout_s: float) -> bool:
    """Whether the audio of an attempt that was answered at `since`, or should have been, has not come in time. Whoever
    holds a conversation sees to that alone: it may talk already, and its database may only not know yet."""
    due_at = _audio_expected_since(attempt, since) + timedelta(seconds=stream_start_timeout_s)
    return attempt.audio_started_at is None and not attempt.holds_conversation and now > due_at


def _audio_expected_since(attempt: AttemptRecord, answered_at: datetime) -> datetime:
    """A stream whose token was used has its own time to begin, from then on."""
    return max(answered_at, attempt.stream_opened_at or answered_at)


def _rung_out_at(held: Held) -> datetime:
    attempt, call = held.attempt, held.call
    if attempt.ringing_at is not None:
        return attempt.ringing_at + timedelta(seconds=call.ring_timeout_s + RING_GRACE_S)
    return _placed_at(attempt) + timedelta(seconds=call.ring_timeout_s + NO_RING_GRACE_S)


def _placed_at(attempt: AttemptRecord) -> datetime:
    """When the dial was over, as far as we know: it can take minutes where its worker was frozen meanwhile."""
    if attempt.carrier_call is None:
        return attempt.unknown_since or attempt.created_at
    return attempt.accepted_at or attempt.created_at
