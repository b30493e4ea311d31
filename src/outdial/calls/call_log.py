"""What the log tells of calls: one line for each that has ended, one for each attempt that failed (docs/logs.md).

A line is written by the process that committed the change, once it is committed. A call that ends before its
conversation has brought anything waits for that: its last attempt has a `log_due_at`, and whoever takes that away
tells of the call.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import RowMapping, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.calls.records import AttemptRecord, CallRecord, Held, with_call
from outdial.db.committed import once_committed
from outdial.db.tables import attempts, calls
from outdial.instants import to_json
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.outcome import closed_word
from outdial.telephony.state import EndedBy, Ending, EndReason
from outdial.tracing.process import call_ended, log_fields, took
from outdial.tracing.spans import end_corrected

logger = logging.getLogger(__name__)

ENDED, CORRECTED, FAILED = "Call ended", "Call end corrected", "Attempt failed"
COMPLETE_WITHIN = timedelta(minutes=2)  # what a conversation brought, after the end of its call
AT_ONCE = 100  # lines, before the loop has its turn

FAILURES = (EndReason.FAILED, EndReason.BUSY, EndReason.NO_ANSWER, EndReason.DECLINED)

# Nobody who looks after the server can do anything about these: they are of one call.
OF_THE_CALL = frozenset({
    FailureCode.NUMBER_INVALID, FailureCode.NUMBER_NOT_IN_SERVICE, FailureCode.UNREACHABLE, FailureCode.NO_ROUTE,
    FailureCode.BLOCKED, FailureCode.REFUSED_BY_NETWORK, FailureCode.NETWORK_TIMEOUT, FailureCode.NETWORK_ERROR,
    FailureCode.NOT_CONNECTED, FailureCode.NOT_KNOWN_THERE, FailureCode.WRONG_CALL_STATE, FailureCode.BAD_DIGITS,
    FailureCode.DO_NOT_CALL, FailureCode.DAILY_LIMIT, FailureCode.DRAINING,
})  # fmt: skip


def waits_for_result(attempt: AttemptRecord) -> bool:
    """Whether a conversation of an attempt whose call ends has yet to bring what it will."""
    return attempt.stream_opened_at is not None and attempt.result_at is None


def tell_end(
    conn: AsyncConnection,
    call: CallRecord,
    ending: Ending,
    *,
    outcome: str | None,
    ended_at: datetime,
    attempt: AttemptRecord | None,
) -> None:
    """Tell of a call that ends in this transaction, and of which all is known."""
    _tell(conn, ENDED, _of_call(call) | _of_attempt(attempt) | _of_end(ending, outcome, ended_at) | {"complete": True})


async def tell_stored_end(
    conn: AsyncConnection, attempt_id: str, *, corrected: bool = False, complete: bool = True
) -> None:
    """Tell of a call that has ended, as it is stored now. `attempt_id` is its last attempt."""
    row = (await conn.execute(_STORED, {"the_attempt": attempt_id})).mappings().one()
    told = _stored(row) | {"complete": complete}
    _tell(conn, CORRECTED if corrected else ENDED, told)
    if corrected:
        call = Held.of(row).call
        known = {name: told[name] for name in ("end_reason", "error", "outcome", "answered_by")}
        once_committed(conn, partial(took, end_corrected(call.id, call.traceparent, at=clock.now(), **known)))


def tell_failure(
    conn: AsyncConnection,
    call: CallRecord,
    attempt: AttemptRecord,
    *,
    tried_again: bool = False,
    next_at: datetime | None = None,
) -> None:
    """Tell of an attempt that is over, if it failed; whether its call is dialled again, and when, where that is new."""
    if attempt.end_reason in FAILURES:
        told = _of_call(call) | _of_attempt(attempt) | _codes(attempt.error)
        told |= {"end_reason": attempt.end_reason, "ended_at": to_json(attempt.ended_at)}
        told |= {"tried_again": tried_again, "next_attempt_at": to_json(next_at)}
        once_committed(conn, partial(logger.log, _level(attempt.error), FAILED, extra=told))


async def tell_missed(conn: AsyncConnection, attempt_id: str) -> None:
    """Tell of a caller who is turned away in this transaction: the end is written with the call."""
    row = (await conn.execute(_STORED, {"the_attempt": attempt_id})).mappings().one()
    held = Held.of(row)
    tell_failure(conn, held.call, held.attempt)
    _tell(conn, ENDED, _stored(row) | {"complete": True})


def tell_ended_waiting(conn: AsyncConnection, rows: Sequence[RowMapping], ending: Ending) -> None:
    """Tell of calls that waited and have ended, many at once. The rows are of WAITED."""
    told = [
        {name: row[name] for name in WAITED if not name.endswith("_at") and name not in ("id", "traceparent")}
        | {"call_id": row["id"], "created_at": to_json(row["created_at"])}
        | log_fields(row["id"], row["traceparent"])
        | _of_attempt(None)
        | _of_end(ending, None, row["ended_at"])
        | {"answered_by": None, "complete": True}
        for row in rows
    ]
    once_committed(conn, partial(_write, iter(told)))


WAITED = (
    "id", "workspace_id", "number_id", "direction", "agent_id", "agent_version", "created_at", "ended_at",
    "traceparent",
)  # fmt: skip


async def tell_overdue(engine: AsyncEngine, *, at_most: int) -> None:
    """Tell of calls whose conversation has brought nothing by now: its process died, or waits for its database. They
    are told without it, once."""
    async with engine.begin() as conn:
        for attempt_id in (await conn.scalars(_OVERDUE, {"at_most": at_most})).all():
            await tell_stored_end(conn, attempt_id, complete=False)


def _tell(conn: AsyncConnection, sentence: str, fields: Mapping[str, Any]) -> None:
    once_committed(conn, partial(logger.info, sentence, extra=fields))
    if sentence == ENDED:
        once_committed(conn, partial(call_ended, fields["call_id"]))


def _write(lines: Iterator[Mapping[str, Any]]) -> None:
    """A piece now, and the rest when others had their turn: a thousand lines are a pause in every call."""
    written = 0
    for written, line in enumerate(islice(lines, AT_ONCE), 1):  # noqa: B007 - counted
        logger.info(ENDED, extra=line)
        call_ended(line["call_id"])
    if written == AT_ONCE:
        asyncio.get_running_loop().call_soon(_write, lines)


def _level(error: CallError | None) -> int:
    return logging.INFO if error is None or error.code in OF_THE_CALL else logging.WARNING


# -- fields: ids, instants and words of ours; never a number, nor what anybody said ----------------------------


def _of_call(call: CallRecord) -> dict[str, Any]:
    return {
        "call_id": call.id,
        "workspace_id": call.workspace_id,
        "number_id": call.number_id,
        "direction": call.direction,
        "agent_id": call.agent_id,
        "agent_version": call.agent_version,
        "created_at": to_json(call.created_at),
        "answered_by": None if call.answered_by is None else call.answered_by.category,
        **log_fields(call.id, call.traceparent),
    }


def _of_attempt(attempt: AttemptRecord | None) -> dict[str, Any]:
    if attempt is None:
        return dict.fromkeys(_ATTEMPT_FIELDS)
    return {
        "attempt_id": attempt.id,
        "attempt": attempt.number,
        "carrier": attempt.carrier,
        "carrier_account_id": attempt.carrier_account_id,
        "carrier_call_id": None if attempt.carrier_call is None else attempt.carrier_call.id,
        "dialed_at": to_json(attempt.created_at),
        "ringing_at": to_json(attempt.ringing_at),
        "answered_at": to_json(attempt.answered_at),
        "turns": attempt.turns,
        "turn_latency_p50_ms": attempt.turn_latency_ms,
        "cost": None if attempt.price is None else str(attempt.price),
        "cost_currency": attempt.price_currency,
    }


_ATTEMPT_FIELDS = (
    "attempt_id", "attempt", "carrier", "carrier_account_id", "carrier_call_id", "dialed_at", "ringing_at",
    "answered_at", "turns", "turn_latency_p50_ms", "cost", "cost_currency",
)  # fmt: skip


def _of_end(ending: Ending, outcome: str | None, ended_at: datetime) -> dict[str, Any]:
    return {
        "ended_at": to_json(ended_at),
        "end_reason": ending.end_reason,
        "ended_by": ending.by,
        "outcome": closed_word(outcome),
        **_codes(ending.error),
    }


def _codes(error: CallError | None) -> dict[str, str | None]:
    return {
        "error": None if error is None else error.code,
        "carrier_code": None if error is None else error.carrier_code,
    }


def _stored(row: RowMapping) -> dict[str, Any]:
    held, call = Held.of(row), calls.c
    ending = Ending(
        end_reason=EndReason(row[call.end_reason]),
        error=None if row[call.error] is None else CallError.from_json(row[call.error]),
        ended_by=None if row[call.ended_by] is None else EndedBy(row[call.ended_by]),
    )
    return _of_call(held.call) | _of_attempt(held.attempt) | _of_end(ending, row[call.outcome], row[call.ended_at])


# -- statements, built once ------------------------------------------------------------------------------------

_STORED = (
    with_call()
    .add_columns(calls.c.end_reason, calls.c.ended_by, calls.c.error, calls.c.outcome, calls.c.ended_at)
    .where(attempts.c.id == bindparam("the_attempt", type_=Text))
)
_OVERDUE = text("""
    UPDATE attempts SET log_due_at = NULL
    WHERE id = ANY(ARRAY(
        SELECT id FROM attempts WHERE log_due_at <= clock_timestamp()
        ORDER BY log_due_at LIMIT :at_most FOR NO KEY UPDATE SKIP LOCKED
    ))
    RETURNING id
""")
