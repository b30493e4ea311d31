"""What a conversation brought: what was noted, recording, whether a message was left. Written when it is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, case, exists, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.do_not_call import enter_wish, keep_wish
from outdial.calls.events import add_event
from outdial.calls.outcomes import NAMED, reconsider, warn_of_odd_word
from outdial.calls.records import lock_attempt
from outdial.db.engine import autocommit
from outdial.db.notify import notify
from outdial.db.tables import attempts, calls
from outdial.telephony.state import CallState, EndedBy

AFTER_STREAM_CHECK_S = 3.0  # the carrier's "completed" should be here by then; else it is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Plain data. `noted` and `noted_dropped` are those of calls.noted: what is kept, and what is told of the rest.
    `recording` is its path under the data directory; `transferred`: the callee talks to somebody else now;
    `callee_responded`: whether the callee spoke or pressed a key, None where that can't be said; `ended_by`: who left
    first, as the conversation saw it, None where it goes on elsewhere."""

    noted: Mapping[str, Any]
    recording: str | None
    message_delivered: bool | None
    transferred: bool
    noted_dropped: Mapping[str, Any] | None = None
    callee_responded: bool | None = None
    ended_by: EndedBy | None = None


async def save_result(engine: AsyncEngine, attempt_id: str, call_id: str, result: Result) -> None:
    """Enter what the conversation of an attempt brought into its call; the sweep looks at the attempt soon. A call
    that has ended already may have come to something else than was known then.

    Who asked not to be called again is on the do-not-call list with it.
    """
    values: dict[str, Any] = {"check_at": datetime.now(UTC) + timedelta(seconds=AFTER_STREAM_CHECK_S)}
    if result.transferred:
        values["owner"] = None  # nobody here is needed for it any more
    async with engine.begin() as conn:  # the list first, then the attempt, as in calls.advance
        wish = await enter_wish(conn, call_id) if _asked_for_no_more_calls(result) else None
        held = await lock_attempt(conn, attempt_id)
        await conn.execute(update(attempts).where(attempts.c.id == attempt_id).values(**values))
        is_last = held is not None and held.is_last
        noted = dict(result.noted)
        brought: dict[str, Any] = {"recording": result.recording, "message_delivered": result.message_delivered}
        if is_last:
            brought["callee_responded"] = result.callee_responded
        else:
            noted.pop(NAMED, None)  # what came of the call is for its last attempt to say
        brought["noted"] = _with(noted, attempt_id)
        await conn.execute(update(calls).where(calls.c.id == call_id).values(**brought))
        if result.noted:
            await add_event(conn, call_id, "noted", {"values": result.noted})
        if result.noted_dropped is not None:
            await add_event(conn, call_id, "noted_dropped", result.noted_dropped)
        if wish is not None:
            await keep_wish(conn, wish)
        warn_of_odd_word(call_id, noted)
        if is_last:
            await reconsider(conn, call_id, result.ended_by)
        await notify(conn, "outdial_call", call_id)  # the call may have ended already; who looks at it wants these


async def note_response(engine: AsyncEngine, attempt_id: str) -> None:
    """The callee spoke or pressed a key for the first time: known at once, for the call may end before its
    conversation's result is here."""
    async with autocommit(engine) as conn:
        the_call = select(attempts.c.call_id).where(attempts.c.id == attempt_id, attempts.c.state != CallState.ENDED)
        responded = update(calls).where(calls.c.id == the_call.scalar_subquery()).values(callee_responded=True)
        await conn.execute(responded)


def _asked_for_no_more_calls(result: Result) -> bool:
    return result.noted.get("do_not_call") is True


def _with(noted: Mapping[str, Any], attempt_id: str) -> ColumnElement[Any]:
    """What the call has noted so far, and this: the newer value of a name holds. What a result that comes late tells is
    older than what the next attempt has noted meanwhile."""
    new = literal(dict(noted), JSONB)
    this, later = attempts.alias(), attempts.alias()
    is_late = exists(
        select(later.c.id)
        .join(this, this.c.call_id == later.c.call_id)
        .where(this.c.id == attempt_id, later.c.number > this.c.number)
    )
    return case((is_late, new.concat(calls.c.noted)), else_=calls.c.noted.concat(new))


async def add_noted(conn: AsyncConnection, call_id: str, values: Mapping[str, Any]) -> None:
    """Note something in a live call, from outside."""
    changed = calls.c.noted.concat(dict(values))
    await conn.execute(update(calls).where(calls.c.id == call_id).values(noted=changed))
    await notify(conn, "outdial_call", call_id)


async def enter_recording(engine: AsyncEngine, call_id: str, recording: str) -> None:
    """Enter a recording that was finished later. A call of several attempts keeps its newest; the names sort by age."""
    async with engine.begin() as conn:
        known = await conn.scalar(select(calls.c.recording).where(calls.c.id == call_id).with_for_update())
        if known is None or _age(known) <= _age(recording):
            await conn.execute(update(calls).where(calls.c.id == call_id).values(recording=recording))


def _age(recording: str) -> int:
    """The number of turns before it, which is in the name when there were any."""
    turns = Path(recording).stem.partition("-")[2]
    return int(turns) if turns.isdecimal() else 0
