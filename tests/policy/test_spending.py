"""What models may cost a workspace a day: counted by all processes, and held by the gate."""

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import delete, event, func, select, text, update

from outdial.agents import spend_meters
from outdial.agents.llm.chat import Usage
from outdial.agents.spend_meters import SpendMeters
from outdial.calls.enqueue import create_call
from outdial.calls.request import OutboundRequest
from outdial.db.engine import create_engine, put_away
from outdial.db.spend_tables import model_spend
from outdial.db.tables import agent_versions, audit_log, calls
from outdial.policy.spending import (
    ADD_SPEND,
    SPENT_TODAY,
    Spend,
    add_spend,
    change_spend_limit,
    get_spend_limit,
    is_spent_now,
)
from outdial.refusals import LimitReached
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE
from tenants import make_tenant


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def limit(engine, tenant):
    async def limit(dollars=None, tokens=None):
        dollars = None if dollars is None else Decimal(dollars)
        return await change_spend_limit(engine, tenant.workspace_id, dollars=dollars, tokens=tokens, by=COMMAND_LINE)

    return limit


async def view(engine, tenant):
    async with engine.connect() as conn:
        return await get_spend_limit(conn, tenant.workspace_id)


async def test_without_a_limit_what_is_used_is_shown_all_the_same(engine, tenant):
    spend = Spend(tokens=100, estimated_tokens=30, dollars=Decimal("0.0125"))
    assert not await add_spend(engine, tenant.workspace_id, spend)
    assert not await add_spend(engine, tenant.workspace_id, spend)
    shown = await view(engine, tenant)
    assert shown["used"] == {"tokens": 200, "estimated_tokens": 60, "dollars": 0.025}
    assert (shown["dollars"], shown["tokens"], shown["passed"]) == (None, None, False)


@pytest.mark.parametrize(("dollars", "tokens"), [("0.50", None), (None, 1000), ("0.50", 10**9), ("0", None), (None, 0)])
async def test_a_limit_is_passed_by_dollars_or_by_tokens(engine, tenant, limit, dollars, tokens):
    await limit(dollars, tokens)
    at_once = dollars == "0" or tokens == 0
    assert await is_spent_now(engine, tenant.workspace_id) is at_once
    assert await add_spend(engine, tenant.workspace_id, Spend(tokens=999, dollars=Decimal("0.49"))) is at_once
    assert await add_spend(engine, tenant.workspace_id, Spend(tokens=1, dollars=Decimal("0.01")))
    assert (await view(engine, tenant))["passed"] is True
    async with engine.begin() as conn:
        await conn.execute(update(model_spend).values(day=func.current_date() - 1))
    assert await is_spent_now(engine, tenant.workspace_id) is at_once


async def test_an_answer_is_counted_and_the_limit_read_by_one_statement_each_built_before(engine, tenant):
    asked = []
    event.listen(engine.sync_engine, "before_execute", lambda conn, statement, *_: asked.append(statement))
    for _ in range(2):
        await add_spend(engine, tenant.workspace_id, Spend(tokens=1))
        await is_spent_now(engine, tenant.workspace_id)
    assert [id(statement) for statement in asked] == [id(ADD_SPEND), id(SPENT_TODAY)] * 2


async def test_a_change_is_on_record_and_another_workspace_is_left_alone(engine, tenant, limit):
    await limit("5", 1000)
    await limit("5", 1000)
    await limit()
    other = await make_tenant(engine)
    assert not await is_spent_now(engine, other.workspace_id)
    async with engine.connect() as conn:
        entries = (await conn.execute(select(audit_log).where(audit_log.c.act == "spend_limit.changed"))).all()
    assert [(entry.details["dollars"], entry.details["tokens"]) for entry in entries] == [(5.0, 1000), (None, None)]


async def test_several_processes_count_together_and_hear_of_it(database_url, engine, tenant, limit, monkeypatch):
    await limit(tokens=1000)
    engines = [create_engine(database_url) for _ in range(2)]
    processes = [SpendMeters(one) for one in engines]
    meters = [process.of(tenant.workspace_id) for process in processes]
    for number in range(20):
        meters[number % 2].add(Usage(tokens=50, dollars=0.001, estimated=number % 4 == 0))
    for process in processes:
        await process.aclose()
    assert (await view(engine, tenant))["used"] == {"tokens": 1000, "estimated_tokens": 250, "dollars": 0.02}
    monkeypatch.setattr(spend_meters, "LOOK_AGAIN_S", -1)
    passed = [meter.is_passed for meter in meters]
    assert True in passed
    for process in processes:
        await process.aclose()
    assert all(meter.is_passed for meter in meters)  # who didn't hear of it by its own answers has looked
    for process, one in zip(processes, engines, strict=True):
        await process.aclose()
        await put_away(one)


async def test_what_the_database_does_not_take_is_written_later_and_counted_once(engine, tenant, monkeypatch):
    failing = [OSError("away"), OSError("away")]

    async def fails_first(*args):
        if failing:
            raise failing.pop()
        return await add_spend(*args)

    monkeypatch.setattr(spend_meters, "add_spend", fails_first)
    meters = SpendMeters(engine)
    meters.of(tenant.workspace_id).add(Usage(tokens=7))
    await asyncio.sleep(0)
    meters.of(tenant.workspace_id).add(Usage(tokens=5))
    await meters.aclose()
    assert (await view(engine, tenant))["used"]["tokens"] == 12


async def place(engine, tenant):
    request = OutboundRequest(to="+15551234567")
    return await create_call(
        engine, Settings(), workspace_id=tenant.workspace_id, number_id=tenant.number_id, request=request
    )


async def test_beyond_the_limit_calls_of_agents_with_a_model_are_refused_and_those_of_scripts_are_not(
    engine, tenant, limit
):
    await limit(tokens=100)
    await add_spend(engine, tenant.workspace_id, Spend(tokens=100))
    await place(engine, tenant)
    async with engine.begin() as conn:
        await conn.execute(update(agent_versions).values(kind="llm"))
    with pytest.raises(LimitReached) as refused:
        await place(engine, tenant)
    assert (refused.value.code, 0 < refused.value.retry_after_s <= 86_400) == ("spend_limit", True)
    assert "--spend-limit" in refused.value.message
    await limit(tokens=101)
    await place(engine, tenant)


async def test_a_call_that_waits_beyond_the_limit_is_not_dialled_and_its_record_says_why(workspace):
    async with workspace.engine.begin() as conn:
        await conn.execute(
            text("INSERT INTO agents (id, workspace_id, name, kind) VALUES ('agent_1', :workspace, 'A', 'llm')"),
            {"workspace": workspace.id},
        )
        await conn.execute(
            text("INSERT INTO agent_versions (agent_id, version, source, kind) VALUES ('agent_1', 1, '', 'llm')")
        )
        await conn.execute(
            text("INSERT INTO agent_versions (agent_id, version, source, kind) VALUES ('agent_1', 2, '', 'script')")
        )
    await change_spend_limit(workspace.engine, workspace.id, dollars=Decimal(1), tokens=None, by=COMMAND_LINE)
    await add_spend(workspace.engine, workspace.id, Spend(dollars=Decimal(1)))
    waits, scripted = await workspace.queue(), await workspace.queue(agent_version=2)
    assert [claim.call_id for claim in await workspace.claim()] == [scripted]
    call = await workspace.call(waits)
    assert (call.state, call.end_reason, call.ended_by, call.error["code"]) == (
        "ended", "canceled", "policy", "spend_limit",
    )  # fmt: skip
    async with workspace.engine.begin() as conn:
        await conn.execute(delete(model_spend))
    again = await workspace.queue()
    assert [claim.call_id for claim in await workspace.claim()] == [again]
    async with workspace.engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(calls)) == 3
