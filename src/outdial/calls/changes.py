"""Every change of a call's state after it was stored: it moves on, waits again, or ends.

Each is one statement that also gives the line back where the change frees it, and tells of itself in `call_events`.

This is where a later hook on the life of a call stands: what happened is what was written here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Executable, Text, bindparam, func, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.events import event, with_event
from outdial.calls.records import CallRecord, error_json
from outdial.db.tables import calls
from outdial.lines.pool import giving_back
from outdial.telephony.state import CallState, Ending


async def move_on(
    conn: AsyncConnection,
    call: CallRecord,
    state: CallState,
    *,
    attempt: int,
    at: datetime,
    answered_at: datetime | None,
) -> CallState:
    """The call follows its attempt (its number) to ringing or in progress."""
    data = {"state": state, "attempt": attempt, "at": at.isoformat()}
    values = {"the_call": call.id, "new_state": state, "new_answered_at": answered_at}
    await conn.execute(_MOVE_ON, values | event(call.id, "state", data))
    return state


async def queue_again(
    conn: AsyncConnection, call: CallRecord, due_at: datetime, *, attempt: int, why: Mapping[str, Any]
) -> CallState:
    """The attempt is over (or never was): its line is free, and the call waits for the next one. `why` goes into the
    event. The call is locked."""
    data = {"state": CallState.QUEUED, "attempt": attempt, **why, "next_attempt_at": due_at.isoformat()}
    values = {"the_call": call.id, "new_due_at": due_at} | _line(call)
    await conn.execute(_QUEUE_AGAIN, values | event(call.id, "state", data))
    return CallState.QUEUED


async def end_call(
    conn: AsyncConnection,
    call: CallRecord,
    ending: Ending,
    *,
    attempt: int | None,
    ended_at: datetime,
    answered_at: datetime | None = None,
) -> CallState:
    """The call is over, and its line is free. `attempt` is the number of its last one, None where it never had one.
    The call is locked."""
    data: dict[str, Any] = {"state": CallState.ENDED, "end_reason": ending.end_reason}
    if attempt is not None:
        data |= {"attempt": attempt, "error": error_json(ending.error)}
    values = {
        "the_call": call.id,
        "new_end_reason": ending.end_reason,
        "new_error": error_json(ending.error),
        "new_ended_at": ended_at,
        "new_answered_at": answered_at,
    }
    await conn.execute(_END, values | _line(call) | event(call.id, "state", data))
    return CallState.ENDED


def _line(call: CallRecord) -> dict[str, Any]:
    """Given back once: the call says whether it holds one, and it is locked."""
    return {"line_workspace": call.workspace_id, "line_held": call.holds_line, "line_direction": call.direction}


# -- statements, built once: putting them together takes as long as running them -------------------------------

_QUEUE_OF = bindparam("line_workspace", type_=Text)  # a line is free: the next call can go
_THE_CALL = calls.c.id == bindparam("the_call", type_=Text)
_ANSWERED_AT = func.coalesce(calls.c.answered_at, bindparam("new_answered_at", type_=DateTime(timezone=True)))


def _move_on() -> Executable:
    return with_event(
        update(calls).where(_THE_CALL).values(state=bindparam("new_state", type_=Text), answered_at=_ANSWERED_AT)
    )


def _queue_again() -> Executable:
    waits = {
        "state": CallState.QUEUED,
        "holds_line": False,
        "due_at": bindparam("new_due_at", type_=DateTime(timezone=True)),
        "answered_at": None,
        "answered_by": None,
    }
    return with_event(update(calls).where(_THE_CALL).values(waits), giving_back(), queue_of=_QUEUE_OF)


def _end() -> Executable:
    ended = {
        "state": CallState.ENDED,
        "holds_line": False,
        "end_reason": bindparam("new_end_reason", type_=Text),
        "error": bindparam("new_error", type_=JSONB(none_as_null=True)),
        "ended_at": bindparam("new_ended_at", type_=DateTime(timezone=True)),
        "answered_at": _ANSWERED_AT,
    }
    return with_event(update(calls).where(_THE_CALL).values(ended), giving_back(), queue_of=_QUEUE_OF)


_MOVE_ON, _QUEUE_AGAIN, _END = _move_on(), _queue_again(), _end()
