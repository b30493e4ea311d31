"""What a waiting call waits for: a free line, a free seat, its turn in its account's pace, its time, or the end of a
pause. And its place among those that wait for the same, and when it is dialled, where that can be told.

However many wait, a place costs a look at MOST_AHEAD rows, those of a page of calls that wait for the same at twice as
many: of two calls the one that is due earlier has the smaller place, so they are told together.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Text, any_, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.calls.pace import SOON_S, accounts_in_turn
from outdial.db.tables import carrier_accounts, numbers, pools
from outdial.history.stored_call import StoredCall
from outdial.instants import to_json
from outdial.lines.pool import Pool, pool_of, reading_pool
from outdial.lines.seats import a_seat_is_free
from outdial.policy.pauses import is_paused
from outdial.telephony.state import CallState

MOST_AHEAD = 500
SOON = timedelta(seconds=SOON_S)


class WaitReason(StrEnum):
    """The first of these that holds."""

    PAUSE = "pause"  # dialling is paused for its number or its workspace
    TIME = "time"  # it is due later: not_before, another attempt, or put off
    LINE = "line"  # every line of the workspace is taken
    SEAT = "seat"  # no worker has room for one more conversation
    PACE = "pace"  # its carrier account dials others before it


class WaitingFor(TypedDict):
    """`position` counts from 1 among the calls that wait for the same, those that are due earlier before it; calls due
    at one instant have one place. Null with more than five hundred before it, and where it waits for its time alone.
    `expected_at`: when it is dialled, as far as that can be told (waiting for its time, or for its turn with lines free
    for everybody before it)."""

    reason: WaitReason
    position: int | None
    expected_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """Calls that wait for the same: of a workspace, of one of its accounts, or of a number. `also_paused`: those of
    numbers that are paused by themselves are among them."""

    workspace_id: str
    account_id: str | None = None
    number_id: str | None = None
    also_paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """Of a call that waits: whether it is paused by itself, and the pace of its account. `is_alone`: no other workspace
    dials by this account of the carrier."""

    account_id: str
    is_paused: bool
    is_alone: bool
    next_dial_at: datetime
    apart_s: float


async def waiting_for(
    conn: AsyncConnection, workspace_id: str, found: Sequence[StoredCall]
) -> Mapping[str, WaitingFor | None]:
    """By id, of calls of one workspace, those that wait. None: nothing keeps it, it is about to be dialled."""
    waiting = [call for call in found if call.state is CallState.QUEUED]
    if not waiting:
        return {}
    row = (await conn.execute(_SITUATION, {"workspace": workspace_id})).mappings().one()
    pool, all_paused, has_seat = pool_of(row), bool(row["is_paused"]), bool(row["a_seat_is_free"])
    known = await _numbers(conn, workspace_id, {call.number_id for call in waiting if call.number_id is not None})
    reasons = {
        call.id: _reason(call, known.get(call.number_id or ""), pool, all_paused, has_seat) for call in waiting
    }
    scopes: dict[_Scope, set[datetime]] = defaultdict(set)
    scope_of: dict[str, _Scope] = {}
    for call in waiting:
        number, reason = known.get(call.number_id or ""), reasons[call.id]
        if number is not None and reason is not WaitReason.TIME:
            scope = scope_of[call.id] = _scope(workspace_id, call, number, reason, all_paused)
            scopes[scope].add(call.due_at)
    places = {scope: await _places(conn, scope, instants) for scope, instants in scopes.items()}
    return {
        call.id: _told(
            call,
            reasons[call.id],
            places[scope_of[call.id]].get(call.due_at) if call.id in scope_of else None,
            known.get(call.number_id or ""),
            pool,
        )
        for call in waiting
    }


def _reason(
    call: StoredCall, number: _Number | None, pool: Pool, all_paused: bool, has_seat: bool
) -> WaitReason:
    if all_paused or (number is not None and number.is_paused):
        return WaitReason.PAUSE
    if call.due_at > pool.now:
        return WaitReason.TIME
    if pool.free_outbound == 0:
        return WaitReason.LINE
    return WaitReason.PACE if has_seat else WaitReason.SEAT


def _scope(workspace_id: str, call: StoredCall, number: _Number, reason: WaitReason, all_paused: bool) -> _Scope:
    match reason:
        case WaitReason.PAUSE if not all_paused:
            return _Scope(workspace_id=workspace_id, number_id=call.number_id, also_paused=True)
        case WaitReason.PACE:
            return _Scope(workspace_id=workspace_id, account_id=number.account_id)
    return _Scope(workspace_id=workspace_id, also_paused=reason is WaitReason.PAUSE)


def _told(
    call: StoredCall, reason: WaitReason, position: int | None, number: _Number | None, pool: Pool
) -> WaitingFor | None:
    expected_at: datetime | None = None
    match reason:
        case WaitReason.TIME:
            expected_at = call.due_at
        case WaitReason.PACE if number is not None and position is not None:
            if position == 1 and number.next_dial_at <= pool.now + SOON:
                return None
            if number.is_alone and position <= pool.free_outbound:
                turn = max(number.next_dial_at, pool.now)
                expected_at = turn + timedelta(seconds=(position - 1) * number.apart_s)
    return WaitingFor(reason=reason, position=position, expected_at=to_json(expected_at))


async def _numbers(conn: AsyncConnection, workspace_id: str, number_ids: Iterable[str]) -> dict[str, _Number]:
    values = {"workspace": workspace_id, "accounts": [], "numbers": list(number_ids)}
    return {
        row.id: _Number(
            account_id=row.carrier_account_id,
            is_paused=row.is_paused,
            is_alone=row.is_alone,
            next_dial_at=row.next_dial_at,
            apart_s=row.apart_s,
        )
        for row in await conn.execute(_NUMBERS, values)
    }


async def _places(conn: AsyncConnection, scope: _Scope, instants: Iterable[datetime]) -> Mapping[datetime, int]:
    """The place of a call that is due then, by its instant, of those with no more than MOST_AHEAD before them."""
    due = sorted(instants)
    values = {
        "workspace": scope.workspace_id,
        "account": scope.account_id,
        "number": scope.number_id,
        "also_paused": scope.also_paused,
        "instants": due,
    }
    ahead = (await conn.execute(_AHEAD, values)).scalars()
    return {at: before + 1 for at, before in zip(due, ahead, strict=False) if before <= MOST_AHEAD}


_SITUATION = reading_pool(
    is_paused(pools.c.workspace_id).label("is_paused"), a_seat_is_free().label("a_seat_is_free")
)
_account, _same = accounts_in_turn(), carrier_accounts.alias("same_account")
_is_shared = (
    select(_same.c.id)
    .where(
        _same.c.account_ref == carrier_accounts.c.account_ref,
        _same.c.carrier == carrier_accounts.c.carrier,
        _same.c.id != carrier_accounts.c.id,
    )
    .exists()
)
_NUMBERS = (
    select(
        numbers.c.id,
        numbers.c.carrier_account_id,
        is_paused(numbers.c.id).label("is_paused"),
        (~_is_shared).label("is_alone"),
        func.coalesce(_account.c.next_dial_at, func.clock_timestamp()).label("next_dial_at"),
        _account.c.apart_s,
    )
    .join(carrier_accounts, carrier_accounts.c.id == numbers.c.carrier_account_id)
    .join(_account, _account.c.id == numbers.c.carrier_account_id)
    .where(numbers.c.id == any_(bindparam("numbers", type_=ARRAY(Text))))
)
# How many calls come before each of some instants, given in their order: step by step, what lies between one and the
# next is added, until they are too many. So no more than twice as many rows are read as are told. Along the index of
# what waits, number by number; the limits are written out, so that the plan is made for them.
_AHEAD = text(f"""
    WITH RECURSIVE given AS (
        SELECT array_prepend('-infinity'::timestamptz, CAST(:instants AS timestamptz[])) AS due
    ), step AS (
        SELECT 1 AS at, 0::bigint AS ahead
        UNION ALL
        SELECT at + 1, ahead + (
            SELECT count(*) FROM (
                SELECT FROM numbers, LATERAL (
                    SELECT FROM calls
                    WHERE number_id = numbers.id AND state = 'queued'
                        AND due_at >= given.due[at] AND due_at < given.due[at + 1]
                    ORDER BY due_at LIMIT {MOST_AHEAD + 1}
                ) AS waiting
                WHERE numbers.workspace_id = :workspace
                    AND (CAST(:account AS text) IS NULL OR numbers.carrier_account_id = :account)
                    AND (CAST(:number AS text) IS NULL OR numbers.id = :number)
                    AND (:also_paused OR NOT EXISTS (SELECT FROM pauses WHERE subject_id = numbers.id))
                LIMIT {MOST_AHEAD + 1}
            ) AS between_them
        )
        FROM step, given WHERE at < cardinality(given.due) AND ahead <= {MOST_AHEAD}
    )
    SELECT ahead FROM step WHERE at > 1 ORDER BY at
""")  # noqa: S608 - put together of constants
