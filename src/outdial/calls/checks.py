"""What carriers are asked next about an attempt, and when: how it is, and that they end it.

Every sign of life moves the next look-up on (`check_at`) and forgets the ones before (`look_ups`), so what is due has
been silent; look-ups that bring nothing come later and later. A wanted end has an instant of its own (`hang_up_at`),
which no look-up and no sign of life moves.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import DateTime, Select, and_, cast, func, literal_column, or_, select, true, union_all, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.calls.advance import ask_for_no_end
from outdial.calls.records import Held, held, with_call
from outdial.db.engine import autocommit, reading
from outdial.db.tables import attempts, calls
from outdial.repeating import Pauses
from outdial.telephony.state import CallState

LONGEST_CALL = timedelta(days=1)  # and some time more: carriers' logs tell of a call after its end, too


async def take_due(engine: AsyncEngine, *, put_off_s: float, pauses: Pauses, at_most: int) -> list[Held]:
    """Live attempts that are due for a look. Each is put off for the next sweeper, by `put_off_s` or longer as they
    have brought nothing; `look_ups` counts this one."""
    now = clock.now()
    query = (
        with_call()
        .where(attempts.c.state != CallState.ENDED, attempts.c.check_at <= now)
        .order_by(attempts.c.check_at)
        .limit(at_most)
        .with_for_update(of=attempts, skip_locked=True)
    )
    pause_s = func.least(pauses.longest_s, pauses.first_s * func.power(2, func.least(attempts.c.look_ups, 20)))
    put_off = func.make_interval(0, 0, 0, 0, 0, 0, func.greatest(put_off_s, pause_s))
    async with engine.begin() as conn:
        due = await held(conn, query)
        if due:
            ids = [each.attempt.id for each in due]
            looked_at = {"check_at": now + put_off, "look_ups": attempts.c.look_ups + 1}
            await conn.execute(update(attempts).where(attempts.c.id.in_(ids)).values(looked_at))
    return [replace(each, attempt=replace(each.attempt, look_ups=each.attempt.look_ups + 1)) for each in due]


async def hurry(engine: AsyncEngine, call_ids: Collection[str]) -> bool:
    """Have those of these calls looked for now that are to be hung up and whose carrier has given no id for it; whether
    there are any."""
    if not any(call_ids):
        return False
    asked = select(calls.c.id).where(calls.c.id.in_(call_ids), calls.c.hang_up_requested_at.is_not(None))
    unknown = update(attempts).where(
        attempts.c.call_id.in_(asked), attempts.c.state != CallState.ENDED, attempts.c.unknown_since.is_not(None)
    )
    async with autocommit(engine) as conn:
        return bool((await conn.execute(unknown.values(check_at=clock.now()))).rowcount)


async def look_again(engine: AsyncEngine, attempt_id: str, *, after: int, in_s: float) -> None:
    """Look at a live attempt in so many seconds, unless there was a sign of life since look-up number `after`."""
    async with autocommit(engine) as conn:
        await conn.execute(
            update(attempts)
            .where(
                attempts.c.id == attempt_id, attempts.c.state != CallState.ENDED, attempts.c.look_ups == after
            )
            .values(check_at=clock.now() + timedelta(seconds=in_s))
        )


# -- ends that are wanted --------------------------------------------------------------------------------------


async def take_hang_ups(
    engine: AsyncEngine, *, put_off_s: float, at_most: int, call_ids: Collection[str] | None = None
) -> list[Held]:
    """Attempts that their carrier is to be asked to end now, of these calls or of all. Each is put off for whoever
    else asks; `hang_ups` counts this one.

    Not while a conversation is about to do it, or somebody is being told a last sentence (a user's hang-up waits for
    none). Attempts that ended without their carrier's word are among them.
    """
    of_these = true() if call_ids is None else attempts.c.call_id.in_(call_ids)
    due = union_all(_due_again().where(of_these), _wanted_anew().where(of_these))
    chosen = (
        select(attempts.c.id)
        .where(attempts.c.id.in_(due), attempts.c.carrier_call_id.is_not(None))
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    async with engine.begin() as conn:
        taken = update(attempts).where(attempts.c.id.in_(chosen))
        put_off = {
            "hang_up_at": func.now() + timedelta(seconds=put_off_s),
            "hang_ups": attempts.c.hang_ups + 1,
        }
        taken_ids = (await conn.execute(taken.values(put_off).returning(attempts.c.id))).scalars().all()
        return await held(conn, with_call().where(attempts.c.id.in_(taken_ids))) if taken_ids else []


def _due_again() -> Select[tuple[str]]:
    return select(attempts.c.id).where(attempts.c.hang_up_at <= func.now())


def _wanted_anew() -> Select[tuple[str]]:
    not_before = cast(attempts.c.ending["not_before"].astext, DateTime(timezone=True))
    is_said = or_(not_before.is_(None), not_before <= func.now())  # a last sentence to whoever is on the line
    return (
        select(attempts.c.id)
        .join(calls, calls.c.id == attempts.c.call_id)
        .where(
            attempts.c.state != literal_column("'ended'"),  # written out: the index on live attempts is a partial one
            attempts.c.hang_up_at.is_(None),
            or_(and_(attempts.c.ending.is_not(None), is_said), calls.c.hang_up_requested_at.is_not(None)),
            or_(
                attempts.c.stream_opened_at.is_(None),
                attempts.c.owner.is_(None),  # transferred
                attempts.c.check_at <= func.now(),
            ),
        )
    )


async def hang_up_again(engine: AsyncEngine, attempt_id: str, *, in_s: float) -> None:
    """Ask the carrier again in so many seconds: it did not take it."""
    async with autocommit(engine) as conn:
        again = func.now() + timedelta(seconds=in_s)
        still = or_(attempts.c.state != CallState.ENDED, attempts.c.hang_up_at.is_not(None))
        await conn.execute(update(attempts).where(attempts.c.id == attempt_id, still).values(hang_up_at=again))


async def hang_up_done(engine: AsyncEngine, attempt_id: str) -> None:
    """The carrier has taken it, or there is nothing to end there."""
    async with autocommit(engine) as conn:
        await ask_for_no_end(conn, attempt_id)


# -- whose a carrier's call is ---------------------------------------------------------------------------------


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
