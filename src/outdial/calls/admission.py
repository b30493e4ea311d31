"""Who may dial now: lines, pace and order, decided in one transaction that also writes the intent to dial.

The pool is a counter row, locked first and changed with the calls: counting calls without a lock admits too many.
The attempt is committed before a carrier hears of it, so a death leaves a trace and never a second dial.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.feed import add_event
from outdial.calls.state import CallState, EndReason
from outdial.db.tables import attempts, calls, carrier_accounts, numbers, pools
from outdial.ids import new_id, new_secret

BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A call whose line is taken and whose attempt is on record: it must be dialled now, once."""

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
    detection: dict[str, Any] | None
    agent_id: str
    agent_version: int
    stream_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """`next_look_at`: when something more may become due in this workspace (None: only at a notification)."""

    claims: list[Claim]
    next_look_at: datetime | None


async def claim_due_calls(
    engine: AsyncEngine, workspace_id: str, *, owner: str, lease_s: float, batch: int = BATCH
) -> Admitted:
    """Take lines for the due calls of a workspace, in order, as far as lines and carrier pace allow."""
    async with engine.begin() as conn:
        free = await _free_outbound_lines(conn, workspace_id)
        if free <= 0:
            return Admitted(claims=[], next_look_at=None)  # a released line notifies
        now = datetime.now(UTC)
        due = await _due_calls(conn, workspace_id, min(batch, free), now)
        claims, paced_until = [], None
        for call in due:
            if call.expires_at is not None and call.expires_at <= now:
                await expire_call(conn, call.id, now)
                continue
            wait_until = await _take_pace(conn, call.carrier_account_id, now)
            if wait_until is not None:
                paced_until = min(paced_until or wait_until, wait_until)
                continue
            claims.append(await _write_intent(conn, call, owner, now + timedelta(seconds=lease_s)))
        if claims:
            await conn.execute(
                update(pools)
                .where(pools.c.workspace_id == workspace_id)
                .values(used_outbound=pools.c.used_outbound + len(claims))
            )
        if len(due) == batch:
            return Admitted(claims=claims, next_look_at=paced_until or now)
        return Admitted(claims=claims, next_look_at=_earliest(paced_until, await _next_due(conn, workspace_id, now)))


async def workspaces_with_queued_calls(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as conn:
        query = select(calls.c.workspace_id).where(calls.c.state == CallState.QUEUED).distinct()
        return list((await conn.execute(query)).scalars())


async def expire_call(conn: AsyncConnection, call_id: str, now: datetime) -> None:
    """End a queued call whose time to give up has come."""
    ended = await conn.execute(
        update(calls)
        .where(calls.c.id == call_id, calls.c.state == CallState.QUEUED)
        .values(state=CallState.ENDED, end_reason=EndReason.EXPIRED, ended_at=now)
    )
    if ended.rowcount:
        await add_event(conn, call_id, "state", {"state": CallState.ENDED, "end_reason": EndReason.EXPIRED})


def stream_token_hash(token: str) -> bytes:
    """Stream tokens are stored hashed, like API keys: reading the database doesn't open a media socket."""
    return hashlib.sha256(token.encode()).digest()


async def _free_outbound_lines(conn: AsyncConnection, workspace_id: str) -> int:
    """Locks the pool row for the rest of the transaction."""
    query = select(pools).where(pools.c.workspace_id == workspace_id).with_for_update()
    pool = (await conn.execute(query)).one_or_none()
    if pool is None:
        return 0
    unused = pool.lines - pool.used_outbound - pool.used_inbound
    return int(min(unused, pool.lines - pool.reserved_inbound - pool.used_outbound))


async def _due_calls(conn: AsyncConnection, workspace_id: str, limit: int, now: datetime) -> list[Row[Any]]:
    query = (
        select(calls, numbers.c.carrier_account_id, carrier_accounts.c.carrier)
        .join(numbers, numbers.c.id == calls.c.number_id)
        .join(carrier_accounts, carrier_accounts.c.id == numbers.c.carrier_account_id)
        .where(
            calls.c.workspace_id == workspace_id, calls.c.state == CallState.QUEUED, calls.c.due_at <= now
        )
        .order_by(calls.c.priority.desc(), calls.c.due_at, calls.c.id)
        .limit(limit)
        .with_for_update(of=calls, skip_locked=True)
    )
    return list((await conn.execute(query)).all())


async def _take_pace(conn: AsyncConnection, account_id: str, now: datetime) -> datetime | None:
    """Use the account's next dialling slot (calls per second); if it isn't there yet, return when it is."""
    account = carrier_accounts.c
    slot = func.greatest(account.next_dial_at, now) + literal_column("interval '1 second'") / account.calls_per_second
    taken = await conn.execute(
        update(carrier_accounts)
        .where(account.id == account_id, account.next_dial_at <= now)
        .values(next_dial_at=slot)
    )
    if taken.rowcount:
        return None
    free_at: datetime | None = (
        await conn.execute(select(account.next_dial_at).where(account.id == account_id))
    ).scalar_one_or_none()
    return free_at


async def _write_intent(conn: AsyncConnection, call: Row[Any], owner: str, lease_until: datetime) -> Claim:
    attempt_id, token = new_id("att"), new_secret()
    last = select(func.coalesce(func.max(attempts.c.number), 0) + 1).where(attempts.c.call_id == call.id)
    number = (
        await conn.execute(
            insert(attempts)
            .values(
                id=attempt_id,
                call_id=call.id,
                number=last.scalar_subquery(),
                carrier=call.carrier,
                carrier_account_id=call.carrier_account_id,
                state=CallState.DIALING,
                stream_token_hash=stream_token_hash(token),
                owner=owner,
                lease_until=lease_until,
                check_at=lease_until,
            )
            .returning(attempts.c.number)
        )
    ).scalar_one()
    await conn.execute(
        update(calls).where(calls.c.id == call.id).values(state=CallState.DIALING, holds_line=True)
    )
    await add_event(conn, call.id, "state", {"state": CallState.DIALING, "attempt": number})
    return Claim(
        attempt_id=attempt_id,
        attempt_number=number,
        call_id=call.id,
        workspace_id=call.workspace_id,
        carrier=call.carrier,
        carrier_account_id=call.carrier_account_id,
        to=call.to,
        from_=call.from_,
        ring_timeout_s=call.ring_timeout_s,
        max_duration_s=call.max_duration_s,
        detection=call.detection,
        agent_id=call.agent_id,
        agent_version=call.agent_version,
        stream_token=token,
    )


async def _next_due(conn: AsyncConnection, workspace_id: str, now: datetime) -> datetime | None:
    query = select(func.min(calls.c.due_at)).where(
        calls.c.workspace_id == workspace_id, calls.c.state == CallState.QUEUED, calls.c.due_at > now
    )
    due_at: datetime | None = (await conn.execute(query)).scalar_one()
    return due_at


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)
