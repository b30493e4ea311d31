"""Wrap-ups made by jobs, as calls end: with models that answer, are slow, refuse, talk nonsense or never answer."""

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import delete, func, select, update

import outdial.agents.after.ask as ask_module
import outdial.calls.wrap_ups as books
import outdial.jobs.runner as runner_module
from agents.llm.model_server import model_server, tool, usage
from outdial.agents.llm.chat import ModelFailed
from outdial.agents.llm.vendors import ModelServers
from outdial.agents.spend_meters import SpendMeters
from outdial.db.engine import reading
from outdial.db.tables import agent_versions
from outdial.db.wrap_up_tables import wrap_ups
from outdial.draining import Drain
from outdial.jobs.runner import JobRunner
from outdial.policy.spending import Spend, add_spend, change_spend_limit, get_spend_limit
from outdial.telephony.verdict import AnsweredBy, WhoAnswered
from outdial.workspaces.audit import COMMAND_LINE
from outdial.wrap_up.job import WrapUps
from talked_calls import AGENT, REPORT, FakeModel, Servers, jobs, make_agent, make_wrap_up, set_wrap_up, show, talk
from workspace import until

FACTS = [{"name": "guests", "value": 4, "evidence": [2]}]


@pytest.fixture
async def agent(workspace):
    return await make_agent(workspace)


@pytest.fixture
def talked(workspace, agent):
    return partial(talk, workspace, agent)


@pytest.fixture
def shown(workspace):
    return partial(show, workspace)


async def test_summary_facts_and_outcome_are_the_models_with_the_turns_they_rest_on(workspace, talked, shown):
    call_id = await talked()
    assert (await shown(call_id))["outcome"] == "hung_up_early"
    await make_wrap_up(workspace, call_id, FakeModel(REPORT))
    call = await shown(call_id)
    assert (call["summary"], call["facts"], call["outcome"]) == ("They will come.", {"guests": 4}, "confirmed")
    assert call["outcome_from"] == {"by": "model", "evidence": [2]}
    made = call["wrap_up"]
    assert (made["state"], made["facts"], made["error"]) == ("done", FACTS, None)
    assert (made["model"], made["tokens"], made["dollars"]) == ("gpt-test", 100, "0.001000")
    assert await workspace.events(call_id, "wrapped_up") == [{"result": "done"}]
    assert (await workspace.events(call_id, "outcome"))[-1]["outcome"] == "confirmed"


@pytest.mark.parametrize(
    ("noted", "outcome", "by"),
    [
        ({"do_not_call": True}, "do_not_call", "rule"),
        ({"outcome": "declined"}, "declined", "agent"),
    ],
)
async def test_a_model_overrules_neither_rule_nor_agent(workspace, talked, shown, noted, outcome, by):
    call_id = await talked(noted=noted)
    await make_wrap_up(workspace, call_id, FakeModel(REPORT))
    call = await shown(call_id)
    assert (call["outcome"], call["outcome_from"]) == (outcome, {"by": by, "evidence": []})
    assert call["wrap_up"]["outcome"] == "confirmed"  # what it said stays to be seen


async def test_a_model_says_nothing_of_a_machine(workspace, talked, shown):
    call_id = await talked()
    await workspace.set_call(call_id, answered_by=WhoAnswered(category=AnsweredBy.MACHINE).to_json(), outcome=None)
    await make_wrap_up(workspace, call_id, FakeModel(REPORT))
    assert (await shown(call_id))["outcome"] != "confirmed"


@pytest.mark.parametrize("said", [[], [("agent", "Hello? Is anybody there?")]])
async def test_where_nobody_spoke_no_model_is_asked(workspace, talked, shown, said):
    call_id = await talked(said)
    await make_wrap_up(workspace, call_id, model := FakeModel(REPORT))
    made = (await shown(call_id))["wrap_up"]
    assert (model.asked, made["state"], made["summary"], made["tokens"]) == ([], "done", None, 0)


async def test_a_very_long_call_is_shown_in_part(workspace, talked, shown):
    said = [("callee" if seq % 2 else "agent", f"This is sentence {seq} " + "word " * 60) for seq in range(1, 2001)]
    call_id = await talked(said)
    await make_wrap_up(workspace, call_id, model := FakeModel({"summary": "Long."}))
    [asked] = model.asked
    assert len(asked.messages[0].text) < 100_000
    told = json.loads(asked.messages[0].text)
    assert (told["transcript"][0]["turn"], told["transcript"][-1]["turn"]) == (1, 2000)
    assert "left_out" in told
    assert (await shown(call_id))["summary"] == "Long."


async def test_what_the_conversation_brings_is_waited_for(workspace, talked):
    call_id = await talked(result=False)
    await make_wrap_up(workspace, call_id, model := FakeModel(REPORT))
    assert model.asked == []
    assert len(await jobs(workspace)) == 2  # the first, which is done here by hand, and one for later
    await workspace.set_call(call_id, ended_at=func.now() - timedelta(minutes=3))
    await make_wrap_up(workspace, call_id, model)
    assert len(model.asked) == 1


async def test_a_model_that_fails_is_asked_again_later_and_then_given_up(workspace, talked, shown, caplog):
    call_id = await talked()
    model = FakeModel(ModelFailed("rate_limit_exceeded (HTTP 429)"))
    for begun in range(1, 5):
        await make_wrap_up(workspace, call_id, model)
        made = (await shown(call_id))["wrap_up"]
        assert (made["state"], made["error"]["code"]) == ("pending", "model_failed")
        assert len(await jobs(workspace)) == 1 + begun
    await make_wrap_up(workspace, call_id, model)
    made = (await shown(call_id))["wrap_up"]
    assert made["state"] == "failed"
    assert "rate_limit_exceeded (HTTP 429)" in made["error"]["message"]
    assert (await workspace.events(call_id, "wrapped_up"))[0]["result"] == "failed"
    await make_wrap_up(workspace, call_id, model)  # a job that comes late
    assert (len(model.asked), len(await jobs(workspace))) == (5, 5)


async def spent(workspace):
    async with reading(workspace.engine) as conn:
        used = (await get_spend_limit(conn, workspace.id))["used"]
    return used["tokens"], used["dollars"]


async def limit(workspace, tokens):
    await change_spend_limit(workspace.engine, workspace.id, dollars=None, tokens=tokens, by=COMMAND_LINE)


async def test_what_it_costs_counts_for_the_workspace(workspace, talked, monkeypatch):
    await make_wrap_up(workspace, await talked(), FakeModel(REPORT))
    assert await spent(workspace) == (100, 0.001)
    monkeypatch.setattr(ask_module, "MODEL_S", 0.1)
    await make_wrap_up(workspace, await talked(), FakeModel(3600.0))  # which is given up
    tokens, _ = await spent(workspace)
    assert tokens > 200


async def test_beyond_the_spend_limit_it_waits_and_that_is_no_try(workspace, talked, shown):
    call_id = await talked()
    await add_spend(workspace.engine, workspace.id, Spend(tokens=50))
    await limit(workspace, 50)
    model = FakeModel(REPORT)
    for _ in range(7):
        await make_wrap_up(workspace, call_id, model)
    made = (await shown(call_id))["wrap_up"]
    assert (model.asked, made["state"], made["error"]["code"]) == ([], "pending", "spend_limit")
    assert len(await jobs(workspace)) == 8
    await limit(workspace, 1000)
    await make_wrap_up(workspace, call_id, model)
    made = (await shown(call_id))["wrap_up"]
    assert (made["state"], made["error"], made["tokens"]) == ("done", None, 100)


async def test_another_model_answers_where_the_first_fails(workspace, talked, shown):
    call_id = await talked()
    await make_wrap_up(workspace, call_id, FakeModel(ModelFailed("x")), FakeModel(REPORT, name="second"))
    assert (await shown(call_id))["wrap_up"]["model"] == "second"


async def test_nonsense_is_said_to_be_so_once_and_then_it_failed(workspace, talked, shown):
    call_id = await talked()
    await make_wrap_up(workspace, call_id, model := FakeModel("The weather is fine.", REPORT))
    assert (await shown(call_id))["wrap_up"]["state"] == "done"
    assert len(model.asked) == 2
    other = await talked()
    await make_wrap_up(workspace, other, model := FakeModel("The weather is fine."))
    made = (await shown(other))["wrap_up"]
    assert (made["state"], made["tokens"], len(model.asked)) == ("pending", 200, 2)
    assert "no_report" in made["error"]["message"]
    await make_wrap_up(workspace, other, model)
    made = (await shown(other))["wrap_up"]
    assert (made["state"], made["tokens"]) == ("failed", 400)  # it would only go on costing


async def test_a_model_that_never_answers_is_given_up_in_time(workspace, talked, shown, monkeypatch):
    monkeypatch.setattr(ask_module, "MODEL_S", 0.1)
    call_id = await talked()
    await make_wrap_up(workspace, call_id, FakeModel(3600.0))
    assert "timeout" in (await shown(call_id))["wrap_up"]["error"]["message"]


async def test_a_server_without_the_key_says_so_and_doesnt_try_again(workspace, talked, shown):
    call_id = await talked()
    await WrapUps(workspace.engine, ModelServers({}), SpendMeters(workspace.engine).of).make(call_id=call_id, round_=1)
    made = (await shown(call_id))["wrap_up"]
    assert (made["state"], made["error"]["code"]) == ("failed", "model_not_usable")
    assert len(await jobs(workspace)) == 1


async def test_a_version_that_is_gone_is_told(workspace, talked, shown):
    call_id = await talked()
    async with workspace.engine.begin() as conn:
        await conn.execute(delete(agent_versions))
    await make_wrap_up(workspace, call_id, FakeModel(REPORT))
    assert (await shown(call_id))["wrap_up"]["error"]["code"] == "agent_gone"


async def test_two_processes_ask_a_model_once(workspace, talked, shown):
    call_id = await talked()
    model = FakeModel(0.2)
    await asyncio.gather(make_wrap_up(workspace, call_id, model), make_wrap_up(workspace, call_id, model))
    assert len(model.asked) == 1
    assert len(await workspace.events(call_id, "wrapped_up")) == 1


async def test_a_process_that_woke_up_too_late_writes_nothing(workspace, talked, shown):
    """It was frozen, and another has taken the wrap-up meanwhile."""
    call_id = await talked()
    slow = asyncio.create_task(make_wrap_up(workspace, call_id, FakeModel(0.3)))
    await until(lambda: _is_leased(workspace))
    await set_wrap_up(workspace, leased_until=func.now() - timedelta(seconds=1))
    await make_wrap_up(workspace, call_id, FakeModel(REPORT | {"summary": "The newer one."}))
    await slow
    assert (await shown(call_id))["summary"] == "The newer one."
    assert len(await workspace.events(call_id, "wrapped_up")) == 1


async def _is_leased(workspace):
    async with workspace.engine.connect() as conn:
        return await conn.scalar(select(wrap_ups.c.leased_until)) is not None


async def test_a_process_that_ends_in_order_gives_it_back(workspace, talked):
    call_id = await talked()
    task = asyncio.create_task(make_wrap_up(workspace, call_id, FakeModel(60.0)))
    await until(lambda: _is_leased(workspace))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not await _is_leased(workspace)
    await make_wrap_up(workspace, call_id, FakeModel(REPORT))
    assert len(await workspace.events(call_id, "wrapped_up")) == 1


async def test_a_wrap_up_that_kills_its_processes_is_given_up(workspace, talked, shown):
    call_id = await talked()
    await set_wrap_up(workspace, begun=5)
    await make_wrap_up(workspace, call_id, model := FakeModel(REPORT))
    assert model.asked == []
    assert (await shown(call_id))["wrap_up"]["error"]["code"] == "interrupted"


# -- with a real model's wire and real jobs ----------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch):
    monkeypatch.setattr(runner_module, "POLL_S", 0.1)
    monkeypatch.setattr(runner_module, "FINISH_S", 0.3)
    monkeypatch.setattr(runner_module, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(books, "PAUSES", replace(books.PAUSES, first_s=0.1))


@asynccontextmanager
async def jobs_done(workspace, database_url, servers):
    meters = SpendMeters(workspace.engine)
    made = WrapUps(workspace.engine, servers, meters.of)
    runner = JobRunner(workspace.engine, database_url, made.jobs, drain=Drain())
    running = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        await runner.aclose()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await meters.aclose()


async def test_a_throttled_model_answers_at_the_second_try(workspace, talked, shown, agent, database_url):
    answer = tool("report", json.dumps(REPORT))
    refusal = (429, {"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}})
    async with model_server(refusal, [*answer[:-1], usage(77), answer[-1]]) as server:
        await set_source(workspace, AGENT.replace("gpt-test", f"gpt-test\nbase_url: {server.url}"))
        call_id = await talked()
        servers = ModelServers({server.url: "key"})
        async with jobs_done(workspace, database_url, servers):
            await until(lambda: _is_done(shown, call_id))
        await servers.aclose()
    made = (await shown(call_id))["wrap_up"]
    assert (made["tokens"], made["dollars"]) == (77, None)  # nobody knows what this model costs
    assert server.asked[1]["messages"][0]["content"].startswith("You are given the transcript")


async def _is_done(shown, call_id):
    return (await shown(call_id))["wrap_up"]["state"] == "done"


async def set_source(workspace, source):
    async with workspace.engine.begin() as conn:
        await conn.execute(update(agent_versions).values(source=source))


async def test_a_process_that_is_killed_in_the_middle_is_made_up_for(workspace, talked, shown, database_url):
    call_id = await talked()
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__.replace("test_job", "dying"), database_url, stdout=asyncio.subprocess.PIPE
    )
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"asked\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert (await shown(call_id))["wrap_up"]["state"] == "pending"
    await set_wrap_up(workspace, leased_until=func.now(), due_at=func.now() - timedelta(minutes=5))  # a while later
    async with jobs_done(workspace, database_url, Servers(FakeModel(REPORT))):
        await WrapUps(workspace.engine, Servers(), SpendMeters(workspace.engine).of).find_lost()
        await until(lambda: _is_done(shown, call_id))
    assert len(await workspace.events(call_id, "wrapped_up")) == 1
