"""Idempotency keys: the same request stored once, however often it is sent."""

import hashlib
import json
from dataclasses import dataclass

from sqlalchemy import and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.request import OutboundRequest
from outdial.db.clearing import Clearing
from outdial.db.tables import calls, idempotency_keys
from outdial.refusals import Conflict
from outdial.telephony.state import CallState

# Never the key of a call that goes on: who asks again would have it dialled twice.
OLD_KEYS = Clearing(
    table=idempotency_keys,
    since=idempotency_keys.c.created_at,
    over=~select(calls.c.id)
    .where(calls.c.id == idempotency_keys.c.response["call_id"].astext, calls.c.state != CallState.ENDED)
    .exists(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The call is stored. `replayed`: it was stored by an earlier request with the same idempotency key."""

    call_id: str
    status: str
    replayed: bool = False


def fingerprint(number_id: str, request: OutboundRequest) -> bytes:
    """What a repeated request has to be the same in: its meaning, not its spelling (order of keys, spaces)."""
    body = request.model_dump(mode="json", exclude_unset=True)
    return hashlib.sha256(json.dumps([number_id, body], sort_keys=True).encode()).digest()


async def earlier_answer(
    conn: AsyncConnection, workspace_id: str, key: str, asked: bytes, *, within_s: float | None = None
) -> Accepted | None:
    """The answer this key got before. Holds the key until the end of the transaction, so that of requests that
    arrive together one goes on and the others are told so instead of waiting. What it got longer than `within_s` ago
    is forgotten."""
    lock = func.hashtextextended(f"idempotency {workspace_id} {key}", 0)
    held = await conn.scalar(select(func.pg_try_advisory_xact_lock(lock)))
    known = and_(idempotency_keys.c.workspace_id == workspace_id, idempotency_keys.c.key == key)
    if held and within_s is not None:
        # Not now(), the start of this transaction: who held the key before may have begun after it.
        early = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, within_s)
        await conn.execute(delete(idempotency_keys).where(known, idempotency_keys.c.created_at < early))
    # A second statement on purpose: its snapshot is taken after the lock, so it sees who held it before.
    query = select(idempotency_keys.c.request_hash, idempotency_keys.c.response).where(known)
    row = (await conn.execute(query)).one_or_none()
    if row is not None:
        if bytes(row.request_hash) != asked:
            raise Conflict("idempotency_conflict", "This Idempotency-Key was used before with another number or body.")
        return Accepted(**row.response, replayed=True)
    if not held:
        raise Conflict(
            "idempotency_in_progress", "A request with this Idempotency-Key is being handled; ask again shortly."
        )
    return None
