"""What happened to an attempt, written down: the attempt, its call, its line and the event feed, in one transaction.

Lock order: the attempt row, then the call row, then the pool row. Admission takes the pool row first but never waits
for a call row (SKIP LOCKED) and only writes attempts of its own, so the two can't deadlock.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.events import add_event
from outdial.calls.workers import is_dead
from outdial.db.engine import reading
from outdial.db.notify import notify
from outdial.db.tables import attempts, calls, pools
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.price import Price
from outdial.telephony.retry import next_attempt_at
from outdial.telephony.state import (
    Attempt,
    CallDirection,
    CallState,
    EndReason,
    Progress,
    advance,
    is_of_another_call,
)
from outdial.telephony.verdict import AnsweredBy, Verdict

logger = logging.getLogger(__name__)

AUDIO_CHECK_S = 11.0   # an answered call without audio is looked at this soon
PRICE_AFTER_S = 180.0  # carriers that don't tell the price by themselves, or whose word was lost, know it by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an event changed. `call_state` is the call's state now (a retried call is `queued` again)."""

    call_id: str
    call_state: CallState
    changed: bool


async def apply_event(
    engine: AsyncEngine, attempt_id: str, event: Progress | Verdict, *, check_in_s: float = 20.0
) -> Applied | None:
    """Bring an attempt and its call to what `event` says; None when the attempt is unknown.

    A late or repeated event changes nothing. `check_in_s`: when the sweep should look at a live attempt again.
    """
    async with engine.begin() as conn:
        row = await locked(conn, attempt_id)
        if row is None:
            return None
        if is_of_another_call(carrier_call(row), event):
            logger.info("Event of another leg ignored", extra={"attempt_id": attempt_id})
            return Applied(call_id=row.call_id, call_state=CallState(row.call_state), changed=False)
        match event:
            case Progress():
                return await progress(conn, row, event, check_in_s)
            case Verdict():
                return await _verdict(conn, row, event)


async def announce_ending(
    engine: AsyncEngine, attempt_id: str, end_reason: EndReason, error: CallError | None = None
) -> None:
    """Note why we are about to end a call, before the carrier is asked to: its "completed" may overtake our own
    word, and would know less. The first reason stays."""
    async with engine.begin() as conn:
        await conn.execute(
            update(attempts)
            .where(attempts.c.id == attempt_id, attempts.c.state != CallState.ENDED, attempts.c.ending.is_(None))
            .values(ending={"end_reason": end_reason, "error": _error_json(error)})
        )


def carrier_call(row: Any) -> CarrierCall | None:
    """The carrier's call of an attempt's row; None while the carrier hasn't told its id."""
    return None if row.carrier_call_id is None else CarrierCall(id=row.carrier_call_id, refs=row.carrier_refs)


async def read_attempt(engine: AsyncEngine, attempt_id: str) -> Row[Any]:
    """The attempt as it is now, not locked."""
    async with reading(engine) as conn:
        return (await conn.execute(select(attempts).where(attempts.c.id == attempt_id))).one()


async def locked(conn: AsyncConnection, attempt_id: str) -> Row[Any] | None:
    """The attempt with what its call decides, both locked until the transaction ends."""
    every = attempts.alias("every")
    last = select(func.max(every.c.number)).where(every.c.call_id == calls.c.id).scalar_subquery()
    query = (
        select(
            attempts,
            calls.c.workspace_id,
            calls.c.direction,
            calls.c.state.label("call_state"),
            calls.c.holds_line,
            calls.c.retry,
            calls.c.expires_at,
            calls.c.hang_up_requested_at,
            calls.c.deferrals,
            calls.c.answered_at.label("call_answered_at"),
            calls.c.answered_by,
            last.label("last_number"),
        )
        .join(calls, calls.c.id == attempts.c.call_id)
        .where(attempts.c.id == attempt_id)
        # In this order of tables. NO KEY UPDATE: who only adds rows that refer to the call need not wait.
        .with_for_update(of=[attempts, calls], key_share=True)
    )
    return (await conn.execute(query)).one_or_none()


async def record_price(engine: AsyncEngine, attempt_id: str, price: Price) -> None:
    """What the carrier charges. It tells so after the end, so this is no event that moves a call."""
    values = {"price": Decimal(price.amount), "price_currency": price.currency, "price_due_at": None}
    async with engine.begin() as conn:
        await conn.execute(update(attempts).where(attempts.c.id == attempt_id).values(**values))


async def progress(conn: AsyncConnection, row: Row[Any], event: Progress, check_in_s: float = 20.0) -> Applied:
    """`apply_event` within a transaction; `row` is from `locked`."""
    before = Attempt(
        state=CallState(row.state),
        carrier_call=carrier_call(row),
        end_reason=EndReason(row.end_reason) if row.end_reason else None,
        ringing_at=row.ringing_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
    )
    after = advance(before, await _with_our_reason(conn, event, row))
    if before.state is CallState.ENDED:
        if before.carrier_call is None and event.carrier_call is not None:
            await _was_placed_after_all(conn, row, event.carrier_call, event.state)
        return Applied(call_id=row.call_id, call_state=CallState(row.call_state), changed=False)
    now = datetime.now(UTC)
    if after.state is CallState.IN_PROGRESS and row.stream_opened_at is None:
        check_in_s = min(check_in_s, AUDIO_CHECK_S)
    await conn.execute(
        update(attempts)
        .where(attempts.c.id == row.id, attempts.c.state == row.state)
        .values(
            state=after.state,
            carrier_call_id=after.carrier_call.id if after.carrier_call else None,
            carrier_refs=dict(after.carrier_call.refs) if after.carrier_call else {},
            end_reason=after.end_reason,
            error=_error_json(after.error),
            ringing_at=after.ringing_at,
            answered_at=after.answered_at,
            ended_at=after.ended_at,
            price_due_at=_price_due_at(row, after, now),
            unknown_since=row.unknown_since if after.carrier_call is None else None,  # the carrier spoke of it
            check_at=now + timedelta(seconds=check_in_s),
        )
    )
    if row.hang_up_requested_at is not None and before.carrier_call is None and after.carrier_call is not None:
        await notify(conn, "outdial_control", row.call_id)  # only now can the carrier be asked to
    if after.state is before.state:
        return Applied(call_id=row.call_id, call_state=CallState(row.call_state), changed=False)
    if after.state is CallState.ENDED:
        state = await _end(conn, row, after, now)
    else:
        state = after.state
        await conn.execute(
            update(calls)
            .where(calls.c.id == row.call_id)
            .values(state=state, answered_at=func.coalesce(calls.c.answered_at, after.answered_at))
        )
        await add_event(
            conn, row.call_id, "state", {"state": state, "attempt": row.number, "at": event.at.isoformat()}
        )
    return Applied(call_id=row.call_id, call_state=state, changed=True)


def _price_due_at(row: Row[Any], after: Attempt, now: datetime) -> datetime | None:
    """When the carrier is to be asked what an answered call has cost, if it has not told by then."""
    if after.state is not CallState.ENDED or after.answered_at is None or row.price is not None:
        return None
    return None if after.carrier_call is None else now + timedelta(seconds=PRICE_AFTER_S)


NO_MEDIA = CallError(
    code=FailureCode.NO_MEDIA, message="The call was answered, but it ended before its audio reached Outdial."
)


INTERRUPTED = CallError(
    code=FailureCode.INTERRUPTED, message="Outdial stopped while this call was in progress, so the call was ended."
)


async def _with_our_reason(conn: AsyncConnection, event: Progress, row: Row[Any]) -> Progress:
    """The end of a call as we know it, where that is more than the carrier's "completed" (somebody picked up).

    We noted a reason before ending it ourselves; or there never was any audio; or the process that talked died. A
    carrier's busy, no answer or failure is its own knowledge and stays.
    """
    if event.state is not CallState.ENDED or event.end_reason not in (EndReason.COMPLETED, EndReason.CANCELED):
        return event
    if row.ending:
        error = row.ending["error"]
        reason = EndReason(row.ending["end_reason"])
        return replace(event, end_reason=reason, error=CallError.from_json(error) if error else None)
    if event.end_reason is EndReason.COMPLETED and row.stream_opened_at is None:
        return replace(event, end_reason=EndReason.FAILED, error=NO_MEDIA)
    # Without an owner it was transferred: nobody here is needed for it.
    if event.end_reason is EndReason.COMPLETED and row.owner is not None and await is_dead(conn, row.owner):
        return replace(event, end_reason=EndReason.FAILED, error=INTERRUPTED)
    return event


async def _was_placed_after_all(
    conn: AsyncConnection, row: Row[Any], call: CarrierCall, state: CallState
) -> None:
    """The carrier speaks of an attempt that ended without it, because it looked never placed. The call may be on its
    next attempt by now; what can be done is to keep the id for whoever looks into it, and to say so loudly."""
    values = {"carrier_call_id": call.id, "carrier_refs": dict(call.refs)}
    await conn.execute(update(attempts).where(attempts.c.id == row.id).values(**values))
    logger.error("A dial taken for never placed was placed", extra={"attempt_id": row.id, "carrier_state": state})


async def _end(conn: AsyncConnection, row: Row[Any], after: Attempt, now: datetime) -> CallState:
    """The attempt is over: queue the next one, or end the call."""
    error = _error_json(after.error)
    next_due = next_attempt_at(row.retry, after.end_reason, row.number, now)
    if next_due is not None and (row.hang_up_requested_at or (row.expires_at and next_due >= row.expires_at)):
        next_due = None
    if next_due is not None:
        return await queue_again(conn, row, next_due, {"attempt_end_reason": after.end_reason, "error": error})
    assert after.end_reason is not None
    return await end_call(conn, row, after.end_reason, error, ended_at=after.ended_at, answered_at=after.answered_at)


async def queue_again(conn: AsyncConnection, row: Row[Any], due_at: datetime, why: Mapping[str, Any]) -> CallState:
    """The attempt is over (or never was): its line is free, and the call waits for the next one.

    `row` is from `locked`; `why` goes into the event feed.
    """
    await _give_line_back(conn, row)
    await conn.execute(
        update(calls)
        .where(calls.c.id == row.call_id)
        .values(state=CallState.QUEUED, holds_line=False, due_at=due_at, answered_at=None, answered_by=None)
    )
    data = {"state": CallState.QUEUED, "attempt": row.number, **why, "next_attempt_at": due_at.isoformat()}
    await add_event(conn, row.call_id, "state", data)
    await notify(conn, "outdial_queue", row.workspace_id)
    return CallState.QUEUED


async def end_call(
    conn: AsyncConnection,
    row: Row[Any],
    end_reason: EndReason,
    error: Mapping[str, Any] | None,
    *,
    ended_at: datetime | None,
    answered_at: datetime | None = None,
) -> CallState:
    """The attempt is over, and the call with it: its line is free. `row` is from `locked`."""
    await _give_line_back(conn, row)
    await conn.execute(
        update(calls)
        .where(calls.c.id == row.call_id)
        .values(
            state=CallState.ENDED,
            end_reason=end_reason,
            error=error,
            holds_line=False,
            ended_at=ended_at,
            answered_at=func.coalesce(calls.c.answered_at, answered_at),
        )
    )
    data = {"state": CallState.ENDED, "end_reason": end_reason, "attempt": row.number, "error": error}
    await add_event(conn, row.call_id, "state", data)
    await notify(conn, "outdial_queue", row.workspace_id)  # a line is free: the next call can go
    return CallState.ENDED


async def _give_line_back(conn: AsyncConnection, row: Row[Any]) -> None:
    """Once: the call says whether it holds one, and it is locked."""
    if not row.holds_line:
        return
    outbound = row.direction == CallDirection.OUTBOUND
    used = pools.c.used_outbound if outbound else pools.c.used_inbound
    await conn.execute(
        update(pools).where(pools.c.workspace_id == row.workspace_id).values({used: func.greatest(used - 1, 0)})
    )


async def _verdict(conn: AsyncConnection, row: Row[Any], event: Verdict) -> Applied:
    """Record who answered. The first verdict that says something stays; a later one may add that a message can be
    left now. What comes after the call went on to its next attempt is about a conversation long over."""
    known, state = row.answered_by, CallState(row.call_state)
    is_current = row.state != CallState.ENDED or (state is CallState.ENDED and row.number == row.last_number)
    if not is_current or not _is_news(known, event):
        return Applied(call_id=row.call_id, call_state=state, changed=False)
    answered_at = row.answered_at or row.call_answered_at
    after_answer_ms = event.detection_ms
    if after_answer_ms is None and answered_at is not None:
        after_answer_ms = max(0, round((event.at - answered_at).total_seconds() * 1000))
    evidence = list(event.evidence)
    if known and known["category"] == event.answered_by:
        evidence = [*known["evidence"], *(each for each in evidence if each not in known["evidence"])]
        after_answer_ms = known["after_answer_ms"]
    answered_by = {
        "category": event.answered_by,
        "confidence": event.confidence,
        "evidence": evidence,
        "after_answer_ms": after_answer_ms,
        "message_end": event.message_end,
    }
    await conn.execute(update(calls).where(calls.c.id == row.call_id).values(answered_by=answered_by))
    await add_event(conn, row.call_id, "answered_by", answered_by)
    if row.state != CallState.ENDED:
        await notify(conn, "outdial_control", row.call_id)
    return Applied(call_id=row.call_id, call_state=state, changed=True)


def _is_news(known: Mapping[str, Any] | None, event: Verdict) -> bool:
    if known is None:
        return True
    if known["category"] == AnsweredBy.UNKNOWN:
        return event.answered_by is not AnsweredBy.UNKNOWN
    return known["category"] == event.answered_by and event.message_end and not known.get("message_end")


def _error_json(error: CallError | None) -> dict[str, str | None] | None:
    return error.to_json() if error else None
