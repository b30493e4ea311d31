"""The pool of lines: how many are free for whom, taken and given back."""

import asyncio

import pytest
from sqlalchemy import text

from outdial.db.notify import Notifications
from outdial.lines.pool import correct, free_inbound, free_outbound, lock_pool, resize, take_inbound
from outdial.refusals import Invalid
from workspace import until


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
