"""What a conversation brought: why it ended, what was noted, recording, whether a message was left. Written when it is
over, all or nothing, and once: a result that is delivered again changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Boolean, DateTime, Integer, Text, bindparam, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.dml import ReturningUpdate

from outdial import clock
from outdial.calls.advance import audio_begun
from outdial.calls.call_log import tell_stored_end
from outdial.calls.corrections import put_right
from outdial.calls.do_not_call import Wish, enter_wish, keep_wish
from outdial.calls.ended_counts import count_replies
from outdial.calls.events import add_event
from outdial.calls.outcomes import reconsider, warn_of_odd_word
from outdial.calls.records import CallRecord, Held, lock_attempt
from outdial.calls.transfer_returns import WayBack, note_result_taken, way_back_after
from outdial.db import hot
from outdial.db.engine import autocommit, reading
from outdial.db.hot import Hot
from outdial.db.notify import notify
from outdial.db.tables import attempts, calls
from outdial.telephony.outcome import NAMED, WISH
from outdial.telephony.state import CallState, EndedBy, Ending

LATE = timedelta(minutes=1)  # after the end of its call
AFTER_STREAM_CHECK_S = 3.0  # the carrier's "completed" should be here by then; else it is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Plain data. `noted` and `noted_dropped` are those of calls.noted: what is kept, and what is told of the rest.
    `recording` is its path under the data directory; `transferred`: the callee talks to somebody else now;
    `callee_responded`: whether the callee spoke or pressed a key, None where that can't be said; `ended_by`: who left
    first, as the conversation saw it, None where it goes on elsewhere. `audio_began_at`: when, should that not be
    written yet; None: never. `ending`: why it ended, at `ended_at`; None: the call goes on without us.
    `disclosure`: {"heard_at_ms"} where there was something to disclose, null in it where that wasn't heard whole.
    `returns`: how often its attempt had come back from transfers when it began, and so which of the attempt's
    conversations it is of. `turns` were said in it, and `turn_latency_ms` is the median of their latency,
    `latencies_ms`."""

    audio_began_at: datetime | None = None
    ended_at: datetime | None = None
    ending: Ending | None = None
    noted: Mapping[str, Any]
    recording: str | None
    message_delivered: bool | None
    transferred: bool
    noted_dropped: Mapping[str, Any] | None = None
    callee_responded: bool | None = None
    ended_by: EndedBy | None = None
    returns: int = 0
    turns: int = 0
    turn_latency_ms: int | None = None
    disclosure: Mapping[str, int | None] | None = None
    latencies_ms: Sequence[int] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is kept on disk until the database has taken it."""
        return {
            "audio_began_at": None if self.audio_began_at is None else self.audio_began_at.isoformat(),
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
            "ending": None if self.ending is None else self.ending.to_json(),
            "noted": dict(self.noted),
            "noted_dropped": None if self.noted_dropped is None else dict(self.noted_dropped),
            "recording": self.recording,
            "message_delivered": self.message_delivered,
            "transferred": self.transferred,
            "callee_responded": self.callee_responded,
            "ended_by": self.ended_by,
            "returns": self.returns,
            "turns": self.turns,
            "turn_latency_ms": self.turn_latency_ms,
            "disclosure": None if self.disclosure is None else dict(self.disclosure),
            "latencies_ms": list(self.latencies_ms),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            audio_began_at=_instant(stored["audio_began_at"]),
            ended_at=_instant(stored["ended_at"]),
            ending=None if stored["ending"] is None else Ending.from_json(stored["ending"]),
            noted=stored["noted"],
            noted_dropped=stored["noted_dropped"],
            recording=stored["recording"],
            message_delivered=stored["message_delivered"],
            transferred=stored["transferred"],
            callee_responded=stored["callee_responded"],
            ended_by=None if stored["ended_by"] is None else EndedBy(stored["ended_by"]),
            returns=stored["returns"],
            turns=stored.get("turns", 0),  # 0.1 did not count them
            turn_latency_ms=stored.get("turn_latency_ms"),
            disclosure=stored.get("disclosure"),
            latencies_ms=tuple(stored.get("latencies_ms", ())),
        )


def _instant(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)


async def save_result(engine: AsyncEngine, attempt_id: str, call_id: str, result: Result) -> None:
    """Enter what the conversation of an attempt brought into its call; the sweep looks at the attempt soon. A call
    that has ended already may have come to something else than was known then.

    Who asked not to be called again is on the do-not-call list with it.
    """
    async with hot.begin(engine) as conn:
        wish = await _enter_wish(conn, attempt_id, call_id, result)  # the list first, then the attempt
        held = await lock_attempt(conn, attempt_id)
        if held is None:
            return
        result = _without_erased(held.call, result)
        back = await way_back_after(conn, attempt_id, result.returns)
        if (held.attempt.result_at if back is None else back.result_at) is not None:
            return
        held = await _with_audio(conn, held, result)
        if result.ending is not None and back is None:
            has_ended_it = await put_right(
                conn, held, result.ending, ended_at=result.ended_at, responded=result.callee_responded
            )
            if has_ended_it:  # the attempt is the call's last now
                held = await lock_attempt(conn, attempt_id) or held
        await _enter(conn, held, result, back)
        await count_replies(conn, call_id, result.latencies_ms)
        if result.noted:
            await add_event(conn, call_id, "noted", {"values": result.noted})
        if result.noted_dropped is not None:
            await add_event(conn, call_id, "noted_dropped", result.noted_dropped)
        if wish is not None:
            await keep_wish(conn, wish)
        if held.is_last and held.call.state is CallState.ENDED and _is_late(held):
            await add_event(conn, call_id, "result_late", {})
        if held.is_last:
            warn_of_odd_word(call_id, result.noted)
            changed = await reconsider(conn, call_id, result.ended_by if back is None else None, tell=False)
            await _tell(conn, held, changed=changed or back is None)


async def note_response(engine: AsyncEngine, attempt_id: str) -> None:
    """The callee spoke or pressed a key for the first time: known at once, for the call may end before its
    conversation's result is here."""
    async with autocommit(engine) as conn:
        the_call = select(attempts.c.call_id).where(attempts.c.id == attempt_id, attempts.c.state != CallState.ENDED)
        responded = update(calls).where(calls.c.id == the_call.scalar_subquery()).values(callee_responded=True)
        await conn.execute(responded)


async def _enter_wish(conn: AsyncConnection, attempt_id: str, call_id: str, result: Result) -> Wish | None:
    """Of a result that wasn't taken before: by now somebody may have taken the number off the list again."""
    if result.noted.get(WISH) is not True:
        return None
    back = await way_back_after(conn, attempt_id, result.returns)
    result_at = select(attempts.c.result_at).where(attempts.c.id == attempt_id)
    taken_at = await conn.scalar(result_at) if back is None else back.result_at
    return None if taken_at is not None else await enter_wish(conn, call_id)


def _without_erased(call: CallRecord, result: Result) -> Result:
    """What lay on a disk while it was erased."""
    if call.recording_erased_at is not None:
        result = replace(result, recording=None)
    if call.transcript_erased_at is not None:
        result = replace(result, noted={}, noted_dropped=None)
    return result


def _is_late(held: Held) -> bool:
    """Whether the end of the call may have been told without what its conversation brought."""
    ended_at = held.attempt.ended_at
    return ended_at is not None and held.now - ended_at > LATE


async def _with_audio(conn: AsyncConnection, held: Held, result: Result) -> Held:
    """Its audio begun, should the database not have taken that when it was."""
    if result.audio_began_at is None or held.attempt.audio_started_at is not None:
        return held
    await audio_begun(conn, held, at=result.audio_began_at)
    return await lock_attempt(conn, held.attempt.id) or held


async def _enter(conn: AsyncConnection, held: Held, result: Result, back: WayBack | None) -> None:
    """The result into its attempt and its call, whoever looks at which is told. `back`: the attempt is back from a
    transfer, and talks again."""
    the_attempt, the_call = held.attempt.id, held.call.id
    if held.is_last and back is None:
        await hot.execute(conn, _TAKE_LAST, {"the_attempt": the_attempt, "the_call": the_call, **_values(result)})
        return
    if back is None:
        await _mark_taken(conn, the_attempt, result)
    else:
        await note_result_taken(conn, back)
        await conn.execute(update(attempts).where(attempts.c.id == the_attempt).values(**_counted(result)))
    columns = _older(held, result) | _disclosed(result)
    await conn.execute(update(calls).where(calls.c.id == the_call).values(**columns).returning(_ANNOUNCED))


def _values(result: Result) -> dict[str, Any]:
    """Of _TAKE_LAST."""
    return {
        "new_check_at": clock.now() + timedelta(seconds=AFTER_STREAM_CHECK_S),
        "is_transferred": result.transferred,
        "more_turns": result.turns,
        "new_latency_ms": result.turn_latency_ms,
        "new_recording": result.recording,
        "new_delivered": result.message_delivered,
        "has_returned": result.returns > 0,
        "new_responded": result.callee_responded,
        "new_noted": dict(result.noted),
        "new_disclosure": None if result.disclosure is None else dict(result.disclosure),
    }


async def _mark_taken(conn: AsyncConnection, attempt_id: str, result: Result) -> None:
    soon = clock.now() + timedelta(seconds=AFTER_STREAM_CHECK_S)
    values: dict[str, Any] = {"result_at": func.now(), "check_at": soon, "look_ups": 0, "log_due_at": None}
    values |= _counted(result)
    if result.transferred:
        values["owner"] = None  # nobody here is needed for it any more
    await conn.execute(update(attempts).where(attempts.c.id == attempt_id).values(**values))


async def _tell(conn: AsyncConnection, held: Held, *, changed: bool) -> None:
    """Of a call that has ended: now that all is known; or again, where it had been told without this, and `changed`."""
    if held.call.state is CallState.ENDED and (changed or held.attempt.log_due_at is not None):
        await tell_stored_end(conn, held.attempt.id, corrected=held.attempt.log_due_at is None)


def _counted(result: Result) -> dict[str, Any]:
    """Of the attempt, whose conversations may be several."""
    return {
        "turns": func.coalesce(attempts.c.turns, 0) + result.turns,
        "turn_latency_ms": func.coalesce(result.turn_latency_ms, attempts.c.turn_latency_ms),
    }


def _disclosed(result: Result) -> dict[str, Any]:
    """Who has heard it in one conversation of a call has heard it."""
    if result.disclosure is None:
        return {}
    told, known = dict(result.disclosure), calls.c.disclosure
    heard_before = known["heard_at_ms"].astext.is_not(None)
    return {"disclosure": case((heard_before, known), else_=literal(told, JSONB))}


def _older(held: Held, result: Result) -> dict[str, Any]:
    """Of the call. What a result that comes late tells is older than what the next attempt has brought meanwhile, or
    the next conversation of one that is back from a transfer. Who made themselves heard in one of an attempt's
    conversations did."""
    call = calls.c
    responded = case((call.callee_responded.is_(True), True), else_=result.callee_responded)
    # What came of the call is for its last attempt to say.
    noted = {name: value for name, value in result.noted.items() if name != NAMED or held.is_last}
    heard = {"callee_responded": responded} if held.is_last and result.callee_responded else {}
    return heard | {
        "recording": func.coalesce(call.recording, result.recording),
        "message_delivered": func.coalesce(call.message_delivered, result.message_delivered),
        "noted": literal(noted, JSONB).concat(call.noted),
    }


async def add_noted(conn: AsyncConnection, call_id: str, values: Mapping[str, Any]) -> None:
    """Note something in a live call, from outside."""
    changed = calls.c.noted.concat(dict(values))
    await conn.execute(update(calls).where(calls.c.id == call_id).values(noted=changed))
    await notify(conn, "outdial_call", call_id)


async def enter_recording(engine: AsyncEngine, call_id: str, recording: str) -> None:
    """Enter a recording that was finished later. A call of several attempts keeps its newest; the names sort by age.
    A call whose recording was erased gets none."""
    async with engine.begin() as conn:
        the_call = select(calls.c.recording, calls.c.recording_erased_at).where(calls.c.id == call_id)
        row = (await conn.execute(the_call.with_for_update())).one_or_none()
        if row is None or row.recording_erased_at is not None:
            return
        known = row.recording
        if known is None or _age(known) <= _age(recording):
            await conn.execute(update(calls).where(calls.c.id == call_id).values(recording=recording))


async def without_recording(engine: AsyncEngine, call_ids: Collection[str]) -> set[str]:
    """Those of these calls that know of no recording, though none was erased."""
    async with reading(engine) as conn:
        query = select(calls.c.id).where(calls.c.id.in_(call_ids), calls.c.recording.is_(None))
        query = query.where(calls.c.recording_erased_at.is_(None))
        return set((await conn.execute(query)).scalars())


async def with_recording(engine: AsyncEngine, call_ids: Collection[str]) -> set[str]:
    """Those of these calls that know of a recording: it wasn't erased."""
    async with reading(engine) as conn:
        query = select(calls.c.id).where(calls.c.id.in_(call_ids), calls.c.recording.is_not(None))
        return set((await conn.execute(query)).scalars())


def _age(recording: str) -> int:
    """The number of turns before it, which is in the name when there were any."""
    turns = Path(recording).stem.partition("-")[2]
    return int(turns) if turns.isdecimal() else 0


# -- statements, built once: building them takes longer than running them --------------------------------------

_ANNOUNCED = func.pg_notify("outdial_call", calls.c.id)


def _taking_last() -> ReturningUpdate[Any]:
    """The result of a call's last conversation, as far as is known: the newer value of a name holds, and the newer
    recording."""
    instant = DateTime(timezone=True)
    attempt, call, delivered = attempts.c, calls.c, bindparam("new_delivered", type_=Boolean)
    disclosure = bindparam("new_disclosure", type_=JSONB(none_as_null=True))
    keeps_disclosure = or_(disclosure.is_(None), call.disclosure["heard_at_ms"].astext.is_not(None))
    taken = update(attempts).where(attempt.id == bindparam("the_attempt", type_=Text)).values(
        result_at=func.now(),
        check_at=bindparam("new_check_at", type_=instant),
        look_ups=0,
        log_due_at=None,
        turns=func.coalesce(attempt.turns, 0) + bindparam("more_turns", type_=Integer),
        turn_latency_ms=func.coalesce(bindparam("new_latency_ms", type_=Integer), attempt.turn_latency_ms),
        # Transferred: nobody here is needed for it any more.
        owner=case((bindparam("is_transferred", type_=Boolean), None), else_=attempt.owner),
    )
    entered = update(calls).where(call.id == bindparam("the_call", type_=Text)).values(
        recording=func.coalesce(bindparam("new_recording", type_=Text), call.recording),
        message_delivered=case(
            (bindparam("has_returned", type_=Boolean), func.coalesce(delivered, call.message_delivered)),
            else_=delivered,
        ),
        # Who made themselves heard in one of an attempt's conversations did.
        callee_responded=case(
            (call.callee_responded.is_(True), True), else_=bindparam("new_responded", type_=Boolean)
        ),
        noted=call.noted.concat(bindparam("new_noted", type_=JSONB)),
        disclosure=case((keeps_disclosure, call.disclosure), else_=disclosure),
    )
    return entered.returning(_ANNOUNCED).add_cte(taken.cte("taken"))


_TAKE_LAST = Hot(_taking_last())
