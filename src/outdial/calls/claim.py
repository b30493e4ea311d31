"""Who may dial now: lines, pace and order, decided in one transaction that also writes the intent to dial.

The pool is a counter row, locked first and changed with the calls: counting calls without a lock admits too many.
The attempt is committed before a carrier hears of it, so a death leaves a trace and never a second dial.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.hang_up import expire
from outdial.calls.records import CALL_COLUMNS, CallRecord, DetectionWanted
from outdial.db.engine import reading
from outdial.db.tables import attempts, calls, carrier_accounts, numbers, pools
from outdial.ids import new_id, new_secret
from outdial.lines.pool import TAKE_OUTBOUND, Pool, locked_pool, pool_of
from outdial.telephony.state import CallState

BATCH = 50
AHEAD = timedelta(milliseconds=50)  # of its pace an account may dial, so that a fast one is claimed for in batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A call whose line is taken and whose attempt is on record: it must be dialled now, once.

    After `dial_before` (Unix time) it must not be dialled any more: its worker may have been taken for dead.
    """

    attempt_id: str
    attempt_number: int
    call_id: str
    workspace_id: str
    carrier: str
    carrier_account_id: str
    to: str
    from_: str
    ring_timeout_s: int
    max_duration_s: int
    detection: DetectionWanted | None
    agent_id: str | None
    agent_version: int | None
    stream_token: str
    dial_before: float
    deferrals: int = 0  # dials of the call that never left us, in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """`look_again_in_s`: when something more may become due in this workspace (None: only at a notification)."""

    claims: list[Claim]
    look_again_in_s: float | None


async def claim_due_calls(
    engine: AsyncEngine, workspace_id: str, *, owner: str, lease_s: float, batch: int = BATCH
) -> Claimed:
    """Take lines for the due calls of a workspace, in order, as far as lines and carrier pace allow.

    The database's clock decides what is due: pace holds between hosts whose clocks differ.
    """
    dial_before = time.time() + lease_s
    async with engine.begin() as conn:
        pool, an_account_may_dial = await _lock_pool(conn, workspace_id)
        free = 0 if pool is None else pool.free_outbound
        if pool is None or free == 0:
            return Claimed(claims=[], look_again_in_s=None)  # a released line notifies
        now, limit = pool.now, min(batch, free)
        # With a long queue and a slow carrier, looking for what can't be dialled yet would be most of the work.
        due = await _due_calls(conn, workspace_id, limit, now) if an_account_may_dial else []
        claims: list[Claim] = []
        next_dial_at: dict[str, datetime] = {}  # by carrier account; no entry: now
        for each in due:
            if each.call.expires_at is not None and each.call.expires_at <= now:
                await expire(conn, each.call, now)
            elif (slot := next_dial_at.get(each.carrier_account_id, now)) < now + AHEAD:
                next_dial_at[each.carrier_account_id] = slot + timedelta(seconds=1 / each.calls_per_second)
                claims.append(_claim(each, dial_before))
        if claims:
            await _write_intent(conn, claims, next_dial_at, owner, now + timedelta(seconds=lease_s))
        if len(claims) == free:
            return Claimed(claims=claims, look_again_in_s=None)
        if len(due) == limit:
            return Claimed(claims=claims, look_again_in_s=0.0)
        look_at = await _next_look(conn, workspace_id, now)
    return Claimed(claims=claims, look_again_in_s=None if look_at is None else (look_at - now).total_seconds())


async def workspaces_with_queued_calls(engine: AsyncEngine) -> list[str]:
    queued = select(calls.c.id).where(
        calls.c.workspace_id == pools.c.workspace_id, calls.c.state == CallState.QUEUED
    )
    async with reading(engine) as conn:
        return list((await conn.execute(select(pools.c.workspace_id).where(queued.exists()))).scalars())


def stream_token_hash(token: str) -> bytes:
    """Stream tokens are stored hashed, like API keys: reading the database doesn't open a media socket."""
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A call that may be dialled now, and the account it goes out by."""

    call: CallRecord
    last_attempt: int
    carrier: str
    carrier_account_id: str
    calls_per_second: float


async def _lock_pool(conn: AsyncConnection, workspace_id: str) -> tuple[Pool | None, bool]:
    """The pool, locked for the rest of the transaction, and whether any account's pace lets it dial."""
    row = (await conn.execute(_POOL, {"workspace": workspace_id})).mappings().one_or_none()
    return (None, False) if row is None else (pool_of(row), row["an_account_may_dial"])


async def _due_calls(conn: AsyncConnection, workspace_id: str, limit: int, now: datetime) -> list[_Due]:
    """Due calls of accounts that may dial now: those of a slow account don't keep others waiting."""
    rows = (await conn.execute(_DUE, {"workspace": workspace_id, "now": now, "limit": limit})).mappings()
    account = carrier_accounts.c
    return [
        _Due(
            call=CallRecord.of(row),
            last_attempt=row["last_attempt"],
            carrier=row[account.carrier],
            carrier_account_id=row["carrier_account_id"],
            calls_per_second=row[account.calls_per_second],
        )
        for row in rows
    ]


def _claim(due: _Due, dial_before: float) -> Claim:
    call = due.call
    return Claim(
        attempt_id=new_id("att"),
        attempt_number=due.last_attempt + 1,
        call_id=call.id,
        workspace_id=call.workspace_id,
        carrier=due.carrier,
        carrier_account_id=due.carrier_account_id,
        to=call.to,
        from_=call.from_,
        ring_timeout_s=call.ring_timeout_s,
        max_duration_s=call.max_duration_s,
        detection=call.detection,
        agent_id=call.agent_id,
        agent_version=call.agent_version,
        stream_token=new_secret(),
        dial_before=dial_before,
        deferrals=call.deferrals,
    )


async def _write_intent(
    conn: AsyncConnection,
    claims: Sequence[Claim],
    next_dial_at: Mapping[str, datetime],
    owner: str,
    lease_until: datetime,
) -> None:
    """Attempts, calls, lines, pace and events in one statement: one round trip, however many claims."""
    values = {
        "workspace": claims[0].workspace_id,
        "lines_taken": len(claims),
        "owner": owner,
        "lease_until": lease_until,
        "attempt_ids": [claim.attempt_id for claim in claims],
        "call_ids": [claim.call_id for claim in claims],
        "attempt_numbers": [claim.attempt_number for claim in claims],
        "carriers": [claim.carrier for claim in claims],
        "account_ids": [claim.carrier_account_id for claim in claims],
        "token_hashes": [stream_token_hash(claim.stream_token) for claim in claims],
        "slot_accounts": list(next_dial_at.keys()),
        "slots": list(next_dial_at.values()),
    }
    await conn.execute(_INTENT, values)


async def _next_look(conn: AsyncConnection, workspace_id: str, now: datetime) -> datetime | None:
    """When the next call is due, or a carrier account that has just dialled may dial again."""
    look_at: datetime | None = (await conn.execute(_NEXT_LOOK, {"workspace": workspace_id, "now": now})).scalar_one()
    return look_at


# -- statements, built once: building them takes longer than running them --------------------------------------


def _pool() -> Select[Any]:
    ready = select(carrier_accounts.c.id).where(
        carrier_accounts.c.workspace_id == pools.c.workspace_id,
        carrier_accounts.c.next_dial_at <= func.clock_timestamp(),
    )
    return locked_pool(ready.exists().label("an_account_may_dial"))


def _due() -> Select[Any]:
    account = carrier_accounts.c
    last = select(func.coalesce(func.max(attempts.c.number), 0)).where(attempts.c.call_id == calls.c.id)
    return (
        select(
            *CALL_COLUMNS,
            last.scalar_subquery().label("last_attempt"),
            account.id.label("carrier_account_id"),
            account.carrier,
            account.calls_per_second,
        )
        .join(numbers, numbers.c.id == calls.c.number_id)  # it can't be removed while calls of it wait
        .join(carrier_accounts, account.id == numbers.c.carrier_account_id)
        .where(
            calls.c.workspace_id == bindparam("workspace"),
            calls.c.state == literal_column("'queued'"),  # written out: the index on due calls is a partial one
            calls.c.due_at <= bindparam("now"),
            account.next_dial_at <= bindparam("now"),
        )
        .order_by(calls.c.due_at, calls.c.id)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(of=calls, key_share=True, skip_locked=True)
    )


def _next() -> Select[Any]:
    due_at = select(func.min(calls.c.due_at)).where(
        calls.c.workspace_id == bindparam("workspace"),
        calls.c.state == literal_column("'queued'"),
        calls.c.due_at > bindparam("now"),
    )
    dial_at = select(func.min(carrier_accounts.c.next_dial_at)).where(
        carrier_accounts.c.workspace_id == bindparam("workspace"), carrier_accounts.c.next_dial_at > bindparam("now")
    )
    return select(func.least(due_at.scalar_subquery(), dial_at.scalar_subquery()))


_POOL, _DUE, _NEXT_LOOK = _pool(), _due(), _next()

# The claims come as arrays, so that the statement is the same for any number of them.
_INTENT = text(f"""
    WITH claimed AS (
        SELECT * FROM unnest(
            CAST(:attempt_ids AS text[]), CAST(:call_ids AS text[]), CAST(:attempt_numbers AS integer[]),
            CAST(:carriers AS text[]), CAST(:account_ids AS text[]), CAST(:token_hashes AS bytea[])
        ) AS claimed (attempt_id, call_id, attempt_number, carrier, account_id, token_hash)
    ), intent AS (
        INSERT INTO attempts (
            id, call_id, number, carrier, carrier_account_id, state, stream_token_hash, owner, lease_until, check_at
        )
        SELECT attempt_id, call_id, attempt_number, carrier, account_id, 'dialing', token_hash,
            :owner, CAST(:lease_until AS timestamptz), CAST(:lease_until AS timestamptz)
        FROM claimed
    ), dialing AS (
        UPDATE calls SET state = 'dialing', holds_line = true FROM claimed WHERE calls.id = claimed.call_id
    ), lines AS (
        {TAKE_OUTBOUND}
    ), pace AS (
        UPDATE carrier_accounts SET next_dial_at = slots.at
        FROM unnest(CAST(:slot_accounts AS text[]), CAST(:slots AS timestamptz[])) AS slots (account_id, at)
        WHERE carrier_accounts.id = slots.account_id
    )
    INSERT INTO call_events (call_id, type, data)
    SELECT call_id, 'state', jsonb_build_object('state', 'dialing', 'attempt', attempt_number) FROM claimed
    RETURNING pg_notify('outdial_call', call_id)
""")  # noqa: S608 - put together of constants
