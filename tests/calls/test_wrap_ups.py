"""Wrap-ups in the books: one that was lost, and one that is wanted again. How they are made: tests/wrap_up."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, select, text

from outdial.agents.spend_meters import SpendMeters
from outdial.calls.wrap_ups import want_again
from outdial.db.tables import audit_log
from outdial.refusals import Conflict, NotFound
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import COMMAND_LINE
from outdial.wrap_up.job import WrapUps
from talked_calls import REPORT, FakeModel, Servers, jobs, make_agent, make_wrap_up, set_wrap_up, show, talk


@pytest.fixture
async def agent(workspace):
    return await make_agent(workspace)


@pytest.fixture
def talked(workspace, agent):
    return partial(talk, workspace, agent)


@pytest.fixture
def shown(workspace):
    return partial(show, workspace)


async def test_one_whose_job_was_lost_gets_another(workspace, talked):
    call_id = await talked()
    async with workspace.engine.begin() as conn:
        await conn.execute(text("DELETE FROM procrastinate_jobs"))
    wrap = WrapUps(workspace.engine, Servers(), SpendMeters(workspace.engine).of)
    await wrap.find_lost()
    assert await jobs(workspace) == []  # it is no time ago
    await set_wrap_up(workspace, due_at=func.now() - timedelta(minutes=5))
    await wrap.find_lost()
    await wrap.find_lost()
    assert await jobs(workspace) == [("wrap_up", {"call_id": call_id, "round_": 1})]


async def test_it_is_made_again_where_somebody_wants_that(workspace, talked, shown):
    call_id = await talked()
    await make_wrap_up(workspace, call_id, FakeModel(REPORT))
    assert await want_again(workspace.engine, workspace.id, call_id, by=COMMAND_LINE)
    assert not await want_again(workspace.engine, workspace.id, call_id, by=COMMAND_LINE)  # one is on its way
    call = await shown(call_id)
    assert (call["wrap_up"]["state"], call["summary"]) == ("pending", "They will come.")
    assert len(await jobs(workspace)) == 2
    await make_wrap_up(workspace, call_id, FakeModel(REPORT), round_=1)  # the job of before
    assert (await shown(call_id))["wrap_up"]["state"] == "pending"
    await make_wrap_up(workspace, call_id, FakeModel({"summary": "Better."}), round_=2)
    call = await shown(call_id)
    assert (call["summary"], call["facts"], call["outcome"]) == ("Better.", {}, "hung_up_early")
    async with workspace.engine.connect() as conn:
        acts = (await conn.scalars(select(audit_log.c.act))).all()
    assert acts.count("wrap_up.wanted") == 1


async def test_it_is_wanted_of_answered_calls_that_have_ended_and_ask_for_it(workspace, agent, talked, make_workspace):
    async def refused(call_id, of=workspace.id):
        with pytest.raises((Conflict, NotFound)) as refusal:
            await want_again(workspace.engine, of, call_id, by=COMMAND_LINE)
        return refusal.value.code

    claim = await workspace.dialed(agent_id=agent, agent_version=1)
    assert await refused(claim.call_id) == "call_not_ended"
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert await refused(claim.call_id) == "no_wrap_up"
    other = await make_workspace()
    assert await refused(await talked(), of=other.id) == "call_not_found"
