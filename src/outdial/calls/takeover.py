"""Calls of workers that have died, taken over by one that lives."""

import logging
from datetime import timedelta

from sqlalchemy import and_, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.advance import INTERRUPTED
from outdial.calls.workers import is_dead
from outdial.db.tables import attempts
from outdial.telephony.state import CallState, EndReason

logger = logging.getLogger(__name__)

INTERRUPTED_ENDING = {
    "end_reason": EndReason.FAILED,
    "error": INTERRUPTED.to_json(),
}


async def take_over(engine: AsyncEngine, new_owner: str, *, lease_s: float) -> bool:
    """Make the attempts of dead workers `new_owner`'s; whether there were any.

    Dead: the lease has expired and the worker's lock is free.
    """
    now = func.now()
    live = and_(attempts.c.state != CallState.ENDED, attempts.c.lease_until < now)
    took_over = False
    async with engine.begin() as conn:
        owners = select(attempts.c.owner).where(live, attempts.c.owner.not_in([new_owner])).distinct()
        for owner in (await conn.execute(owners)).scalars().all():
            if not await is_dead(conn, owner):
                continue
            taken = await conn.execute(
                update(attempts)
                .where(live, attempts.c.owner == owner)
                .values(
                    owner=new_owner,
                    lease_until=now + timedelta(seconds=lease_s),
                    check_at=now,
                    # Talking when its worker died: the conversation is lost.
                    ending=case(
                        (
                            and_(attempts.c.stream_opened_at.is_not(None), attempts.c.ending.is_(None)),
                            literal(INTERRUPTED_ENDING, JSONB),
                        ),
                        else_=attempts.c.ending,
                    ),
                    # Never accepted, as far as we know: perhaps it rings.
                    unknown_since=case(
                        (attempts.c.carrier_call_id.is_(None), func.coalesce(attempts.c.unknown_since, now)),
                        else_=attempts.c.unknown_since,
                    ),
                )
            )
            took_over = True
            logger.warning("Took over calls of a dead worker", extra={"worker": owner, "count": taken.rowcount})
    return took_over
