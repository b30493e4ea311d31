"""How a call ended, put right: the word of the conversation itself, which comes after somebody who knew less has ended
the call (a carrier's "completed", or whoever took the call over from a process that died).

A call that has ended stays ended: it was told so. Only where it waits to be dialled again, and would not if the truth
had been known, it ends now.
"""

import logging
from dataclasses import replace
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial import clock
from outdial.calls.call_log import FAILURES, tell_failure
from outdial.calls.changes import change_attempt, correct_end, end_call
from outdial.calls.outcomes import retry_words
from outdial.calls.records import Held
from outdial.db.tables import attempts
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, Ending, EndReason

logger = logging.getLogger(__name__)

# Said by those who did not hold the conversation, and don't know how it ended.
GUESSES = (
    FailureCode.INTERRUPTED,
    FailureCode.INTERNAL_ERROR,
    FailureCode.OUTCOME_UNKNOWN,
    FailureCode.NOT_KNOWN_THERE,
    FailureCode.NO_MEDIA,  # that its audio began could not be written in time
)


async def put_right(
    conn: AsyncConnection, held: Held, ending: Ending, *, ended_at: datetime | None, responded: bool | None
) -> bool:
    """`ending` is why the conversation of an attempt ended, and what its attempt and its call are to say of that.
    `responded`: whether the callee spoke or pressed a key in it. True where a call ended by it that waited."""
    attempt = held.attempt
    if responded and _waits_because_of_silence(held):
        logger.info("Retry after silence withdrawn", extra={"attempt_id": attempt.id, "call_id": attempt.call_id})
        heard = Ending(end_reason=EndReason.COMPLETED, ended_by=ending.by)
        ended_at = attempt.ended_at or held.now
        await end_call(conn, held.call, heard, attempt=attempt, ended_at=ended_at, is_news=False)
        return True
    if attempt.ending is not None and not _is_guess(attempt.ending):
        return False  # noted before: the first reason stays
    if attempt.ending is not None and _is_after(ended_at, attempt.taken_over_at):
        return False  # it was cut off by who took it for lost
    if attempt.state is not CallState.ENDED:
        await conn.execute(update(attempts).where(attempts.c.id == attempt.id).values(ending=ending.to_json()))
    elif _said_less(held, ending):
        return await correct(conn, held, ending)
    return False


def _waits_because_of_silence(held: Held) -> bool:
    """Whether the call is to be dialled again after an attempt that was completed: nothing else is a reason for it."""
    is_completed = held.attempt.end_reason is EndReason.COMPLETED
    return held.is_newest and held.call.state is CallState.QUEUED and is_completed


def _is_after(ended_at: datetime | None, taken_over_at: datetime | None) -> bool:
    return ended_at is not None and taken_over_at is not None and ended_at >= taken_over_at


def _is_guess(ending: Ending) -> bool:
    return ending.error is not None and ending.error.code in GUESSES


def _said_less(held: Held, ending: Ending) -> bool:
    """A carrier's busy, no answer or failure is its own knowledge and stays; and a conversation that never began knows
    nothing of the end."""
    attempt = held.attempt
    if attempt.audio_started_at is None:
        return False
    known = Ending(end_reason=attempt.end_reason or EndReason.FAILED, error=attempt.error)
    tells_more = (known.end_reason, known.error) != (ending.end_reason, ending.error)
    return tells_more and (known.end_reason in (EndReason.COMPLETED, EndReason.CANCELED) or _is_guess(known))


async def correct(conn: AsyncConnection, held: Held, ending: Ending) -> bool:
    """The attempt has ended, and this is why. True where a call ended by it that waited."""
    call = held.call
    attempt = replace(held.attempt, end_reason=ending.end_reason, error=ending.error)
    waits = held.is_newest and call.state is CallState.QUEUED
    ends = waits and not await _is_dialled_again(conn, held, ending)
    if held.attempt.end_reason not in FAILURES:
        tell_failure(conn, call, attempt, tried_again=not held.is_newest or (waits and not ends))
    if ends:
        ended_at = attempt.ended_at or held.now
        await end_call(conn, call, ending, attempt=attempt, ended_at=ended_at, is_news=False)
        return True
    if held.is_newest and call.state is CallState.ENDED:
        await correct_end(conn, call, ending, attempt=attempt)
    else:
        await change_attempt(conn, attempt, check_in_s=0)
    return False


async def _is_dialled_again(conn: AsyncConnection, held: Held, ending: Ending) -> bool:
    retry, attempt = held.call.retry, held.attempt
    if retry is None:
        return False
    words = await retry_words(conn, held.call, ending, attempt)
    return retry.next_attempt_at(words, attempt.number, clock.now()) is not None
