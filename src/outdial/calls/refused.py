"""Calls that wait, and that expire, that the policy is against or that somebody cancels: ended for good, or put off.
However many, it takes few statements.

They hold no line and have no attempt under way, so there is less to do than in `calls/changes.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial import metrics
from outdial.calls.call_log import WAITED, tell_ended_waiting
from outdial.calls.records import error_json
from outdial.db.committed import once_committed
from outdial.policy.gate import ERRORS, Rule
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason

AT_A_TIME = 5000


def refused_by(rule: Rule) -> Ending:
    """How a call ends that waited, and isn't to be dialled."""
    return Ending(end_reason=EndReason.CANCELED, error=ERRORS[rule], ended_by=EndedBy.POLICY)


def canceled() -> Ending:
    """How a call ends that somebody doesn't want any more, and that no carrier has."""
    return Ending(end_reason=EndReason.CANCELED, ended_by=EndedBy.OPERATOR)


def expired() -> Ending:
    """How a call ends that waited for too long."""
    return Ending(end_reason=EndReason.EXPIRED)


async def end_waiting(conn: AsyncConnection, call_ids: Sequence[str], ending: Ending) -> None:
    """End calls that wait. They are locked."""
    await _end_those(conn, _END_THESE, ending, {"call_ids": list(call_ids)})


async def end_expired(conn: AsyncConnection, *, at_most: int) -> int:
    """End calls that still wait when their time to give up has come; how many."""
    return await _end_those(conn, _END_EXPIRED, expired(), {"at_most": at_most})


async def end_waiting_of(conn: AsyncConnection, number_id: str, *, accepted_before: datetime, at_most: int) -> int:
    """Cancel calls of a number that wait, the longest due first; how many. Those that somebody has locked, as a claim
    has, are passed over: nobody waits for anybody."""
    values = {"number": number_id, "accepted_before": accepted_before, "at_most": at_most}
    return await _end_those(conn, _END_WAITING_OF, canceled(), values)


async def put_off(conn: AsyncConnection, until: Mapping[str, datetime]) -> None:
    """Calls that wait are due later, each at its instant. They are locked."""
    await conn.execute(_PUT_OFF, {"call_ids": list(until), "instants": list(until.values())})


async def end_waiting_to(conn: AsyncConnection, workspace_id: str, numbers: Sequence[str], rule: Rule) -> int:
    """End every call that waits to be dialled to these few numbers; how many. The list is locked (policy.do_not_call):
    no claim is under way."""
    values = {"workspace": workspace_id, "numbers": list(numbers)}
    return await _end_those(conn, _END_WAITING_TO, refused_by(rule), values)


async def end_waiting_listed(conn: AsyncConnection, workspace_id: str, rule: Rule) -> int:
    """The same for every number on the do-not-call list: it looks at the whole queue, at each call by its number."""
    ended = 0
    while more := await _end_those(conn, _END_WAITING_LISTED, refused_by(rule), {"workspace": workspace_id}):
        ended += more
    return ended


async def hang_up_on_the_way(conn: AsyncConnection, workspace_id: str) -> None:
    """Ask for the end of calls to listed numbers that are being dialled or ring. Who talks already is left to talk."""
    await conn.execute(_HANG_UP_ON_THE_WAY, {"workspace": workspace_id})


async def _end_those(conn: AsyncConnection, which: TextClause, ending: Ending, values: Mapping[str, Any]) -> int:
    """How many."""
    rows = (await conn.execute(which, {**_ending(ending), **values})).mappings().all()
    tell_ended_waiting(conn, rows, ending)
    for direction, number in Counter(row["direction"] for row in rows).items():
        once_committed(conn, partial(metrics.CALLS_ENDED.labels(direction, ending.end_reason, "").inc, number))
    return len(rows)


def _ending(ending: Ending) -> dict[str, Any]:
    error = error_json(ending.error)
    told = {"state": CallState.ENDED, "end_reason": ending.end_reason, "ended_by": ending.by, "outcome": None}
    return {
        "refused_reason": ending.end_reason,
        "refused_error": error,
        "refused_by": ending.by,
        "refused_event": told if error is None else told | {"error": error},
    }


def _end(which: str) -> TextClause:
    """The calls, the events that tell of it, and who follows them, in one statement. One row for each that ended."""
    statement = text(f"""
        WITH refused AS (
            UPDATE calls
            SET state = 'ended', end_reason = :refused_reason, ended_by = :refused_by, error = :refused_error,
                ended_at = clock_timestamp()
            WHERE state = 'queued' AND {which}
            RETURNING {", ".join(WAITED)}
        ), told AS (
            INSERT INTO call_events (call_id, type, data)
            SELECT id, 'state', :refused_event FROM refused
            RETURNING call_id, pg_notify('outdial_call', call_id)
        )
        SELECT refused.* FROM refused
    """)  # noqa: S608 - put together of constants
    return statement.bindparams(
        bindparam("refused_error", type_=JSONB(none_as_null=True)), bindparam("refused_event", type_=JSONB)
    )


_LISTED = """
    EXISTS (SELECT FROM do_not_call AS entry WHERE entry.workspace_id = :workspace AND entry.number = calls."to")
"""
_END_THESE = _end("id = ANY(CAST(:call_ids AS text[]))")
_END_WAITING_TO = _end('workspace_id = :workspace AND "to" = ANY(CAST(:numbers AS text[]))')
# So many in one statement: a hundred thousand would take longer than a statement may. In an array they are found once;
# as a subquery they might be looked for again and again, and be more.
_END_WAITING_LISTED = _end(f"""
    id = ANY(ARRAY(
        SELECT calls.id FROM calls JOIN numbers ON numbers.id = calls.number_id
        WHERE numbers.workspace_id = :workspace AND calls.state = 'queued' AND {_LISTED}
        LIMIT {AT_A_TIME} FOR NO KEY UPDATE OF calls
    ))
""")  # noqa: S608 - put together of constants
_END_EXPIRED = _end("""
    id = ANY(ARRAY(
        SELECT id FROM calls WHERE state = 'queued' AND expires_at <= clock_timestamp()
        ORDER BY expires_at LIMIT :at_most FOR NO KEY UPDATE SKIP LOCKED
    ))
""")
_END_WAITING_OF = _end("""
    id = ANY(ARRAY(
        SELECT id FROM calls
        WHERE number_id = :number AND state = 'queued' AND created_at <= CAST(:accepted_before AS timestamptz)
        ORDER BY due_at LIMIT :at_most FOR NO KEY UPDATE SKIP LOCKED
    ))
""")
_PUT_OFF = text("""
    UPDATE calls SET due_at = later.at
    FROM unnest(CAST(:call_ids AS text[]), CAST(:instants AS timestamptz[])) AS later (call_id, at)
    WHERE calls.id = later.call_id AND calls.state = 'queued'
""")
_HANG_UP_ON_THE_WAY = text(f"""
    UPDATE calls SET hang_up_requested_at = clock_timestamp()
    WHERE workspace_id = :workspace AND direction = 'outbound' AND state IN ('dialing', 'ringing')
        AND hang_up_requested_at IS NULL AND {_LISTED}
    RETURNING pg_notify('outdial_control', id)
""")  # noqa: S608 - put together of constants
