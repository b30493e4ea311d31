"""Calls that come in: whose they are and whether a line is free, decided and on record before anything is answered.

Every call to a connected number becomes a call of ours, also one that is turned away: missed calls are seen. Its one
attempt is in the carrier's books from the start, so nothing about it is ever unknown.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Integer, Text, bindparam, func, insert, literal, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock, metrics
from outdial.accounts.genuine import Account
from outdial.agents.in_use import version_in_use
from outdial.calls.advance import apply_event
from outdial.calls.call_log import tell_missed
from outdial.calls.claim import stream_token_hash
from outdial.calls.events import add_event
from outdial.calls.inbound_token import new_token, token_again
from outdial.calls.records import Held, held, with_call
from outdial.carriers.callbacks import IncomingCall
from outdial.db.committed import once_committed
from outdial.db.engine import is_lock_timeout, lock_timeout
from outdial.db.storing import storing
from outdial.db.tables import agents, attempts, calls, numbers
from outdial.draining import Drain
from outdial.ids import new_id
from outdial.lines.pool import read_pool, take_inbound
from outdial.lines.seats import Seat, a_late_seat_is_free, a_seat_is_free, seat_of, take_seat
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallDirection, CallState, EndReason, Progress, who_ended
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

DECIDE_WITHIN_S = 1.5  # the caller hears nothing meanwhile, and the carrier waits for an answer
TRY_AGAIN_S = 0.1
CARRIER_CALL_PATIENCE_MS = 1000  # with another process that is told of the same call

MAX_CALLER_CHARS = 64
ANONYMOUS = "anonymous"

BUSY = "Sorry, no agents are available to take your call at this time."
NOT_IN_SERVICE = "Sorry, this number is not in service at the moment. Goodbye."

POOL_FULL = CallError(
    code=FailureCode.POOL_FULL, message="Every line of the workspace was taken; the caller was turned away."
)
NOT_TOLD_IN_TIME = CallError(
    code=FailureCode.POOL_FULL,
    message="Whether a line of the workspace was free could not be told in time; the caller was turned away.",
)
NO_SEAT = CallError(
    code=FailureCode.NO_SEAT, message="No worker had a seat for one more conversation; the caller was turned away."
)
STOPPING = CallError(
    code=FailureCode.DRAINING, message="Outdial was about to stop and took no new calls; the caller was turned away."
)
NO_AGENT = CallError(
    code=FailureCode.NUMBER_HAS_NO_AGENT, message="The phone number has no agent; the caller was turned away."
)
NOT_PUBLISHED = CallError(
    code=FailureCode.AGENT_NOT_PUBLISHED,
    message="The agent of the phone number has no published version; the caller was turned away.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A line and a seat are taken and the attempt on record: the carrier may be told to answer. `repeated`: it was
    before."""

    attempt_id: str
    seat: Seat
    stream_token: str
    max_duration_s: int
    agent_id: str
    agent_version: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The caller hears a sentence, and the line closes."""

    sentence: str


Decision = Admitted | TurnedAway | None  # None: seen to already


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What is the same for all calls that come in. The worker that has a call's seat owns it from the start; once this
    one has begun to `drain`, others have seats, if any."""

    engine: AsyncEngine
    settings: Settings
    secret_box: SecretBox
    drain: Drain = field(default_factory=Drain)


async def admit_call(reception: Reception, account: Account, incoming: IncomingCall) -> Decision:
    """Decide, in one transaction, what becomes of a call to a number of `account`; once however often the
    carrier tells of it.

    An inbound call may take any line that is free, those reserved for inbound calls included, and a seat as every call.
    Where somebody has the pool for long, or no seat becomes free, the caller is turned away in time.
    """
    loop = asyncio.get_running_loop()
    until, error = loop.time() + DECIDE_WITHIN_S, None
    while True:
        in_the_end = NOT_TOLD_IN_TIME
        try:
            async with storing(reception.engine), reception.engine.begin() as conn:
                return await _decide(conn, reception, account, incoming, error)
        except _LineGone:
            continue  # the next look finds the pool full, or another line free
        except _SeatGone:
            in_the_end = NO_SEAT  # the same, but others may be taking the last seats only for now
        except OperationalError as failed:
            if not is_lock_timeout(failed) or error is not None:
                raise
        if loop.time() >= until:
            error = in_the_end
        else:
            await asyncio.sleep(TRY_AGAIN_S)


class _LineGone(Exception):
    """Somebody else took the last free line since we looked; nothing was written."""


class _SeatGone(Exception):
    """The same of the last free seat, or of the one that a call had."""


async def _decide(
    conn: AsyncConnection, reception: Reception, account: Account, incoming: IncomingCall, error: CallError | None
) -> Decision:
    """`admit_call` within its transaction. `error`: why the call isn't let in, if that is known already. The pool is
    locked last, by the statement that takes the line. Raises _LineGone, _SeatGone and what lines.pool.patience says."""
    settings, secret_box = reception.settings, reception.secret_box
    # Of one call told twice at the same time the second is seen as what it is.
    await conn.execute(_LOCK_CARRIER_CALL, {"account": account.id, "carrier_call": incoming.call.id})
    known = await _known(conn, account, incoming)
    if known is not None:
        return await _again(conn, known, secret_box, is_last_look=error is not None)
    number = await _number(conn, account, incoming.to)
    if number is None:
        logger.warning("Incoming call refused: number not connected", extra={"account_id": account.id})
        return TurnedAway(NOT_IN_SERVICE)
    error = _reason_against(number) or error or await _no_room(conn, reception, number.workspace_id)
    attempt_id = new_id("att")
    token = new_token(secret_box, attempt_id)
    call = _new_call(settings, number, incoming)
    attempt = _new_attempt(account, incoming, attempt_id, call["id"], token)
    if error is not None:
        await _write_down_missed(conn, call, attempt, error)
        return TurnedAway(_sentence(error.code))
    seat = await take_seat(conn, attempt_id)
    if seat is None:
        raise _SeatGone
    await _write_down_ringing(conn, settings, call, attempt, owner=seat.worker_id)
    if not await take_inbound(conn, number.workspace_id):
        raise _LineGone
    return Admitted(
        attempt_id=attempt_id,
        seat=seat,
        stream_token=token,
        max_duration_s=call["max_duration_s"],
        agent_id=call["agent_id"],
        agent_version=call["agent_version"],
    )


async def _no_room(conn: AsyncConnection, reception: Reception, workspace_id: str) -> CallError | None:
    """Why there is no line or no seat. Raises _SeatGone where there may be one in a moment."""
    pool = await read_pool(conn, workspace_id)
    if pool is None or pool.free_inbound == 0:
        return POOL_FULL
    if await conn.scalar(_A_SEAT_IS_FREE):
        return None
    if reception.drain.has_begun:
        return STOPPING
    if await conn.scalar(select(a_late_seat_is_free())):
        raise _SeatGone
    return NO_SEAT


async def turn_away(engine: AsyncEngine, admitted: Admitted, call: CarrierCall, error: CallError) -> TurnedAway:
    """Take an admission back, before the carrier was told of it: the call is kept as one that was missed."""
    ended = Progress(
        state=CallState.ENDED,
        at=clock.now(),
        carrier_call=call,
        end_reason=EndReason.DECLINED,
        error=error,
    )
    await apply_event(engine, admitted.attempt_id, ended)
    return TurnedAway(_sentence(error.code))


async def _known(conn: AsyncConnection, account: Account, incoming: IncomingCall) -> Held | None:
    """The attempt of a call that was told before."""
    query = with_call().where(
        attempts.c.carrier == account.carrier,
        attempts.c.carrier_account_id == account.id,
        attempts.c.carrier_call_id == incoming.call.id,
    )
    return next(iter(await held(conn, query)), None)


async def _again(conn: AsyncConnection, known: Held, secret_box: SecretBox, *, is_last_look: bool) -> Decision:
    """What a repeat is answered with: the same as the first time, until that has had its effect. Raises _SeatGone."""
    attempt = known.attempt
    if attempt.end_reason is EndReason.DECLINED and attempt.error is not None:
        return TurnedAway(_sentence(attempt.error.code))
    if attempt.state is CallState.ENDED or attempt.stream_opened_at is not None:
        return None
    seat = await seat_of(conn, attempt.id)
    if seat is None:  # somebody ends it just now, or its worker is gone
        if not is_last_look:
            raise _SeatGone
        return None
    return Admitted(
        attempt_id=attempt.id,
        seat=seat,
        stream_token=await token_again(conn, secret_box, attempt.id),
        max_duration_s=known.call.max_duration_s,
        agent_id=known.call.agent_id or "",
        agent_version=known.call.agent_version or 0,
        repeated=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """A connected number, and the version of its agent that answers (None: there is none)."""

    id: str
    workspace_id: str
    e164: str
    agent_id: str | None
    version: int | None


async def _number(conn: AsyncConnection, account: Account, e164: str) -> _Number | None:
    query = (
        select(numbers, version_in_use.label("version"))
        .outerjoin(agents, agents.c.id == numbers.c.agent_id)
        .where(numbers.c.carrier_account_id == account.id, numbers.c.e164 == e164)
        .with_for_update(read=True, key_share=True, of=numbers)  # it can't be removed before we commit
    )
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    return _Number(
        id=row.id, workspace_id=row.workspace_id, e164=row.e164, agent_id=row.agent_id, version=row.version
    )


def _reason_against(number: _Number) -> CallError | None:
    if number.agent_id is None:
        return NO_AGENT
    return NOT_PUBLISHED if number.version is None else None


def _sentence(code: str) -> str:
    return BUSY if code in (POOL_FULL.code, NO_SEAT.code, STOPPING.code) else NOT_IN_SERVICE


def _new_call(settings: Settings, number: _Number, incoming: IncomingCall) -> dict[str, Any]:
    caller = "".join(char for char in incoming.from_ if char.isprintable())[:MAX_CALLER_CHARS]
    return {
        "id": new_id("call"),
        "workspace_id": number.workspace_id,
        "number_id": number.id,
        "direction": CallDirection.INBOUND,
        "from_": caller or ANONYMOUS,
        "to": number.e164,
        "agent_id": number.agent_id,
        "agent_version": number.version,
        "ring_timeout_s": settings.default_ring_timeout_s,
        "max_duration_s": settings.default_max_duration_s,
    }


def _new_attempt(
    account: Account, incoming: IncomingCall, attempt_id: str, call_id: str, token: str
) -> dict[str, Any]:
    return {
        "id": attempt_id,
        "call_id": call_id,
        "number": 1,
        "carrier": account.carrier,
        "carrier_account_id": account.id,
        "carrier_call_id": incoming.call.id,
        "carrier_refs": dict(incoming.call.refs),
        "stream_token_hash": stream_token_hash(token),
        "accepted_at": func.now(),
    }


async def _write_down_ringing(
    conn: AsyncConnection, settings: Settings, call: dict[str, Any], attempt: dict[str, Any], *, owner: str
) -> None:
    now = clock.now()
    rings = {
        "state": CallState.RINGING,
        "ringing_at": now,
        "owner": owner,
        "lease_until": func.now() + timedelta(seconds=settings.lease_s),
        "check_at": now + timedelta(seconds=settings.stream_start_timeout_s + 1),
    }
    await conn.execute(insert(calls).values(call | {"state": CallState.RINGING, "holds_line": True}))
    await conn.execute(insert(attempts).values(attempt | rings))
    await add_event(conn, call["id"], "state", {"state": CallState.RINGING, "attempt": 1})


async def _write_down_missed(
    conn: AsyncConnection, call: dict[str, Any], attempt: dict[str, Any], error: CallError
) -> None:
    """Nobody but us turned it down, and `error` says why."""
    ended = {"state": CallState.ENDED, "end_reason": EndReason.DECLINED, "error": error.to_json()}
    by = {"ended_by": who_ended(EndReason.DECLINED, error)}
    await conn.execute(insert(calls).values(call | ended | by | {"ended_at": func.now()}))
    await conn.execute(insert(attempts).values(attempt | ended | {"ended_at": func.now()}))
    await add_event(conn, call["id"], "state", ended | by | {"outcome": None, "attempt": 1})
    await tell_missed(conn, attempt["id"])
    once_committed(conn, metrics.ATTEMPTS_ENDED.labels(attempt["carrier"], EndReason.DECLINED, error.code).inc)
    once_committed(conn, metrics.CALLS_ENDED.labels(CallDirection.INBOUND, EndReason.DECLINED, "").inc)


_A_SEAT_IS_FREE = select(a_seat_is_free())
_LOCK_CARRIER_CALL = select(
    func.pg_advisory_xact_lock(
        func.hashtextextended(
            literal("incoming call ", Text) + bindparam("account", type_=Text) + bindparam("carrier_call", type_=Text),
            0,
        )
    )
).where(lock_timeout(literal(CARRIER_CALL_PATIENCE_MS, Integer)))
