"""When an attempt is looked at next: every sign of life moves that instant on, so what is due has been silent."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.records import Held, held, with_call
from outdial.db.engine import autocommit, reading
from outdial.db.tables import attempts, calls
from outdial.telephony.state import CallState

LONGEST_CALL = timedelta(days=1)  # and some time more: carriers' logs tell of a call after its end, too


async def take_due(engine: AsyncEngine, *, put_off_s: float, at_most: int) -> list[Held]:
    """Live attempts that are due for a look. Each is put off for the next sweeper."""
    now = datetime.now(UTC)
    query = (
        with_call()
        .where(attempts.c.state != CallState.ENDED, attempts.c.check_at <= now)
        .order_by(attempts.c.check_at)
        .limit(at_most)
        .with_for_update(of=attempts, skip_locked=True)
    )
    async with engine.begin() as conn:
        due = await held(conn, query)
        if due:
            ids = [each.attempt.id for each in due]
            put_off = now + timedelta(seconds=put_off_s)
            await conn.execute(update(attempts).where(attempts.c.id.in_(ids)).values(check_at=put_off))
    return due


async def hurry(engine: AsyncEngine, call_ids: Collection[str]) -> None:
    """Have those of these calls that are to be hung up looked at now, where no conversation does it."""
    asked = select(calls.c.id).where(calls.c.id.in_(call_ids), calls.c.hang_up_requested_at.is_not(None))
    async with autocommit(engine) as conn:
        await conn.execute(
            update(attempts)
            .where(
                attempts.c.call_id.in_(asked),
                attempts.c.state != CallState.ENDED,
                or_(attempts.c.stream_opened_at.is_(None), attempts.c.owner.is_(None)),
            )
            .values(check_at=datetime.now(UTC))
        )


async def look_again(engine: AsyncEngine, attempt_id: str, *, in_s: float) -> None:
    """Look at a live attempt in so many seconds, or earlier if that was the plan."""
    soon = datetime.now(UTC) + timedelta(seconds=in_s)
    async with autocommit(engine) as conn:
        await conn.execute(
            update(attempts)
            .where(attempts.c.id == attempt_id, attempts.c.state != CallState.ENDED)
            .values(check_at=func.least(attempts.c.check_at, soon))
        )


async def claimed_by_others(
    engine: AsyncEngine, looking: Held, carrier_call_ids: Sequence[str]
) -> tuple[set[str], bool]:
    """Of a carrier's calls that could be the dial of `looking`: the ids and refs other attempts have, and whether
    another attempt with the same numbers may be looking for its own."""
    attempt, call = looking.attempt, looking.call
    known = attempts.c.carrier_call_id
    maybe_ours = or_(
        and_(known.is_(None), attempts.c.state != CallState.ENDED),
        and_(known.is_not(None), attempts.c.created_at > attempt.created_at - LONGEST_CALL),
    )
    query = (
        select(known, attempts.c.carrier_refs)
        .join(calls, calls.c.id == attempts.c.call_id)
        .where(
            attempts.c.carrier == attempt.carrier,
            attempts.c.id != attempt.id,
            or_(
                known.in_(carrier_call_ids),
                and_(calls.c.to == call.to, calls.c.from_ == call.from_, maybe_ours),
            ),
        )
    )
    async with reading(engine) as conn:
        theirs = (await conn.execute(query)).all()
    names = {name for each in theirs for name in (each.carrier_call_id, *each.carrier_refs.values())}
    return names - {None}, any(each.carrier_call_id is None for each in theirs)
