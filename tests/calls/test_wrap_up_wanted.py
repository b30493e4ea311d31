"""That a call is to have a wrap-up: wanted in the transaction that ends it, of calls that were answered alone."""

from functools import partial

import pytest
from sqlalchemy import func, select, update

from outdial.db.tables import agent_versions, pools
from outdial.telephony.state import CallState, EndReason
from talked_calls import jobs, make_agent, show, talk


@pytest.fixture
async def agent(workspace):
    return await make_agent(workspace)


@pytest.fixture
def talked(workspace, agent):
    return partial(talk, workspace, agent)


@pytest.fixture
def shown(workspace):
    return partial(show, workspace)


async def test_a_call_has_one_with_its_end_and_a_job_in_the_same_transaction(workspace, talked, shown):
    call_id = await talked()
    assert await jobs(workspace) == [("wrap_up", {"call_id": call_id, "round_": 1})]
    call = await shown(call_id)
    assert (call["wrap_up"]["state"], call["summary"], call["facts"]) == ("pending", None, {})
    async with workspace.engine.connect() as conn:  # its line is free
        assert await conn.scalar(select(func.sum(pools.c.used_outbound))) == 0


async def test_a_call_that_was_never_answered_has_none(workspace, agent, shown):
    claim = await workspace.dialed(agent_id=agent, agent_version=1)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert (await shown(claim.call_id))["wrap_up"] is None
    assert await jobs(workspace) == []


async def test_a_version_that_asks_for_none_costs_no_job(workspace, agent, talked):
    async with workspace.engine.begin() as conn:
        await conn.execute(update(agent_versions).values(after=False))
    await talked()
    assert await jobs(workspace) == []
