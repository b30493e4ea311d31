"""The pool of lines: how many are free for whom, taken and given back."""

import asyncio
import re
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from outdial.calls.dial_outcome import defer, write_off
from outdial.db.engine import POOL_SIZE, is_lock_timeout
from outdial.db.notify import Notifications
from outdial.db.tables import pools
from outdial.lines.audit import audit_pools
from outdial.lines.pool import (
    PATIENCE_MS,
    correct,
    free_inbound,
    free_outbound,
    lock_pool,
    resize,
    take_inbound,
)
from outdial.lines.workspace_pools import change_plan
from outdial.refusals import Invalid
from outdial.repeating import Pauses, repeat
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import COMMAND_LINE
from workspace import until

ERROR = CallError(code=FailureCode.CARRIER_UNREACHABLE, message="The carrier can't be reached.")


@pytest.mark.parametrize(
    ("lines", "reserved", "outbound", "inbound", "free_out", "free_in"),
    [
        (5, 0, 0, 0, 5, 5),
        (5, 0, 3, 1, 1, 1),
        (5, 2, 0, 0, 3, 5),
        (5, 2, 3, 0, 0, 2),   # the reserved ones are for calls that come in
        (5, 2, 0, 4, 1, 1),   # which may take others, too
        (5, 2, 2, 2, 1, 1),
        (5, 5, 0, 0, 0, 5),
        (2, 0, 4, 1, 0, 0),   # made fewer while they were in use
        (0, 0, 0, 0, 0, 0),
    ],
)
def test_free_lines(lines, reserved, outbound, inbound, free_out, free_in):
    assert free_outbound(lines, reserved, outbound, inbound) == free_out
    assert free_inbound(lines, outbound, inbound) == free_in


async def test_a_pool_is_read_as_it_is(workspace):
    await workspace.set_pool(lines=7, reserved_inbound=2, used_outbound=3, used_inbound=1)
    async with workspace.engine.begin() as conn:
        pool = await lock_pool(conn, workspace.id)
        assert (pool.workspace_id, pool.lines, pool.reserved_inbound) == (workspace.id, 7, 2)
        assert (pool.used_outbound, pool.used_inbound) == (3, 1)
        assert (pool.free_outbound, pool.free_inbound) == (2, 3)
        assert pool.now.tzinfo is not None
    await workspace.set_pool(used_outbound=0)


async def test_there_is_no_pool_of_an_unknown_workspace(workspace):
    async with workspace.engine.begin() as conn:
        assert await lock_pool(conn, "ws_unknown") is None
        assert await resize(conn, "ws_unknown", lines=1) is False


async def test_who_takes_a_line_has_the_pool_to_itself(workspace):
    async with workspace.engine.begin() as first:
        await lock_pool(first, workspace.id)
        second = asyncio.create_task(used(workspace))
        await until(lambda: somebody_waits(workspace))
        await take_inbound(first, workspace.id)
    assert await second == 1


async def used(workspace):
    async with workspace.engine.begin() as conn:
        return (await lock_pool(conn, workspace.id)).used_inbound


async def somebody_waits(workspace):
    async with workspace.engine.connect() as conn:
        return bool(await conn.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


async def test_a_line_for_a_call_that_comes_in(workspace):
    async with workspace.engine.begin() as conn:
        await lock_pool(conn, workspace.id)
        await take_inbound(conn, workspace.id)
    pool = await workspace.pool()
    assert (pool.used_outbound, pool.used_inbound) == (0, 1)


async def test_what_is_not_given_stays(workspace):
    async with workspace.engine.begin() as conn:
        assert await resize(conn, workspace.id, lines=9)
        assert await resize(conn, workspace.id, reserved_inbound=4)
        assert await resize(conn, workspace.id)
    pool = await workspace.pool()
    assert (pool.lines, pool.reserved_inbound) == (9, 4)


@pytest.mark.parametrize(
    "sizes", [{"reserved_inbound": 6}, {"reserved_inbound": -1}, {"lines": 1, "reserved_inbound": 2}]
)
async def test_no_more_lines_can_be_reserved_than_there_are(workspace, sizes):
    async with workspace.engine.begin() as conn:
        with pytest.raises(Invalid) as refused:
            await resize(conn, workspace.id, **sizes)
    assert refused.value.field == "reserved_inbound"
    assert (await workspace.pool()).lines == 5


async def test_new_lines_wake_the_dispatchers(workspace, database_url):
    told = []
    async with Notifications(database_url) as notifications:
        notifications.subscribe("outdial_queue", told.append)

        async def heard(payload):
            return payload in told

        await until(lambda: heard(""))
        async with workspace.engine.begin() as conn:
            await resize(conn, workspace.id, lines=9)
        await until(lambda: heard(workspace.id))


async def test_the_counters_are_corrected(workspace):
    async with workspace.engine.begin() as conn:
        await lock_pool(conn, workspace.id)
        await correct(conn, workspace.id, used_outbound=0, used_inbound=2)
    assert (await workspace.pool()).used_inbound == 2


async def test_no_line_is_taken_for_a_call_that_comes_in_where_none_is_free(workspace):
    await workspace.set_pool(lines=1, used_inbound=1)
    async with workspace.engine.begin() as conn:
        assert not await take_inbound(conn, workspace.id)
    assert (await workspace.pool()).used_inbound == 1
    await workspace.set_pool(used_inbound=0)


# -- somebody has the row for long ---------------------------------------------------------------------------


@asynccontextmanager
async def pool_held(workspace):
    async with workspace.engine.begin() as conn:
        await conn.execute(select(pools).where(pools.c.workspace_id == workspace.id).with_for_update())
        yield


async def seconds_until_refused(workspace):
    started = time.monotonic()
    with pytest.raises(OperationalError) as refused:
        async with workspace.engine.begin() as conn:
            await lock_pool(conn, workspace.id)
    assert is_lock_timeout(refused.value)
    return time.monotonic() - started


async def test_one_waits_for_a_row_that_is_stuck_and_the_others_not_at_all(workspace, monkeypatch):
    monkeypatch.setattr("outdial.lines.pool.TRY_AGAIN_S", 3600.0)
    async with pool_held(workspace):
        assert await seconds_until_refused(workspace) > PATIENCE_MS / 1000 - 0.1
        assert await seconds_until_refused(workspace) < PATIENCE_MS / 1000 / 2
        assert await seconds_until_refused(workspace) < PATIENCE_MS / 1000 / 2
    assert await used(workspace) == 0
    async with pool_held(workspace):  # it was free in the meantime: it may be free again soon
        assert await seconds_until_refused(workspace) > PATIENCE_MS / 1000 - 0.1


async def test_a_row_that_is_stuck_is_waited_for_again_after_a_while(workspace, monkeypatch):
    monkeypatch.setattr("outdial.lines.pool.TRY_AGAIN_S", 0.0)
    async with pool_held(workspace):
        for _ in range(2):
            assert await seconds_until_refused(workspace) > PATIENCE_MS / 1000 - 0.1


async def test_the_ends_of_one_workspaces_calls_leave_connections_for_the_others(make_workspace):
    """More of them than there are connections, while somebody has their pool."""
    held, other = await make_workspace(lines=50), await make_workspace()
    ending = [await held.dialed() for _ in range(POOL_SIZE + 10)]
    theirs = await other.dialed()

    async def end(claim):
        async def hear():
            await held.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)

        await repeat(hear, on=(OperationalError, PoolTimeoutError), pauses=Pauses(first_s=0.2, longest_s=0.5))

    async with pool_held(held):
        ends = [asyncio.create_task(end(claim)) for claim in ending]
        await asyncio.sleep(0.2)
        for _ in range(3):  # at once, and while they are tried again and again
            async with asyncio.timeout(3):
                await other.queue()
                assert len(await other.claim()) == 1
        async with asyncio.timeout(3):
            await other.hears(theirs.attempt_id, CallState.ENDED, EndReason.BUSY)
        assert not any(each.done() for each in ends)
    async with asyncio.timeout(20):
        await asyncio.gather(*ends)
    assert (await held.pool()).used_outbound == 0


# -- the order of locks --------------------------------------------------------------------------------------

LOCKS = re.compile(r"FOR (NO KEY )?(UPDATE|SHARE)|FOR KEY SHARE|^UPDATE|^DELETE|INSERT INTO|advisory", re.MULTILINE)
LOCKS_POOL = re.compile(r"UPDATE pools|FROM pools[^;]*FOR (NO KEY )?UPDATE", re.DOTALL)


@pytest.fixture
def after_the_pool(workspace):
    """The statements of each transaction that lock something after it has locked a pool. (Which order one statement
    has in itself is told where it stands.)"""
    engine, has_pool, found = workspace.engine.sync_engine, set(), []

    def executes(conn, cursor, statement, *rest):
        if conn in has_pool and LOCKS.search(statement) and not LOCKS_POOL.search(statement):
            found.append(statement)
        if LOCKS_POOL.search(statement):
            has_pool.add(conn)

    event.listen(engine, "before_cursor_execute", executes)
    event.listen(engine, "commit", has_pool.discard)
    event.listen(engine, "rollback", has_pool.discard)
    return found


async def test_nothing_is_locked_after_the_pool(workspace, after_the_pool):
    retried = await workspace.dialed(retry={"max_attempts": 2, "on": ["busy"], "delays_s": [60]})
    await workspace.hears(retried.attempt_id, CallState.ENDED, EndReason.BUSY)
    ended = await workspace.dialed()
    await workspace.hears(ended.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)
    for wait_s in (0.0, 60.0):
        await workspace.queue()
        (claim,) = await workspace.claim()
        await defer(workspace.engine, claim, ERROR, wait_s=wait_s)
        await workspace.set_call(claim.call_id, due_at=datetime.now(UTC) + timedelta(hours=1))
    await workspace.queue()
    (claim,) = await workspace.claim()
    await write_off(workspace.engine, claim.attempt_id)
    await change_plan(workspace.engine, workspace.id, lines=9, reserved_inbound=1, by=COMMAND_LINE)
    await audit_pools(workspace.engine)
    assert [statement for statement in after_the_pool if "INSERT INTO call_events" not in statement] == []
