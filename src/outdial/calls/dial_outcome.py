"""What became of a dial, written down: accepted, never sent, outcome unknown, or never placed after all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import DateTime, Executable, Text, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.advance import progress
from outdial.calls.changes import end_call, queue_again
from outdial.calls.claim import Claim
from outdial.calls.events import add_event
from outdial.calls.records import error_json, lock_attempt
from outdial.db.engine import autocommit
from outdial.db.tables import attempts, calls
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, Ending, EndReason, Progress

MAX_DEFERRALS = 10  # with the growing delay, about ten minutes of an unreachable carrier
UNKNOWN_CHECK_S = 5.0

NEVER_PLACED = CallError(
    code=FailureCode.NEVER_PLACED, message="The carrier has no record of this dial; it was never placed."
)


async def accept(engine: AsyncEngine, claim: Claim, call: CarrierCall, *, check_in_s: float) -> None:
    """The carrier has taken the dial. Raises sqlalchemy.exc.IntegrityError when `call` is another attempt's."""
    now = datetime.now(UTC)
    accepted = {
        "accepted_attempt": claim.attempt_id,
        "accepted_call_id": call.id,
        "accepted_refs": dict(call.refs),
        "accepted_now": now,
        "accepted_check_at": now + timedelta(seconds=check_in_s),
    }
    async with autocommit(engine) as conn:
        await conn.execute(_ACCEPT, accepted)
        if claim.deferrals:
            await conn.execute(update(calls).where(calls.c.id == claim.call_id).values(deferrals=0))


def _accept() -> Executable:
    """The attempt, and then a word to whoever is to hang up, if that was asked for while the request was under way.

    The call is locked after the attempt, and read as it is then: who asks at this moment is before us or after us.
    """
    now = bindparam("accepted_now", type_=DateTime(timezone=True))
    attempt = (
        update(attempts)
        .where(attempts.c.id == bindparam("accepted_attempt", type_=Text))
        .values(
            carrier_call_id=func.coalesce(attempts.c.carrier_call_id, bindparam("accepted_call_id", type_=Text)),
            carrier_refs=attempts.c.carrier_refs.concat(bindparam("accepted_refs", type_=JSONB)),
            accepted_at=now,
            unknown_since=None,
            check_at=func.greatest(
                attempts.c.check_at, bindparam("accepted_check_at", type_=DateTime(timezone=True))
            ),
        )
        .returning(attempts.c.call_id)
        .cte("accepted")
    )
    its_call = (
        select(calls.c.id, calls.c.hang_up_requested_at)
        .join(attempt, attempt.c.call_id == calls.c.id)
        .with_for_update(of=calls, key_share=True)
        .cte("its_call")
    )
    return select(func.pg_notify("outdial_control", its_call.c.id)).where(its_call.c.hang_up_requested_at.is_not(None))


_ACCEPT = _accept()


async def defer(engine: AsyncEngine, claim: Claim, error: CallError, *, wait_s: float) -> None:
    """Nothing was sent: the attempt never was. The call waits and gives its line back, or fails at last."""
    now = datetime.now(UTC)
    async with engine.begin() as conn:
        held = await lock_attempt(conn, claim.attempt_id)
        if held is None or held.attempt.state is not CallState.DIALING or held.attempt.carrier_call is not None:
            return  # written down already, or somebody else has seen to it
        attempt, call = held.attempt, held.call
        if call.hang_up_requested_at is None and call.deferrals >= MAX_DEFERRALS:
            failed = Progress(state=CallState.ENDED, at=now, end_reason=EndReason.FAILED, error=error)
            await progress(conn, held, failed)
            return
        await conn.execute(update(calls).where(calls.c.id == call.id).values(deferrals=call.deferrals + 1))
        if call.hang_up_requested_at is not None:
            await end_call(conn, call, Ending(end_reason=EndReason.CANCELED), attempt=attempt, ended_at=now)
        else:
            due_at = now + timedelta(seconds=max(wait_s, min(60, 2**call.deferrals)))
            await queue_again(conn, call, attempt, due_at, why={"error": error_json(error)})
        await conn.execute(delete(attempts).where(attempts.c.id == attempt.id))


async def mark_unknown(engine: AsyncEngine, claim: Claim, *, settle_s: float) -> None:
    """The phone may be ringing. The line stays taken until a callback, the carrier's record or an operator tells."""
    check_at = datetime.now(UTC) + timedelta(seconds=min(UNKNOWN_CHECK_S, settle_s))
    async with engine.begin() as conn:
        marked = await conn.execute(
            update(attempts)
            .where(
                attempts.c.id == claim.attempt_id,
                attempts.c.carrier_call_id.is_(None),  # a callback may have overtaken us
                attempts.c.state == CallState.DIALING,
            )
            .values(unknown_since=func.now(), check_at=check_at)
        )
        if marked.rowcount:
            await add_event(conn, claim.call_id, "unknown", {"attempt": claim.attempt_number})


async def write_off(engine: AsyncEngine, attempt_id: str) -> None:
    """The carrier has no such call and nothing arrived in time: it was never placed. The attempt stays on record, and
    the call is queued again."""
    now = datetime.now(UTC)
    async with engine.begin() as conn:
        held = await lock_attempt(conn, attempt_id)
        if held is None or held.attempt.state is not CallState.DIALING or held.attempt.carrier_call is not None:
            return  # a callback has just come, or another sweep was quicker
        attempt = replace(
            held.attempt,
            state=CallState.ENDED,
            end_reason=EndReason.FAILED,
            error=NEVER_PLACED,
            ended_at=now,
            unknown_since=None,
        )
        if held.call.hang_up_requested_at is not None:
            await end_call(conn, held.call, Ending(end_reason=EndReason.CANCELED), attempt=attempt, ended_at=now)
        else:
            await queue_again(conn, held.call, attempt, now, why={"error": NEVER_PLACED.to_json()})
