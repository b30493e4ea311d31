"""Conversations that were lost with their worker, on calls that ended before anybody knew: who hears nothing any more
hangs up, and the carrier says "completed". What it was is told by nobody then; that it was interrupted has to be.

Should the worker's disk come back with what the conversation brought, that tells how it ended (`calls/corrections.py`).
"""

import logging

from sqlalchemy import ColumnElement, and_, func, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.corrections import correct
from outdial.calls.records import lock_attempt
from outdial.calls.transfers import goes_on_elsewhere
from outdial.calls.workers import is_dead
from outdial.db.tables import attempts
from outdial.telephony.failures import INTERRUPTED
from outdial.telephony.state import CallState, Ending, EndReason

logger = logging.getLogger(__name__)


async def tell_lost(engine: AsyncEngine, *, at_most: int) -> None:
    """Calls whose conversation was under way at a worker that is dead, and that ended as if it had come to its end, are
    `interrupted`. A worker is dead as in `ownership.take_over`."""
    async with engine.begin() as conn:
        owners = (await conn.scalars(select(attempts.c.owner).where(_unheard_of()).distinct())).all()
    for owner in owners:
        async with engine.begin() as conn:
            if await is_dead(conn, owner) and (count := await _tell(conn, owner, at_most)):
                logger.warning("Conversations of a dead worker lost", extra={"worker": owner, "count": count})


async def _tell(conn: AsyncConnection, owner: str, at_most: int) -> int:
    told = 0
    query = select(attempts.c.id).where(_unheard_of(), attempts.c.owner == owner).order_by(attempts.c.id).limit(at_most)
    for attempt_id in (await conn.scalars(query)).all():
        held = await lock_attempt(conn, attempt_id)
        if held is None or held.attempt.result_at is not None or held.attempt.end_reason is not EndReason.COMPLETED:
            continue  # its result comes just now
        await correct(conn, held, Ending(end_reason=EndReason.FAILED, error=INTERRUPTED))
        told += 1
    return told


def _unheard_of() -> ColumnElement[bool]:
    """Of an attempt that is over: nobody has said how its conversation ended, and who held it has let its lease run
    out. Calls whose end is told without that are among them no more (`call_log.tell_overdue`)."""
    return and_(
        attempts.c.log_due_at.is_not(None),
        attempts.c.state == CallState.ENDED,
        attempts.c.end_reason == EndReason.COMPLETED,
        attempts.c.ending.is_(None),
        attempts.c.audio_started_at.is_not(None),
        attempts.c.result_at.is_(None),
        attempts.c.owner.is_not(None),
        attempts.c.lease_until < func.now(),
        not_(goes_on_elsewhere()),
    )
