"""How many calls there are is known without counting them, whatever becomes of them and however many change at once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select, text

from call_counts import counted, kept
from outdial.calls.counts import fold_counts
from outdial.calls.dial_outcome import defer, write_off
from outdial.calls.refused import end_waiting, put_off, refused_by
from outdial.db.tables import call_counts, calls
from outdial.policy.gate import Rule
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason

UNREACHABLE = CallError(code=FailureCode.CARRIER_UNREACHABLE, message="The carrier can't be reached.")


@pytest.fixture
async def workspace(make_workspace):
    return await make_workspace(lines=50)


@pytest.fixture
def right(engine):
    """What is kept is what there is; what it is."""

    async def right():
        async with engine.connect() as conn:
            there_is = await counted(conn)
            assert await kept(conn) == there_is
        return there_is

    return right


async def rows(engine) -> int:
    async with engine.connect() as conn:
        return await conn.scalar(select(func.count()).select_from(call_counts)) or 0


async def test_a_call_is_counted_where_it_waits_and_where_it_has_ended(workspace, right):
    claim = await workspace.dialed()
    assert await right() == {}  # who is up is few, and not counted
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    ((kind, number),) = (await right()).items()
    assert (number, kind[3], kind[7]) == (1, "ended", "completed")


async def test_a_retry_a_refusal_and_a_later_due_time_move_a_call(workspace, engine, right):
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["busy"], "delays_s": [3600]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    (again,) = await right()
    assert again[3] == "queued"
    assert again[5] is True  # dialled before
    refused, later = [await workspace.queue() for _ in range(3)], await workspace.queue()
    async with engine.begin() as conn:
        await end_waiting(conn, refused, refused_by(Rule.DO_NOT_CALL))
        await put_off(conn, {later: datetime.now(UTC) + timedelta(hours=2)})
    found = sorted((kind[3], kind[5]) for kind in await right())
    assert found == [("ended", False), ("queued", False), ("queued", True)]


async def test_a_dial_that_was_never_sent_is_none(workspace, engine, right):
    await workspace.queue()
    (claim,) = await workspace.claim()
    await defer(engine, claim, UNREACHABLE, wait_s=5.0)
    ((kind, _),) = (await right()).items()
    assert kind[5] is False


async def test_a_dial_that_was_never_placed_is_one(workspace, engine, right):
    await workspace.queue()
    (claim,) = await workspace.claim()
    await write_off(engine, claim.attempt_id)
    ((kind, _),) = (await right()).items()
    assert kind[5] is True


async def test_removed_calls_are_counted_no_more(workspace, engine, right):
    for _ in range(3):
        await workspace.queue()
    async with engine.begin() as conn:
        await conn.execute(delete(calls).where(calls.c.id == select(calls.c.id).limit(1).scalar_subquery()))
    assert sum((await right()).values()) == 2
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM calls"))
    assert await right() == {}
    await fold_counts(engine)
    assert await rows(engine) == 0


async def test_folding_leaves_a_row_a_kind_and_the_sums_as_they_are(workspace, engine, right):
    for _ in range(20):
        claim = await workspace.dialed()
        await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    before = await right()
    assert await rows(engine) == 60  # waited, waited no more, ended
    await fold_counts(engine)
    assert await right() == before
    assert await rows(engine) == len(before)
    await fold_counts(engine)
    assert await rows(engine) == len(before)


async def test_who_changes_a_call_waits_for_nobody_who_changes_another(workspace, engine):
    """However alike they are: no row stands for all of them."""
    one, other = await workspace.queue(), await workspace.queue()
    async with engine.begin() as conn, engine.begin() as second:
        await end_waiting(conn, [one], refused_by(Rule.DO_NOT_CALL))
        await second.execute(text("SET LOCAL lock_timeout = '200ms'"))
        await end_waiting(second, [other], refused_by(Rule.DO_NOT_CALL))
        await asyncio.wait_for(fold_counts(engine), 5)


async def test_changes_at_once_and_folding_beside_them_lose_nothing(workspace, engine, right):
    done = asyncio.Event()

    async def fold() -> None:
        while not done.is_set():
            await fold_counts(engine)
            await asyncio.sleep(0)

    async def one_life(number: int) -> None:
        claims = [await workspace.queue(created_at=datetime.now(UTC) - timedelta(minutes=7 * number))]
        claims = await workspace.claim(batch=1)
        for claim in claims:
            await workspace.dial(claim)
            await workspace.hears(claim.attempt_id, CallState.ENDED, (EndReason.BUSY, EndReason.NO_ANSWER)[number % 2])

    folding = [asyncio.create_task(fold()) for _ in range(2)]
    await asyncio.gather(*(one_life(number) for number in range(24)))
    done.set()
    await asyncio.gather(*folding)
    assert sum((await right()).values()) == 24
    await fold_counts(engine)
    await right()
    assert await rows(engine) == len(await right())
