"""An attempt's oldest callback is claimed with its attempt, by one process, and never again once it was handled."""

import asyncio

import pytest
from sqlalchemy import event, func, select, text, update

from callbacks.told import receive, stored
from outdial.callbacks.claiming import NotClaimed, claim_oldest
from outdial.callbacks.inbox import _Busy
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
    assert await claim_in(workspace, claim.attempt_id) is NotClaimed.NONE_LEFT


async def test_it_is_not_claimed_by_a_transaction_that_is_rolled_back(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id, CallStatus="ringing")
    async with workspace.engine.connect() as conn:
        _, callback = await claim_oldest(conn, claim.attempt_id)
    _, again = await claim_in(workspace, claim.attempt_id)
    assert again == callback


async def test_an_attempt_that_somebody_else_has_is_not_waited_for(workspace, inbox, claim):
    await receive(inbox, claim.attempt_id, CallStatus="ringing")
    async with workspace.engine.begin() as conn:
        await conn.execute(select(attempts).where(attempts.c.id == claim.attempt_id).with_for_update(key_share=True))
        async with asyncio.timeout(5):
            assert await claim_in(workspace, claim.attempt_id) is NotClaimed.BUSY
    assert await claim_in(workspace, "att_unknown") is NotClaimed.BUSY


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
        assert await waiting is NotClaimed.BUSY


async def test_the_commit_of_what_is_handled_does_not_wait_for_the_disk_though_that_of_what_is_stored_does(
    workspace, inbox, claim
):
    shown = text("SHOW synchronous_commit")
    await receive(inbox, claim.attempt_id, CallStatus="ringing")
    async with workspace.engine.begin() as conn:
        await conn.execute(text("SET LOCAL synchronous_commit TO on"))
        await claim_oldest(conn, claim.attempt_id)
        assert await conn.scalar(shown) == "off"
    stored_with = []

    def note(conn, cursor, statement, *_):
        if statement.startswith("INSERT INTO callbacks"):
            stored_with.append("set_config" in statement)  # as `without_flush` has it

    event.listen(workspace.engine.sync_engine, "before_cursor_execute", note)
    await receive(inbox, claim.attempt_id, CallStatus="in-progress")
    event.remove(workspace.engine.sync_engine, "before_cursor_execute", note)
    assert stored_with == [False]


async def test_an_attempt_that_is_busy_costs_its_connection_no_rollback(workspace, inbox, claim):
    """After one, everything that the connection has prepared is prepared anew."""
    ended = []
    for name in ("commit", "rollback"):
        event.listen(inbox._engine.sync_engine, name, lambda conn, name=name: ended.append(name))
    await receive(inbox, claim.attempt_id, CallStatus="ringing")
    async with workspace.engine.begin() as conn:
        await conn.execute(select(attempts).where(attempts.c.id == claim.attempt_id).with_for_update(key_share=True))
        del ended[:]
        with pytest.raises(_Busy):
            await inbox._handle_next(claim.attempt_id)
        assert ended[:1] == ["commit"]
