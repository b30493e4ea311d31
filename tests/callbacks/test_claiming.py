"""An attempt's oldest callback is claimed with its attempt, by one process, and never again once it was handled."""

import asyncio

import pytest
from sqlalchemy import func, select, update

from callbacks.told import receive, stored
from outdial.callbacks.claiming import Busy, claim_oldest
from outdial.calls.records import lock_attempt
from outdial.db.tables import attempts, callbacks


async def claim_in(workspace, attempt_id):
    async with workspace.engine.begin() as conn:
        return await claim_oldest(conn, attempt_id)


async def test_the_oldest_is_claimed_with_its_attempt_and_call_until_there_is_none(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id, CallStatus="initiated")
    await receive(inbox, claim.attempt_id, CallStatus="ringing")
    claimed = []
    for _ in range(2):
        async with workspace.engine.begin() as conn:
            held, callback = await claim_oldest(conn, claim.attempt_id)
            assert held == await lock_attempt(conn, claim.attempt_id)
            claimed.append(callback)
    assert [each.id for each in claimed] == [row.id for row in await stored(workspace)]
    assert ["ringing" in each.body for each in claimed] == [False, True]
    assert all(row.handled_at is not None for row in await stored(workspace))
    assert await claim_in(workspace, claim.attempt_id) is None


async def test_it_is_not_claimed_by_a_transaction_that_is_rolled_back(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id, CallStatus="ringing")
    async with workspace.engine.connect() as conn:
        assert await claim_oldest(conn, claim.attempt_id) is not None
    assert await claim_in(workspace, claim.attempt_id) is not None


async def test_an_attempt_that_somebody_else_has_is_not_waited_for(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id, CallStatus="ringing")
    async with workspace.engine.begin() as conn:
        await conn.execute(select(attempts).where(attempts.c.id == claim.attempt_id).with_for_update(key_share=True))
        async with asyncio.timeout(5):
            with pytest.raises(Busy):
                await claim_in(workspace, claim.attempt_id)
    with pytest.raises(Busy):
        await claim_in(workspace, "att_unknown")


async def test_what_was_handled_since_the_statement_began_is_not_claimed_again(workspace, inbox, claim):
    """The statement sees the callback as it was when it began, and has the lock only later."""
    await receive(inbox, claim.attempt_id, CallStatus="ringing")
    async with workspace.engine.begin() as other:
        # The attempt is free, as if it had been let go just now.
        await other.execute(update(callbacks).values(handled_at=func.now()))
        waiting = asyncio.create_task(claim_in(workspace, claim.attempt_id))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    async with asyncio.timeout(5):
        with pytest.raises(Busy):
            await waiting
