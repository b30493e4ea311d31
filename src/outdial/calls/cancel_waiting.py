"""Everything that waits canceled, for a workspace or one of its numbers; a million calls as well as ten.

In batches, so that no lock is held for long, and for a few seconds at most: whoever asks is told what is left, and
asks again. What is being dialled is left alone; a dial that is held back at the last moment waits again. So where
dialling is paused, that is awaited, or what was to be stopped would be dialled when it is resumed.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.pace import LONGEST_WAIT_S
from outdial.calls.refused import end_waiting_of
from outdial.db.engine import reading
from outdial.db.tables import QUEUED, calls, numbers
from outdial.policy.pauses import may_hold_back, name_of
from outdial.workspaces.audit import Actor, record

AT_A_TIME = 1000      # calls in one transaction
AT_MOST_S = 5.0       # in one request
PATIENCE_S = 1.0      # with calls that somebody has locked
COUNTED_TO = 10_000   # more than that aren't counted one by one
HELD_BACK_WITHIN_S = LONGEST_WAIT_S + 0.5  # of a pause: what was claimed before it
LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """`waiting` calls that were accepted before `accepted_before` wait (counted to COUNTED_TO), and `being_dialled`
    calls are on their way to the carrier, or rung for by it."""

    waiting: int
    being_dialled: int
    accepted_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """`canceled` calls have ended; `left` is what is there now."""

    canceled: int
    left: Waiting


async def what_waits(
    engine: AsyncEngine, workspace_id: str, number_id: str | None = None, *, accepted_before: datetime | None = None
) -> Waiting:
    """What would be canceled now. Without `accepted_before`: all that waits. Raises NotFound."""
    async with reading(engine) as conn:
        await name_of(conn, workspace_id, number_id)
        return await _waiting(conn, workspace_id, number_id, accepted_before)


async def cancel_waiting(
    engine: AsyncEngine,
    workspace_id: str,
    number_id: str | None = None,
    *,
    by: Actor,
    accepted_before: datetime | None = None,
    at_most_s: float = AT_MOST_S,
) -> Canceled:
    """Cancel what waits, as far as it goes in `at_most_s`. Who asks again for the rest gives the `accepted_before` of
    the answer: what is accepted meanwhile isn't meant. Raises NotFound."""
    async with engine.begin() as conn:
        name = await name_of(conn, workspace_id, number_id)
        left = await _waiting(conn, workspace_id, number_id, accepted_before)
        is_paused = await may_hold_back(conn, workspace_id, number_id)
        if left.waiting or (is_paused and left.being_dialled):  # before the first one ends, whatever becomes of us
            details = {"waiting": left.waiting}
            act, subject = "calls.waiting_canceled", number_id or workspace_id
            await record(conn, workspace_id, by, act, subject_id=subject, subject_name=name, details=details)
    began, locked_since, canceled = time.monotonic(), None, 0
    until, held_back_until = began + at_most_s, began + HELD_BACK_WITHIN_S * is_paused
    while left.waiting or (left.being_dialled and time.monotonic() < held_back_until):
        if time.monotonic() >= until:
            break
        ended = await _one_round(engine, workspace_id, number_id, left.accepted_before, until) if left.waiting else 0
        canceled += ended
        if ended or not left.waiting:
            locked_since = None
        else:
            locked_since = locked_since or time.monotonic()
            if time.monotonic() - locked_since > PATIENCE_S:
                break
        if not ended:
            await asyncio.sleep(LOOK_AGAIN_S)
        async with reading(engine) as conn:
            left = await _waiting(conn, workspace_id, number_id, left.accepted_before)
    return Canceled(canceled=canceled, left=left)


async def _one_round(
    engine: AsyncEngine, workspace_id: str, number_id: str | None, accepted_before: datetime, until: float
) -> int:
    """Once through the numbers that calls wait for; how many calls have ended."""
    async with reading(engine) as conn:
        waited_for = [number_id] if number_id is not None else await _numbers(conn, workspace_id)
    ended = 0
    for each in waited_for:
        more = AT_A_TIME
        while more == AT_A_TIME and time.monotonic() < until:
            async with engine.begin() as conn:
                more = await end_waiting_of(conn, each, accepted_before=accepted_before, at_most=AT_A_TIME)
            ended += more
    return ended


async def _numbers(conn: AsyncConnection, workspace_id: str) -> Sequence[str]:
    """That calls wait for."""
    queued = select(calls.c.id).where(calls.c.number_id == numbers.c.id, QUEUED)
    query = select(numbers.c.id).where(numbers.c.workspace_id == workspace_id, queued.exists())
    return list((await conn.execute(query)).scalars())


async def _waiting(
    conn: AsyncConnection, workspace_id: str, number_id: str | None, accepted_before: datetime | None
) -> Waiting:
    before = accepted_before or (await conn.execute(select(func.clock_timestamp()))).scalar_one()
    values = {"workspace": workspace_id, "number": number_id, "accepted_before": before}
    row = (await conn.execute(_WAITING, values)).one()
    return Waiting(waiting=row.waiting, being_dialled=row.being_dialled, accepted_before=before)


def _counted() -> TextClause:
    """Number by number, as far as it is counted: no more rows are looked at than that."""
    return text(f"""
        SELECT (
            SELECT count(*) FROM (
                SELECT FROM numbers, LATERAL (
                    SELECT FROM calls
                    WHERE number_id = numbers.id AND state = 'queued'
                        AND created_at <= CAST(:accepted_before AS timestamptz)
                    ORDER BY due_at LIMIT {COUNTED_TO}
                ) AS waiting
                WHERE numbers.workspace_id = :workspace AND (CAST(:number AS text) IS NULL OR numbers.id = :number)
                LIMIT {COUNTED_TO}
            ) AS counted
        ) AS waiting, (
            SELECT count(*) FROM calls
            WHERE workspace_id = :workspace AND state = 'dialing' AND direction = 'outbound'
                AND (CAST(:number AS text) IS NULL OR number_id = :number)
        ) AS being_dialled
    """)  # noqa: S608 - put together of constants


_WAITING = _counted()
