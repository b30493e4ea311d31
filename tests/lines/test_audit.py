import asyncio

import pytest
from sqlalchemy import insert, select, update

from outdial.db.tables import calls, pools
from outdial.lines.audit import audit_pools
from outdial.telephony.state import CallState
from workspace import CALLEE, CALLER


@pytest.mark.parametrize("counted", [0, 5])
async def test_the_audit_mends_a_miscounted_pool_and_says_so(workspace, caplog, counted):
    await workspace.dialed()
    await workspace.set_pool(used_outbound=counted)
    await audit_pools(workspace.engine)
    assert (await workspace.pool()).used_outbound == 1
    assert "Pool counter corrected" in caplog.messages


async def test_the_audit_leaves_a_right_count_alone_and_waits_for_nobody(workspace, caplog):
    await workspace.dialed()
    async with workspace.engine.begin() as conn:
        await conn.execute(update(calls).values(state=CallState.RINGING))  # a transition under way
        await conn.execute(select(pools).with_for_update())
        async with asyncio.timeout(5):
            await audit_pools(workspace.engine)
    assert "Pool counter corrected" not in caplog.messages


async def test_the_audit_counts_inbound_calls_apart(workspace):
    async with workspace.engine.begin() as conn:
        await conn.execute(
            insert(calls).values(
                id="call_in",
                workspace_id=workspace.id,
                direction="inbound",
                state="in_progress",
                from_=CALLEE,
                to=CALLER,
                ring_timeout_s=30,
                max_duration_s=600,
                holds_line=True,
            )
        )
    await audit_pools(workspace.engine)
    pool = await workspace.pool()
    assert (pool.used_outbound, pool.used_inbound) == (0, 1)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(calls).values(state="ended", end_reason="completed", holds_line=False))
    await audit_pools(workspace.engine)
    assert (await workspace.pool()).used_inbound == 0
