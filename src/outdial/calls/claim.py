"""Who may dial now: lines, pace and order, decided in one transaction that also writes the intent to dial.

The pool is a counter row, locked first and changed with the calls: counting calls without a lock admits too many.
The attempt is committed before a carrier hears of it, so a death leaves a trace and never a second dial.

The gate (`policy/gate.py`) is asked again here, about each call: nobody is dialled by a claim that ends after the
number came onto the do-not-call list (`policy/do_not_call.py` says how the two keep out of each other's way).
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg.errors import LockNotAvailable
from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.due import Due, due_calls, next_look
from outdial.calls.hang_up import expire
from outdial.calls.records import DetectionWanted
from outdial.calls.refused import end_refused, put_off
from outdial.db.engine import reading
from outdial.db.tables import calls, carrier_accounts, pools
from outdial.ids import new_id, new_secret
from outdial.lines.pool import TAKE_OUTBOUND, Pool, locked_pool, pool_of
from outdial.policy.do_not_call import await_additions, list_at_rest
from outdial.policy.gate import Gate, Never, NotBefore, Rule, decide
from outdial.telephony.state import CallState

BATCH = 50
LOOK_AT_MOST = 1000  # calls in one claim, where the gate holds them back,
FURTHER = 500        # and of these at a time where a batch was held back whole
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
    was_put_off: bool = False  # dials of the call before this one were never sent, put off or never placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """`look_again_in_s`: when something more may become due in this workspace (None: only at a notification)."""

    claims: list[Claim]
    look_again_in_s: float | None


# Somebody keeps adding to the do-not-call list; nothing was looked at.
LIST_BUSY = Claimed(claims=[], look_again_in_s=0.1)


async def claim_due_calls(
    engine: AsyncEngine,
    workspace_id: str,
    *,
    owner: str,
    lease_s: float,
    batch: int = BATCH,
    gate: Gate = decide,
) -> Claimed:
    """Take lines for the due calls of a workspace, in order, as far as lines and carrier pace allow.

    The database's clock decides what is due: pace holds between hosts whose clocks differ. Calls that the gate holds
    back take no line and no place of others: further ones are looked at instead, LOOK_AT_MOST in one claim.
    """
    picking = _Picking(dial_before=time.time() + lease_s, lease_s=lease_s, owner=owner, batch=batch, gate=gate)
    async with engine.begin() as conn:
        claimed = await _claim_in(conn, workspace_id, picking)
    if claimed is not None:
        return claimed
    try:
        async with engine.begin() as conn:
            await await_additions(conn, workspace_id)
            return await _claim_in(conn, workspace_id, picking) or LIST_BUSY
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            return LIST_BUSY
        raise


async def workspaces_with_queued_calls(engine: AsyncEngine) -> list[str]:
    queued = select(calls.c.id).where(
        calls.c.workspace_id == pools.c.workspace_id, calls.c.state == CallState.QUEUED
    )
    async with reading(engine) as conn:
        return list((await conn.execute(select(pools.c.workspace_id).where(queued.exists()))).scalars())


def stream_token_hash(token: str) -> bytes:
    """Stream tokens are stored hashed, like API keys: reading the database doesn't open a media socket."""
    return hashlib.sha256(token.encode()).digest()


@dataclass(slots=True, kw_only=True)
class _Picking:
    """A claim on its way through the queue."""

    owner: str
    lease_s: float
    dial_before: float
    batch: int
    gate: Gate
    claims: list[Claim] = field(default_factory=list)
    next_dial_at: dict[str, datetime] = field(default_factory=dict)  # by carrier account; no entry: now

    async def pick(self, conn: AsyncConnection, due: Sequence[Due], limit: int, now: datetime) -> bool:
        """Go through calls that are due until there are `limit` claims; whether the gate held some of them back."""
        refused: dict[Rule, list[str]] = {}
        later: dict[str, datetime] = {}
        for each in due:
            if len(self.claims) == limit:
                break
            if each.call.expires_at is not None and each.call.expires_at <= now:
                await expire(conn, each.call, now)
                continue
            match self.gate(each.facts):
                case Never(rule=rule):
                    refused.setdefault(rule, []).append(each.call.id)
                case NotBefore(at=at) if at > now:
                    later[each.call.id] = at
                case _:
                    self._take(each, now)
        for rule, call_ids in refused.items():
            await end_refused(conn, call_ids, rule)
        if later:
            await put_off(conn, later)
        return bool(refused or later)

    def _take(self, due: Due, now: datetime) -> None:
        slot = self.next_dial_at.get(due.carrier_account_id, now)
        if slot < now + AHEAD:
            self.next_dial_at[due.carrier_account_id] = slot + timedelta(seconds=1 / due.calls_per_second)
            self.claims.append(_claim(due, self.dial_before))


async def _claim_in(conn: AsyncConnection, workspace_id: str, picking: _Picking) -> Claimed | None:
    """The claim within its transaction; None where somebody is adding to the do-not-call list."""
    pool, an_account_may_dial, list_at_rest = await _lock_pool(conn, workspace_id)
    free = 0 if pool is None else pool.free_outbound
    if pool is None or free == 0:
        return Claimed(claims=[], look_again_in_s=None)  # a released line notifies
    if not list_at_rest:
        return None
    now, limit = pool.now, min(picking.batch, free)
    # With a long queue and a slow carrier, looking for what can't be dialled yet would be most of the work.
    due = await due_calls(conn, workspace_id, limit, now) if an_account_may_dial else []
    there_is_more = len(due) == limit
    looked_at, held_back = len(due), await picking.pick(conn, due, limit, now)
    while held_back and there_is_more and len(picking.claims) < limit and looked_at < LOOK_AT_MOST:
        size = limit - len(picking.claims) if picking.claims else FURTHER
        due = await due_calls(conn, workspace_id, size, now, after=due[-1])
        there_is_more = len(due) == size
        looked_at, held_back = looked_at + len(due), await picking.pick(conn, due, limit, now)
    claims = picking.claims
    if claims:
        lease_until = now + timedelta(seconds=picking.lease_s)
        await _write_intent(conn, claims, picking.next_dial_at, picking.owner, lease_until)
    if len(claims) == free:
        return Claimed(claims=claims, look_again_in_s=None)
    if there_is_more:
        return Claimed(claims=claims, look_again_in_s=0.0)
    look_at = await next_look(conn, workspace_id, now)
    return Claimed(claims=claims, look_again_in_s=None if look_at is None else (look_at - now).total_seconds())


async def _lock_pool(conn: AsyncConnection, workspace_id: str) -> tuple[Pool | None, bool, bool]:
    """The pool, locked for the rest of the transaction, whether any account's pace lets it dial, and whether the
    do-not-call list is at rest, which it is then for the rest of the transaction, too."""
    row = (await conn.execute(_POOL, {"workspace": workspace_id})).mappings().one_or_none()
    return (None, False, True) if row is None else (pool_of(row), row["an_account_may_dial"], row["list_at_rest"])


def _claim(due: Due, dial_before: float) -> Claim:
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
        was_put_off=(call.deferrals, call.never_placed, call.throttled_since) != (0, 0, None),
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


# -- statements, built once: building them takes longer than running them --------------------------------------


def _pool() -> Select[Any]:
    ready = select(carrier_accounts.c.id).where(
        carrier_accounts.c.workspace_id == pools.c.workspace_id,
        carrier_accounts.c.next_dial_at <= func.clock_timestamp(),
    )
    return locked_pool(
        ready.exists().label("an_account_may_dial"), list_at_rest(pools.c.workspace_id).label("list_at_rest")
    )


_POOL = _pool()

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
