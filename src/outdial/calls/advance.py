"""An event applied: what a carrier, or our own code, says of an attempt moves it and its call on, in one transaction.

Lock order: the attempt row, then the call row, then the pool row. The claim takes the pool row first but never waits
for a call row (SKIP LOCKED) and only writes attempts of its own, so the two can't deadlock.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Text, bindparam, func, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.calls.call_log import tell_stored_end
from outdial.calls.changes import change_attempt, end_call, move_on, queue_again
from outdial.calls.detections import note_verdict
from outdial.calls.events import add_event
from outdial.calls.outcomes import reconsider, retry_words
from outdial.calls.records import AttemptRecord, CallRecord, Held, error_json, lock_attempt
from outdial.calls.transfers import apply_result, is_elsewhere
from outdial.calls.workers import is_dead
from outdial.db import hot
from outdial.db.engine import without_flush
from outdial.db.hot import Hot
from outdial.db.notify import notify
from outdial.db.tables import attempts, calls
from outdial.policy.do_not_call import listed_now
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import INTERRUPTED, CallError, FailureCode
from outdial.telephony.one_detector import is_detectors
from outdial.telephony.state import (
    CallEvent,
    CallState,
    EndedBy,
    Ending,
    EndReason,
    Progress,
    advance,
    is_of_another_call,
)
from outdial.telephony.transfer import TransferResult
from outdial.telephony.verdict import DetectedBy, Verdict, revised, without_speech

logger = logging.getLogger(__name__)

AUDIO_CHECK_S = 11.0   # an answered call without audio is looked at this soon
AT_ONCE_S = 5.0        # who hangs up within this did so before the audio could come; a stream opens within a second

NO_MEDIA = CallError(
    code=FailureCode.NO_MEDIA, message="The call was answered, but it ended before its audio reached Outdial."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an event changed. `call_state` is the call's state now (a retried call is `queued` again)."""

    call_id: str
    call_state: CallState
    changed: bool


async def apply_event(
    engine: AsyncEngine, attempt_id: str, event: CallEvent, *, check_in_s: float = 20.0
) -> Applied | None:
    """Bring an attempt and its call to what `event` says; None when the attempt is unknown.

    A late or repeated event changes nothing. `check_in_s`: when the sweep should look at a live attempt again.
    """
    async with hot.begin(engine) as conn:
        held = await lock_attempt(conn, attempt_id)
        return None if held is None else await apply(conn, held, event, check_in_s=check_in_s)


async def begin_audio(engine: AsyncEngine, attempt_id: str, *, at: datetime, check_in_s: float) -> None:
    """The audio of an answered call has begun: from now on its end is the end of a conversation. The commit doesn't
    wait for the disk: the conversation's result tells it, too, should a crash of the database server lose it."""
    async with hot.begin(engine) as conn:
        held = await lock_attempt(conn, attempt_id)
        if held is not None:
            await _audio_begun(conn, held, _UNFLUSHED, at=at, check_in_s=check_in_s)


async def audio_begun(conn: AsyncConnection, held: Held, *, at: datetime) -> None:
    """`begin_audio` within a transaction, whose commit is as safe as it was; `held` is from `lock_attempt`."""
    await _audio_begun(conn, held, _FLUSHED, at=at, check_in_s=20.0)


async def _audio_begun(
    conn: AsyncConnection, held: Held, statements: "_BeginAudio", *, at: datetime, check_in_s: float
) -> None:
    """That a call that is back from a transfer was talked on before, stays known."""
    attempt, at = held.attempt, held.attempt.audio_started_at or at
    values = {"the_attempt": attempt.id, "began_at": at}
    if attempt.state is CallState.IN_PROGRESS and attempt.stream_opened_at and attempt.unknown_since is None:
        check_at = clock.now() + timedelta(seconds=check_in_s)  # all that `apply` would change
        await hot.execute(conn, statements.of_answered, values | {"new_check_at": check_at})
        return
    await hot.execute(conn, statements.of_any, values)
    held = replace(held, attempt=replace(attempt, audio_started_at=at))
    await apply(conn, held, Progress(state=CallState.IN_PROGRESS, at=at), check_in_s=check_in_s)


async def apply(conn: AsyncConnection, held: Held, event: CallEvent, *, check_in_s: float) -> Applied:
    """`apply_event` within a transaction; `held` is from `lock_attempt`."""
    if is_of_another_call(held.attempt.carrier_call, event):
        logger.info("Event of another carrier call ignored", extra={"attempt_id": held.attempt.id})
        return _unchanged(held)
    match event:
        case Progress():
            return await progress(conn, held, event, check_in_s)
        case Verdict():
            return await _verdict(conn, held, event)
        case TransferResult():
            changed = await apply_result(conn, held, event)
            return Applied(call_id=held.call.id, call_state=held.call.state, changed=changed)


async def end_unheard_of(engine: AsyncEngine, seen: AttemptRecord, ending: Ending, *, still_to_end: bool) -> None:
    """End an attempt of which its carrier tells nothing, unless something was heard since it was `seen`.

    `still_to_end`: its carrier is asked to end it, too, until that has an answer.
    """
    async with engine.begin() as conn:
        held = await lock_attempt(conn, seen.id)
        if held is None:
            return
        attempt = held.attempt
        if _signs_of_life(attempt) != _signs_of_life(seen):
            return
        await progress(conn, held, ending.reached(clock.now()), still_to_end=still_to_end)


def _signs_of_life(attempt: AttemptRecord) -> tuple[Any, ...]:
    return attempt.state, attempt.stream_opened_at, attempt.audio_started_at, attempt.owner


async def progress(
    conn: AsyncConnection, held: Held, event: Progress, check_in_s: float = 20.0, *, still_to_end: bool = False
) -> Applied:
    """The part of `apply` for progress. `still_to_end`: an end that only we know of; its carrier is still to be asked
    for it."""
    before, call = held.attempt, held.call
    event = await _with_our_reason(conn, event, held)
    after = advance(before, event)
    if before.state is CallState.ENDED:
        if before.carrier_call is None and event.carrier_call is not None:
            await _was_placed_after_all(conn, before, event.carrier_call, event.state)
        elif event.state is CallState.ENDED and before.hang_up_at is not None:
            await ask_for_no_end(conn, before.id)
        return _unchanged(held)
    if after.carrier_call is not None:  # the carrier spoke of it
        heard_of = after.state is not CallState.ENDED
        after = replace(after, unknown_since=None, error=None if heard_of else after.error)
    if after.state is CallState.ENDED:
        at = before.hang_up_at or clock.now()  # not before the carrier wants to be asked again
        after = replace(after, hang_up_at=at if still_to_end and after.carrier_call is not None else None)
    if after.state is CallState.IN_PROGRESS and after.stream_opened_at is None:
        check_in_s = min(check_in_s, AUDIO_CHECK_S)
    if after.state is before.state:
        state = call.state
        await change_attempt(conn, after, check_in_s=check_in_s)
    elif after.state is CallState.ENDED:
        state = await _end(conn, call, after, event.ended_by)
    else:
        state = await move_on(conn, call, after, at=event.at, check_in_s=check_in_s)
    if call.hang_up_requested_at is not None and before.carrier_call is None and after.carrier_call is not None:
        await notify(conn, "outdial_control", call.id)  # only now can the carrier be asked to
    return Applied(call_id=call.id, call_state=state, changed=after.state is not before.state)


def _unchanged(held: Held) -> Applied:
    return Applied(call_id=held.call.id, call_state=held.call.state, changed=False)


async def _with_our_reason(conn: AsyncConnection, event: Progress, held: Held) -> Progress:
    """The end of a call as we know it, where that is more than the carrier's "completed" (somebody picked up).

    We noted a reason before ending it ourselves; or there never was any audio (and nobody had asked for its end); or
    the process that talked died. A carrier's busy, no answer or failure is its own knowledge and stays.
    """
    attempt, call = held.attempt, held.call
    if event.state is not CallState.ENDED or event.end_reason not in (EndReason.COMPLETED, EndReason.CANCELED):
        return event
    if attempt.ending is not None:
        ending = attempt.ending
        return replace(event, end_reason=ending.end_reason, error=ending.error, ended_by=ending.by)
    wanted = call.hang_up_requested_at is not None
    if event.end_reason is EndReason.CANCELED:  # at our wish; but who gives up a call to us is the caller
        return event if call.is_outbound or wanted else replace(event, ended_by=EndedBy.CALLEE)
    if wanted and (attempt.audio_started_at is None or attempt.owner is None):  # else the conversation says it
        ended_by = EndedBy.CALLEE if event.by_callee else EndedBy.OPERATOR
        return replace(event, ended_by=event.ended_by or ended_by)
    # Without an owner it was transferred: nobody here is needed for it.
    may_be_lost = attempt.owner is not None and (attempt.audio_started_at is not None or attempt.holds_conversation)
    is_lost = may_be_lost and await is_dead(conn, attempt.owner)
    # Who died with a stream in hand may have talked without having written it down.
    if attempt.audio_started_at is None and not is_lost:
        return event if _left_at_once(event, attempt) else replace(event, end_reason=EndReason.FAILED, error=NO_MEDIA)
    if is_lost and not await is_elsewhere(conn, attempt.id):
        return replace(event, end_reason=EndReason.FAILED, error=INTERRUPTED)
    if event.ended_by is None and _talked_s(event, attempt) >= call.max_duration_s:
        return replace(event, ended_by=EndedBy.LIMIT)  # the carrier was told it, too
    return event


def _left_at_once(event: Progress, attempt: AttemptRecord) -> bool:
    """Whether the callee picked up and hung up before there could be audio; else the audio never came."""
    return event.by_callee is not False and _talked_s(event, attempt) < AT_ONCE_S


def _talked_s(event: Progress, attempt: AttemptRecord) -> float:
    """How long an attempt that ends was answered, or at most was, where its answer was never told."""
    if event.duration_s is not None:
        return event.duration_s
    began_at = attempt.answered_at or attempt.ringing_at or attempt.created_at
    return (event.at - began_at).total_seconds()


async def note_stream_failed(conn: AsyncConnection, held: Held) -> None:
    """The carrier could not open a call's audio: why it ends, should it end without any. Part of a transaction."""
    if held.attempt.audio_started_at is None:
        await note_ending_in(conn, held.attempt.id, Ending(end_reason=EndReason.FAILED, error=NO_MEDIA))


async def _was_placed_after_all(
    conn: AsyncConnection, attempt: AttemptRecord, call: CarrierCall, state: CallState
) -> None:
    """The carrier speaks of an attempt that ended without it, because it looked never placed. The call may be on its
    next attempt by now; what can be done is to keep the id for whoever looks into it, to say so loudly, and to have
    it ended: it would ring somebody for nothing."""
    values: dict[str, Any] = {"carrier_call_id": call.id, "carrier_refs": dict(call.refs)}
    if state is not CallState.ENDED:
        values["hang_up_at"] = func.now()
    await conn.execute(update(attempts).where(attempts.c.id == attempt.id).values(**values))
    fields = {"attempt_id": attempt.id, "carrier_state": state}
    logger.error("Attempt written off as never placed exists at the carrier", extra=fields)


async def _end(
    conn: AsyncConnection, call: CallRecord, after: AttemptRecord, ended_by: EndedBy | None
) -> CallState:
    """The attempt is over: queue the next one, or end the call."""
    assert after.end_reason is not None
    assert after.ended_at is not None
    ending = Ending(end_reason=after.end_reason, error=after.error, ended_by=ended_by)
    next_due = None
    may_have_been_placed = after.carrier_call is None and after.error is not None and (
        after.error.code is FailureCode.OUTCOME_UNKNOWN
    )
    if call.retry is not None and call.hang_up_requested_at is None and not may_have_been_placed:
        words = await retry_words(conn, call, ending, after)
        next_due = call.retry.next_attempt_at(words, after.number, clock.now())
    if next_due is not None and call.expires_at is not None and next_due >= call.expires_at:
        next_due = None
    # The claim would refuse it, too; but this call has an end of its own to tell of.
    if next_due is not None and not await listed_now(conn, call.workspace_id, call.to):
        why = {"attempt_end_reason": after.end_reason, "error": error_json(after.error)}
        return await queue_again(conn, call, after, next_due, why=why, is_retry=True)
    return await end_call(conn, call, ending, attempt=after, ended_at=after.ended_at)


async def note_ending(engine: AsyncEngine, attempt_id: str, ending: Ending) -> None:
    """Note why we are about to end a call, before the carrier is asked to: its "completed" may overtake our own
    word, and would know less. The first reason stays."""
    await hot.alone(engine, *_ending_noted(attempt_id, ending))


async def note_ending_in(conn: AsyncConnection, attempt_id: str, ending: Ending) -> None:
    """`note_ending` as part of a transaction."""
    await hot.execute(conn, *_ending_noted(attempt_id, ending))


def _ending_noted(attempt_id: str, ending: Ending) -> tuple[Hot, dict[str, Any]]:
    values: dict[str, Any] = {"the_attempt": attempt_id, "the_ending": ending.to_json()}
    if ending.not_before is None:
        return _NOTE_ENDING, values
    return _NOTE_ENDING_AND_WAIT, values | {"not_before": ending.not_before}


async def ask_for_no_end(conn: AsyncConnection, attempt_id: str) -> None:
    """The carrier has nothing to end any more, or never will say."""
    await conn.execute(update(attempts).where(attempts.c.id == attempt_id).values(hang_up_at=None))


async def _verdict(conn: AsyncConnection, held: Held, event: Verdict) -> Applied:
    """Record who answered. What comes after the call went on to its next attempt is about a conversation long over; and
    what was said of one that was erased isn't written into it again."""
    attempt, call = held.attempt, held.call
    event = event if call.transcript_erased_at is None else without_speech(event)
    is_live = attempt.state is not CallState.ENDED
    answered_at = attempt.answered_at or call.answered_at
    answered_by = revised(call.answered_by, event, answered_at)
    if _is_compared(call, event) and (is_live or held.is_last):
        found = revised(None, event, answered_at)
        assert found is not None
        by = DetectedBy.LOCAL if event.is_ours else DetectedBy.CARRIER
        await add_event(conn, call.id, "verdict", {"by": by, **found.to_json()})
        await note_verdict(conn, held, event)
    if answered_by is None or not (is_live or held.is_last):
        return _unchanged(held)
    await conn.execute(update(calls).where(calls.c.id == call.id).values(answered_by=answered_by.to_json()))
    await add_event(conn, call.id, "answered_by", answered_by.to_json())
    if is_live:
        await notify(conn, "outdial_control", call.id)
    else:
        await reconsider(conn, call.id, tell=False)
        if attempt.log_due_at is None:
            await tell_stored_end(conn, attempt.id, corrected=True)
    return Applied(call_id=call.id, call_state=call.state, changed=True)


def _is_compared(call: CallRecord, event: Verdict) -> bool:
    """Whether it is one of two detectors' that are both asked: then each of their verdicts is kept."""
    if call.detection is None or call.detection.by is not DetectedBy.BOTH:
        return False
    return is_detectors(event)


# -- statements, built once: building them takes longer than running them --------------------------------------

_THE_ATTEMPT = attempts.c.id == bindparam("the_attempt", type_=Text)


@dataclass(frozen=True, slots=True)
class _BeginAudio:
    """`of_answered`: of an attempt about which nothing else changes."""

    of_any: Hot
    of_answered: Hot


def _beginning(*more: ColumnElement[bool]) -> _BeginAudio:
    instant = DateTime(timezone=True)
    began = update(attempts).where(_THE_ATTEMPT, *more).values(audio_started_at=bindparam("began_at", type_=instant))
    of_answered = began.values(check_at=bindparam("new_check_at", type_=instant), look_ups=0)
    return _BeginAudio(Hot(began), Hot(of_answered))


_FLUSHED, _UNFLUSHED = _beginning(), _beginning(without_flush())
_ENDING_NOTED = (
    update(attempts)
    .where(_THE_ATTEMPT, attempts.c.state != CallState.ENDED, attempts.c.ending.is_(None))
    .values(ending=bindparam("the_ending", type_=JSONB))
)
_NOTE_ENDING = Hot(_ENDING_NOTED)
_NOTE_ENDING_AND_WAIT = Hot(_ENDING_NOTED.values(check_at=bindparam("not_before", type_=DateTime(timezone=True))))
