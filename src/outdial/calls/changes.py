"""Every change of a stored call's state but the claim's: it moves on, waits again, or ends.

Each is one statement that also changes the attempt it follows from, gives the line back where the change frees it, and
tells of itself in `call_events`. This is where a later hook on the life of a call stands: what happened is what was
written here.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    DateTime,
    Executable,
    ScalarSelect,
    Text,
    Update,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial import clock, metrics
from outdial.calls.call_log import COMPLETE_WITHIN, tell_end, tell_failure, waits_for_result
from outdial.calls.events import event, with_event
from outdial.calls.outcomes import known_of
from outdial.calls.records import AttemptRecord, CallRecord, error_json
from outdial.calls.wrap_up_wanted import want_wrap_up
from outdial.db import hot
from outdial.db.committed import once_committed
from outdial.db.hot import Hot
from outdial.db.tables import attempts, calls
from outdial.lines.pool import given_back, giving_back
from outdial.lines.seats import giving_seat_back, telling_of_seat
from outdial.telephony.outcome import NAMED, closed_word, outcome_of
from outdial.telephony.state import CallState, Ending

PRICE_AFTER_S = 180.0  # carriers that don't tell the price by themselves, or whose word was lost, know it by then


async def change_attempt(conn: AsyncConnection, attempt: AttemptRecord, *, check_in_s: float) -> None:
    """Write an attempt down whose state is as it was: only what its carrier calls it has changed. It is locked, as in
    all of these; the sweep looks at it again in `check_in_s`."""
    await hot.execute(conn, _CHANGE_ATTEMPT, _attempt(attempt, check_in_s))


async def move_on(
    conn: AsyncConnection, call: CallRecord, attempt: AttemptRecord, *, at: datetime, check_in_s: float
) -> CallState:
    """The attempt has come to ringing or in progress (`at`), and its call follows."""
    values = _attempt(attempt, check_in_s) | {
        "the_call": call.id,
        "new_state": attempt.state,
        "new_answered_at": attempt.answered_at,
    }
    data = {"state": attempt.state, "attempt": attempt.number, "at": at.isoformat()}
    await hot.execute(conn, _MOVE_ON, values | event(call.id, "state", data))
    if attempt.state is CallState.IN_PROGRESS and attempt.answered_at is not None:
        after_s = (attempt.answered_at - attempt.created_at).total_seconds()
        once_committed(conn, lambda: metrics.ANSWERED_AFTER.labels(attempt.carrier).observe(after_s))
    return attempt.state


async def queue_again(
    conn: AsyncConnection,
    call: CallRecord,
    attempt: AttemptRecord,
    due_at: datetime,
    *,
    why: Mapping[str, Any],
    is_retry: bool = False,
    sent: bool = True,
) -> CallState:
    """The attempt is over: its line is free, and the call waits for the next one. `why` goes into the event.

    `is_retry`: it is the next one that was asked for. How often this one was put off doesn't count for it. A dial that
    never left us is not `sent`: the attempt never was.
    """
    data = {"state": CallState.QUEUED, "attempt": attempt.number, **why, "next_attempt_at": due_at.isoformat()}
    values = _attempt(attempt) | {"the_call": call.id, "new_due_at": due_at, "call_is_retried": is_retry}
    values |= {"dial_sent": sent}
    values |= event(call.id, "state", data)
    with _line_of(call) as line:
        await hot.execute(conn, _QUEUE_AGAIN, values | line)
    if sent:
        _tell_attempt(conn, call, attempt, next_at=due_at)
    return CallState.QUEUED


async def end_call(
    conn: AsyncConnection,
    call: CallRecord,
    ending: Ending,
    *,
    ended_at: datetime,
    attempt: AttemptRecord | None = None,
    sent: bool = True,
    is_news: bool = True,
) -> CallState:
    """The call is over, with its last attempt where it had one, and its line is free. `sent`: see `queue_again`. The
    end of an attempt whose call waited already is no news."""
    known = await known_of(conn, call, ending, attempt)
    outcome, waits = outcome_of(known.facts), False
    if known.wants_wrap_up:
        await want_wrap_up(conn, call.id)  # before the line's row is locked
    data: dict[str, Any] = {
        "state": CallState.ENDED,
        "end_reason": ending.end_reason,
        "ended_by": ending.by,
        "outcome": outcome,
    }
    values = {
        "the_call": call.id,
        "new_end_reason": ending.end_reason,
        "new_ended_by": ending.by,
        "new_outcome": outcome,
        "new_error": error_json(ending.error),
        "new_ended_at": ended_at,
        "new_answered_at": None if attempt is None else attempt.answered_at,
    }
    if attempt is None:
        statement = _END
    else:
        statement = _END_WITH_ATTEMPT
        values |= _attempt(attempt) | {"dial_sent": sent, "new_log_due_at": None}
        data |= {"attempt": attempt.number, "error": error_json(ending.error)}
        if waits := waits_for_result(attempt):
            values["new_log_due_at"] = clock.now() + COMPLETE_WITHIN
    values |= event(call.id, "state", data)
    with _line_of(call) as line:
        await hot.execute(conn, statement, values | line)
    if attempt is not None and sent and is_news:
        _tell_attempt(conn, call, attempt, next_at=None)
    if not waits:
        tell_end(conn, call, ending, outcome=outcome, ended_at=ended_at, attempt=attempt if sent else None)
    what = (call.direction, ending.end_reason, closed_word(outcome) or "")
    once_committed(conn, lambda: metrics.CALLS_ENDED.labels(*what).inc())
    return CallState.ENDED


async def correct_end(conn: AsyncConnection, call: CallRecord, ending: Ending, *, attempt: AttemptRecord) -> None:
    """The call has ended with this attempt, and only now it is known why."""
    data = {
        "end_reason": ending.end_reason,
        "ended_by": ending.by,
        "error": error_json(ending.error),
        "attempt": attempt.number,
    }
    values = _attempt(attempt) | {
        "the_call": call.id,
        "new_end_reason": ending.end_reason,
        "new_error": error_json(ending.error),
        "new_ended_by": ending.by,
    }
    await hot.execute(conn, _CORRECT_END, values | event(call.id, "corrected", data))


def _tell_attempt(conn: AsyncConnection, call: CallRecord, attempt: AttemptRecord, *, next_at: datetime | None) -> None:
    """Of an attempt that is over."""
    tell_failure(conn, call, attempt, tried_again=next_at is not None, next_at=next_at)
    if attempt.end_reason is not None:
        error = "" if attempt.error is None else attempt.error.code
        ended = metrics.ATTEMPTS_ENDED.labels(attempt.carrier, attempt.end_reason, error)
        once_committed(conn, ended.inc)


def _attempt(attempt: AttemptRecord, check_in_s: float = 0.0) -> dict[str, Any]:
    call, now = attempt.carrier_call, clock.now()
    return {
        "the_attempt": attempt.id,
        "attempt_state": attempt.state,
        "attempt_carrier_call_id": call.id if call else None,
        "attempt_carrier_refs": dict(call.refs) if call else {},
        "attempt_end_reason": attempt.end_reason,
        "attempt_error": error_json(attempt.error),
        "attempt_ringing_at": attempt.ringing_at,
        "attempt_answered_at": attempt.answered_at,
        "attempt_ended_at": attempt.ended_at,
        "attempt_price_due_at": _price_due_at(attempt, now),
        "attempt_unknown_since": attempt.unknown_since,
        "attempt_hang_up_at": attempt.hang_up_at,
        "attempt_check_at": now + timedelta(seconds=check_in_s),
    }


def _price_due_at(attempt: AttemptRecord, now: datetime) -> datetime | None:
    """When the carrier is to be asked what an answered call has cost, if it has not told by then."""
    if attempt.state is not CallState.ENDED or attempt.answered_at is None or attempt.price is not None:
        return None
    return None if attempt.carrier_call is None else now + timedelta(seconds=PRICE_AFTER_S)


def _line_of(call: CallRecord) -> AbstractContextManager[dict[str, Any]]:
    """Given back once: the call says whether it holds one, and it is locked."""
    return given_back(call.workspace_id, call.direction, held=call.holds_line)


# -- statements, built once: putting them together takes as long as running them -------------------------------

_TYPES: Mapping[str, Any] = {
    "state": Text,
    "carrier_call_id": Text,
    "carrier_refs": JSONB,
    "end_reason": Text,
    "error": JSONB(none_as_null=True),
    **dict.fromkeys(
        ("ringing_at", "answered_at", "ended_at", "price_due_at", "unknown_since", "hang_up_at", "check_at"),
        DateTime(timezone=True),
    ),
}


def _change_attempt(*, with_call: bool = False) -> Update:
    """`with_call`: which ends with it."""
    changed: dict[str, Any] = {name: bindparam(f"attempt_{name}", type_=type_) for name, type_ in _TYPES.items()}
    changed["look_ups"] = 0  # whatever is written here is a sign of life
    if with_call:
        changed["log_due_at"] = bindparam("new_log_due_at", type_=DateTime(timezone=True))
    return update(attempts).where(attempts.c.id == bindparam("the_attempt", type_=Text)).values(changed)


def _change_call(values: Mapping[str, Any]) -> CTE:
    the_call = calls.c.id == bindparam("the_call", type_=Text)
    return update(calls).where(the_call).values(values).cte("changed_call")


def _move_on() -> Executable:
    moved = _change_call({"state": bindparam("new_state", type_=Text), "answered_at": _ANSWERED_AT})
    return with_event(_change_attempt().cte("changed_attempt"), moved)


def _queue_again() -> Executable:
    retried = bindparam("call_is_retried", type_=Boolean)
    waits = {
        "state": CallState.QUEUED,
        "holds_line": False,
        "due_at": bindparam("new_due_at", type_=DateTime(timezone=True)),
        "dialled": _DIALLED,
        "answered_at": None,
        "answered_by": None,
        "callee_responded": None,
        "noted": calls.c.noted.op("-")(literal(NAMED, Text)),  # what came of the call is for the next attempt to say
        "deferrals": case((retried, 0), else_=calls.c.deferrals),
        "never_placed": case((retried, 0), else_=calls.c.never_placed),
        "throttled_since": case((retried, None), else_=calls.c.throttled_since),
    }
    return _with_seat_given_back(
        _change_attempt().cte("changed_attempt"), _change_call(waits), giving_back(), also=_wake_dispatchers()
    )


def _end(*, with_attempt: bool) -> Executable:
    ended: dict[str, Any] = {
        "state": CallState.ENDED,
        "holds_line": False,
        "end_reason": bindparam("new_end_reason", type_=Text),
        "ended_by": bindparam("new_ended_by", type_=Text),
        "outcome": bindparam("new_outcome", type_=Text),
        "error": bindparam("new_error", type_=JSONB(none_as_null=True)),
        "ended_at": bindparam("new_ended_at", type_=DateTime(timezone=True)),
        "answered_at": _ANSWERED_AT,
    }
    line = giving_back()
    if not with_attempt:
        return with_event(_change_call(ended), line, also=[_wake_dispatchers(line)])
    ended["dialled"] = _DIALLED
    attempt = _change_attempt(with_call=True).cte("changed_attempt")
    return _with_seat_given_back(attempt, _change_call(ended), line, also=_wake_dispatchers(line))


def _with_seat_given_back(*changes: CTE, also: ScalarSelect[Any]) -> Executable:
    """The attempt is over: its seat is free with its line."""
    seat = giving_seat_back()
    return with_event(*changes, seat, also=(also, telling_of_seat(seat)))


def _correct_end() -> Executable:
    corrected = {
        "end_reason": bindparam("new_end_reason", type_=Text),
        "error": bindparam("new_error", type_=JSONB(none_as_null=True)),
        "ended_by": bindparam("new_ended_by", type_=Text),
    }
    return with_event(_change_attempt().cte("changed_attempt"), _change_call(corrected))


def _wake_dispatchers(line: CTE | None = None) -> ScalarSelect[Any]:
    """Whoever waits for a line can go now; where lines were free all along, nobody waits for this one."""
    wake = select(func.pg_notify("outdial_queue", bindparam("line_workspace", type_=Text)))
    return wake.where(true() if line is None else line.c.was_full).scalar_subquery()


_ANSWERED_AT = func.coalesce(calls.c.answered_at, bindparam("new_answered_at", type_=DateTime(timezone=True)))
_DIALLED = or_(calls.c.dialled, bindparam("dial_sent", type_=Boolean))
_CHANGE_ATTEMPT = Hot(_change_attempt())
_MOVE_ON, _QUEUE_AGAIN, _CORRECT_END = Hot(_move_on()), Hot(_queue_again()), Hot(_correct_end())
_END, _END_WITH_ATTEMPT = Hot(_end(with_attempt=False)), Hot(_end(with_attempt=True))
