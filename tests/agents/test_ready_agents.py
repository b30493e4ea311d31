import asyncio
import threading

import pytest
from sqlalchemy import delete, insert, update

from agents.llm.model_server import model_server, tool
from agents.script.fake_call import FakeCall
from outdial.agents.kinds import parse_agent
from outdial.agents.llm.vendors import ModelServers
from outdial.agents.ready_agents import ReadyAgents
from outdial.agents.script.model import ScriptError
from outdial.agents.store import add_version, create_agent
from outdial.conversation.opening import Greet
from outdial.conversation.verb_results import CallEnded
from outdial.db.tables import agent_versions
from outdial.speech.reading.reader import Reading
from outdial.testing.text_call import TextCall, hold_call
from outdial.workspaces.audit import COMMAND_LINE


def script(greeting: str) -> str:
    return f"""
agent:
  name: Test
variables:
  user_name:
machine:
  action: leave_message
  message: Hello {{user_name}}, please call us.
steps:
  start:
    - hang_up: {greeting}
"""


@pytest.fixture
async def agent_id(workspace):
    agent = await create_agent(workspace.engine, workspace.id, name="Test", source=script("One."), by=COMMAND_LINE)
    await add_version(workspace.engine, workspace.id, agent["id"], source=script("Two."), by=COMMAND_LINE)
    return agent["id"]


async def test_a_version_runs_as_it_was_written(workspace, agent_id):
    ready = await ReadyAgents(workspace.engine).agent(agent_id, 2)
    call = FakeCall(variables={"user_name": "Jane"})
    with pytest.raises(CallEnded):
        await ready.run(call)
    assert call.said[0] == "Two."
    assert ready.machine_action == "leave_message"
    assert ready.word(ready.machine_message, call) == "Hello Jane, please call us."
    assert ready.word("Hello {user_name", call) == "", "a message of the request's, which nobody could speak"


async def test_a_version_is_read_aloud_as_its_script_says(workspace, agent_id):
    source = script("Hello.").replace("name: Test", "language: en-GB\npronounce: {Nguyen: win}")
    await add_version(workspace.engine, workspace.id, agent_id, source=source, by=COMMAND_LINE)
    ready = await ReadyAgents(workspace.engine).agent(agent_id, 3)
    assert ready.reading == Reading(language="en-GB", pronunciations=(("Nguyen", "win"),))


async def test_a_version_speaks_first_as_it_was_made(workspace, agent_id):
    agents = ReadyAgents(workspace.engine)
    assert (await agents.agent(agent_id, 1)).greet is Greet.AFTER_HELLO
    for source in (f"greet: at_once\n{script('Three.')}", f"hold_s: 60\n{script('Four.')}"):
        await add_version(workspace.engine, workspace.id, agent_id, source=source, by=COMMAND_LINE)
    third, fourth = await agents.agent(agent_id, 3), await agents.agent(agent_id, 4)
    assert (third.greet, third.hold_s, fourth.greet, fourth.hold_s) == (Greet.AT_ONCE, 30, Greet.AFTER_HELLO, 60)
    async with workspace.engine.begin() as conn:
        values = {"agent_id": agent_id, "version": 5, "source": script("Five.")}
        await conn.execute(insert(agent_versions).values(values))  # as a process of an earlier release does
    assert (await agents.agent(agent_id, 5)).greet is Greet.AT_ONCE


async def test_a_version_is_read_once(workspace, agent_id):
    agents = ReadyAgents(workspace.engine)
    ready = await agents.agent(agent_id, 1)
    async with workspace.engine.begin() as conn:
        await conn.execute(delete(agent_versions).where(agent_versions.c.agent_id == agent_id))
    assert await agents.agent(agent_id, 1) is ready


async def test_calls_that_want_a_version_at_the_same_moment_share_the_work(workspace, agent_id):
    agents = ReadyAgents(workspace.engine)
    first, *others = await asyncio.gather(*(agents.agent(agent_id, 1) for _ in range(5)))
    assert all(other is first for other in others)


async def test_no_version_waits_for_another_that_takes_long_to_load(workspace, agent_id, monkeypatch):
    goes_on = threading.Event()

    def slow(source, kind):
        if "One." in source:
            goes_on.wait(30.0)
        return parse_agent(source, kind)

    monkeypatch.setattr("outdial.agents.ready_agents.parse_agent", slow)
    agents = ReadyAgents(workspace.engine)
    slow_one = asyncio.create_task(agents.agent(agent_id, 1))
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(10.0):
            assert (await agents.agent(agent_id, 2)).machine_action == "leave_message"
        assert not slow_one.done()
    finally:
        goes_on.set()
    assert (await slow_one).machine_action == "leave_message"


async def test_one_call_that_gives_up_takes_the_agent_from_nobody(workspace, agent_id):
    agents = ReadyAgents(workspace.engine)
    impatient, patient = (asyncio.create_task(agents.agent(agent_id, 1)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).machine_action == "leave_message"


async def test_those_used_last_are_kept(workspace, agent_id):
    agents = ReadyAgents(workspace.engine, max_kept=1)
    one = await agents.agent(agent_id, 1)
    two = await agents.agent(agent_id, 2)
    assert await agents.agent(agent_id, 2) is two
    assert await agents.agent(agent_id, 1) is not one


async def test_what_is_not_there_or_cannot_be_read_says_so_each_time(workspace, agent_id):
    agents = ReadyAgents(workspace.engine)
    with pytest.raises(LookupError):
        await agents.agent(agent_id, 3)
    await add_version(workspace.engine, workspace.id, agent_id, source=script("Three."), by=COMMAND_LINE)
    await agents.agent(agent_id, 3)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(agent_versions).where(agent_versions.c.version == 1).values(source="steps: ["))
    for _ in range(2):
        with pytest.raises(ScriptError):
            await agents.agent(agent_id, 1)


async def test_a_version_with_a_model_talks_with_it(workspace):
    async with model_server(tool("hang_up", '{"goodbye": "Goodbye, Jane."}')) as server:
        source = f"model: m\nbase_url: {server.url}\ninstructions: Talk to {{user_name}}.\n"
        agent = await create_agent(workspace.engine, workspace.id, name="Test", source=source, by=COMMAND_LINE)
        servers = ModelServers({server.url: ""})
        ready = await ReadyAgents(workspace.engine, servers).agent(agent["id"], 1)
        call = TextCall(variables={"user_name": "Jane"})
        await hold_call(ready.run, call)
        await servers.aclose()
    assert [turn.text for turn in call.turns] == ["Goodbye, Jane."]
    assert '{"user_name": "Jane"}' in server.asked[0]["messages"][0]["content"]
