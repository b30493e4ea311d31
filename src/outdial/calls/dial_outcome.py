"""What became of a dial, written down: accepted, never sent, outcome unknown, or never placed after all.

A call goes back to the queue from here without anybody having asked for a retry, so each way has its end:

- never sent (the carrier can't be reached, or Outdial could not dial): MAX_DEFERRALS times, further and further apart;
- put off by the carrier (429, a limit of the account): until THROTTLED_AT_MOST_S after the first time, as far apart as
  the carrier says and at least as long as it has lasted, up to LONGEST_PAUSE_S. A queue that waits for a rate limit
  loses no call by that, and one that never ends is told;
- never placed (an answer that says nothing, or none, and no such call in the carrier's books): three dials,
  NEVER_PLACED_PAUSES_S apart. A dial that our own death cut short doesn't count.

Then the call fails with the last error. A retry that was asked for begins anew.

What was held back right before it was sent (`put_back`: we were too late, its account is behind, dialling was paused)
counts for none of these, and keeps its place in the queue: another process may be in time, and the one that was not
rests.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from sqlalchemy import DateTime, Executable, Text, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.calls.advance import progress
from outdial.calls.changes import end_call, queue_again
from outdial.calls.claim import Claim
from outdial.calls.departure import Hold
from outdial.calls.events import add_event
from outdial.calls.records import Held, error_json, lock_attempt
from outdial.calls.refused import canceled, refused_by
from outdial.db import hot
from outdial.db.engine import autocommit
from outdial.db.hot import Hot
from outdial.db.tables import attempts, calls
from outdial.policy.gate import Rule
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, Ending, EndReason

MAX_DEFERRALS = 10  # with the growing delay, about five minutes of an unreachable carrier
LONGEST_PAUSE_S = 60.0
THROTTLED_AT_MOST_S = 86_400.0
# From the moment that a dial is known as never placed to the next one. That is known half a minute after its reply
# (`settle_s`), a pause in itself: so three dials are further and further apart, and over within three minutes.
NEVER_PLACED_PAUSES_S = (0.0, 12.0)
UNKNOWN_CHECK_S = 5.0

NEVER_PLACED = CallError(
    code=FailureCode.NEVER_PLACED, message="The carrier has no record of this dial; it was never placed."
)


async def accept(engine: AsyncEngine, claim: Claim, call: CarrierCall, *, check_in_s: float) -> None:
    """The carrier has taken the dial. Raises sqlalchemy.exc.IntegrityError when `call` is another attempt's."""
    now = clock.now()
    accepted = {
        "accepted_attempt": claim.attempt_id,
        "accepted_call_id": call.id,
        "accepted_refs": dict(call.refs),
        "accepted_now": now,
        "accepted_check_at": now + timedelta(seconds=check_in_s),
    }
    await hot.alone(engine, _ACCEPT, accepted)
    if claim.was_put_off:
        async with autocommit(engine) as conn:
            taken = update(calls).where(calls.c.id == claim.call_id)
            await conn.execute(taken.values(deferrals=0, never_placed=0, throttled_since=None))


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
            look_ups=0,
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


_ACCEPT = Hot(_accept())


async def defer(
    engine: AsyncEngine, claim: Claim, error: CallError, *, wait_s: float, throttled: bool = False
) -> None:
    """Nothing was sent, or the carrier put it off (`throttled`): the attempt never was. The call waits, `wait_s` at
    the least, and gives its line back, or fails at last."""
    now = clock.now()
    async with engine.begin() as conn:
        held = await lock_attempt(conn, claim.attempt_id)
        if not _is_ours_to_take_back(held):
            return
        call = held.call
        since = call.throttled_since or now
        if throttled:
            pause_s = max(wait_s, min(LONGEST_PAUSE_S, max(1.0, (now - since).total_seconds())))
            is_over = now + timedelta(seconds=pause_s) > since + timedelta(seconds=THROTTLED_AT_MOST_S)
        else:
            pause_s = max(wait_s, min(LONGEST_PAUSE_S, 2.0**call.deferrals))
            is_over = call.deferrals >= MAX_DEFERRALS
        if call.hang_up_requested_at is None and is_over:
            await progress(conn, held, Ending(end_reason=EndReason.FAILED, error=error).reached(now))
            return
        waits = {"throttled_since": since} if throttled else {"deferrals": call.deferrals + 1}
        await conn.execute(update(calls).where(calls.c.id == call.id).values(waits))
        await _take_back(conn, held, now + timedelta(seconds=pause_s), why={"error": error_json(error)})


async def put_back(engine: AsyncEngine, claim: Claim, hold: Hold) -> None:
    """The dial was held back, and nothing was sent: the attempt never was, and its line is free. The call waits as it
    did before, or ends where that is why."""
    async with engine.begin() as conn:
        held = await lock_attempt(conn, claim.attempt_id)
        if not _is_ours_to_take_back(held):
            return
        due_at = (await conn.execute(select(calls.c.due_at).where(calls.c.id == held.call.id))).scalar_one()
        ending = refused_by(Rule.DO_NOT_CALL) if hold is Hold.LISTED else None
        await _take_back(conn, held, due_at, why={"held_back": hold}, ending=ending)


async def _take_back(
    conn: AsyncConnection, held: Held, due_at: datetime, *, why: Mapping[str, Any], ending: Ending | None = None
) -> None:
    """A dial of which nothing was sent. Its call waits until `due_at`; or it ends, by `ending` or because somebody has
    asked for that."""
    attempt, call = held.attempt, held.call
    # Before its line is given back: that locks the pool, and nothing is waited for after that.
    await conn.execute(delete(attempts).where(attempts.c.id == attempt.id))
    if ending is None and call.hang_up_requested_at is not None:
        ending = canceled()
    if ending is not None:
        await end_call(conn, call, ending, attempt=attempt, ended_at=clock.now(), sent=False)
    else:
        await queue_again(conn, call, attempt, due_at, why=why, sent=False)


def _is_ours_to_take_back(held: Held | None) -> TypeGuard[Held]:
    """Whether a dial of which nothing was sent still stands as one. Else it is written down already, or somebody else
    has seen to it."""
    return held is not None and held.attempt.state is CallState.DIALING and held.attempt.carrier_call is None


async def mark_unknown(engine: AsyncEngine, claim: Claim, error: CallError, *, settle_s: float) -> None:
    """The phone may be ringing; `error` is all we heard. The line stays taken until a callback, the carrier's record
    or an operator tells."""
    check_at = clock.now() + timedelta(seconds=min(UNKNOWN_CHECK_S, settle_s))
    async with engine.begin() as conn:
        marked = await conn.execute(
            update(attempts)
            .where(
                attempts.c.id == claim.attempt_id,
                attempts.c.carrier_call_id.is_(None),  # a callback may have overtaken us
                attempts.c.state == CallState.DIALING,
            )
            .values(unknown_since=func.now(), error=error.to_json(), check_at=check_at, look_ups=0)
        )
        if marked.rowcount:
            await add_event(conn, claim.call_id, "unknown", {"attempt": claim.attempt_number})


async def write_off(engine: AsyncEngine, attempt_id: str) -> None:
    """The carrier has no such call and nothing arrived in time: it was never placed. The attempt stays on record, and
    the call is queued again, or fails at last."""
    now = clock.now()
    async with engine.begin() as conn:
        held = await lock_attempt(conn, attempt_id)
        if held is None or held.attempt.state is not CallState.DIALING or held.attempt.carrier_call is not None:
            return  # a callback has just come, or another sweep was quicker
        told = held.attempt.error
        error = replace(NEVER_PLACED, carrier_code=told.carrier_code if told else None)
        known = replace(held.attempt, unknown_since=None)
        attempt = replace(
            known, state=CallState.ENDED, end_reason=EndReason.FAILED, error=error, ended_at=now, hang_up_at=None
        )
        if held.call.hang_up_requested_at is not None:
            await end_call(conn, held.call, canceled(), attempt=attempt, ended_at=now)
            return
        pause_s = 0.0
        if told is not None:
            before = held.call.never_placed
            if before >= len(NEVER_PLACED_PAUSES_S):
                failed = Ending(end_reason=EndReason.FAILED, error=error)
                await progress(conn, replace(held, attempt=known), failed.reached(now))
                return
            pause_s = NEVER_PLACED_PAUSES_S[before]
            once_more = update(calls).where(calls.c.id == held.call.id).values(never_placed=before + 1)
            await conn.execute(once_more)
        due_at = now + timedelta(seconds=pause_s)
        await queue_again(conn, held.call, attempt, due_at, why={"error": error.to_json()})
