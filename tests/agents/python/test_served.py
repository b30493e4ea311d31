"""Agents in Python in a server: in its books, in its calls, and when their files change."""

import asyncio
import threading
import time

import pytest
from sqlalchemy import select

from agents.python.sources import SOURCE, say
from agents.script.fake_call import FakeCall
from dispatch.test_dispatcher import all_calls_are, dispatching
from outdial.agents.history import version_history
from outdial.agents.python import served as served_module
from outdial.agents.python.served import NotServed, ServedAgents
from outdial.agents.ready_agents import ReadyAgents, not_read
from outdial.agents.store import add_version, create_agent, get_agent, list_agents, publish_version, rename_agent
from outdial.calls.agent_choice import note_version
from outdial.db.tables import agent_versions
from outdial.lines.workspace_pools import create_workspace
from outdial.refusals import Conflict, Invalid
from outdial.telephony.state import CallState
from outdial.workspaces.audit import COMMAND_LINE
from workspace import until

GOOD = say("One.")
BROKEN = SOURCE.replace("async def one(", "async def one(,")


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "agents" / "one.py"
    file.parent.mkdir()
    file.write_text(GOOD)
    return file


@pytest.fixture
async def served(workspace, file):
    return await start(workspace, file)


async def start(workspace, file, **more):
    return await ServedAgents.begin(workspace.engine, file.parent, reload=True, progress=lambda step: None, **more)


async def only_agent(workspace):
    async with workspace.engine.connect() as conn:
        [one] = await list_agents(conn, workspace.id)
        return await get_agent(conn, workspace.id, one["id"])


async def versions(workspace):
    agent = await only_agent(workspace)
    return [(one["version"], one["published"]) for one in agent["versions"]]


async def no_watch_is_left():
    return not any(thread.name == "watch for blocking agents" for thread in threading.enumerate())


async def said(ready, **variables):
    call = FakeCall(variables=variables)
    await ready.run(call)
    return call.said


async def test_it_is_in_the_books_published_with_a_description_for_its_source(workspace, served):
    agent = await only_agent(workspace)
    assert (agent["name"], agent["kind"], agent["published_version"], agent["draft_version"]) == ("one", "python", 1, 1)
    assert "python: one.py" in agent["source"]
    assert "One." not in agent["source"], "the operator's code is not the workspace's to read"
    assert agent["versions"][0]["greet"] == "after_hello"
    async with workspace.engine.connect() as conn:
        [version] = await version_history(conn, workspace.id, agent)
    assert version["created_by"] == "Command line"


async def test_a_server_that_starts_again_with_the_same_code_writes_nothing(workspace, file, served):
    await start(workspace, file)
    await asyncio.gather(*(start(workspace, file) for _ in range(3)))
    assert await versions(workspace) == [(1, True)]


async def test_servers_that_start_at_once_make_one_agent(workspace, file):
    await asyncio.gather(*(start(workspace, file) for _ in range(4)))
    assert await versions(workspace) == [(1, True)]


async def test_other_code_is_another_version_and_older_code_again_a_newer_one(workspace, file, served):
    for words in ("Two.", "One."):
        file.write_text(say(words))
        await start(workspace, file)
    assert await versions(workspace) == [(3, True), (2, False), (1, False)]


async def test_a_workspace_that_is_made_later_has_it_too(workspace, served):
    other = await create_workspace(workspace.engine, name="Later")
    await served.tell(workspace.engine)
    async with workspace.engine.connect() as conn:
        assert [one["name"] for one in await list_agents(conn, other["id"])] == ["one"]


async def test_a_workspace_that_is_not_named_has_none(workspace, file):
    file.write_text(GOOD.replace("@agent", "@agent(workspaces=['ws_other'])"))
    await start(workspace, file)
    async with workspace.engine.connect() as conn:
        assert await list_agents(conn, workspace.id) == []
    file.write_text(GOOD.replace("@agent", f"@agent(workspaces=[{workspace.id!r}])"))
    await start(workspace, file)
    assert (await only_agent(workspace))["name"] == "one"


# -- nobody writes one here ------------------------------------------------------------------------------------


async def test_neither_source_nor_name_nor_publication_can_be_changed(workspace, served):
    agent = await only_agent(workspace)
    by = {"by": COMMAND_LINE}
    script = "steps: {a: {hang_up: Goodbye.}}\n"
    for change in (
        add_version(workspace.engine, workspace.id, agent["id"], source=script, **by),
        publish_version(workspace.engine, workspace.id, agent["id"], 1, **by),
        rename_agent(workspace.engine, workspace.id, agent["id"], name="Mine", **by),
    ):
        with pytest.raises(Conflict) as raised:
            await change
        assert raised.value.code == "agent_of_operator"
    assert await only_agent(workspace) == agent


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("python", GOOD),
        ("python", "steps: {a: {hang_up: Goodbye.}}\n"),
        (None, GOOD),
        (None, "@agent\nasync def x(call): ...\n"),
        (None, "import os\nos.system('id')\n"),
        (None, "python: ../../one.py\nagent: {name: one}\n"),
        ("script", "python: one.py\nagent: {name: one}\n"),
        ("llm", GOOD),
    ],
)
async def test_no_code_and_no_description_is_taken_from_anybody(workspace, served, kind, source):
    script = "steps: {a: {hang_up: Goodbye.}}\n"
    own = await create_agent(workspace.engine, workspace.id, name="Own", source=script, by=COMMAND_LINE)
    with pytest.raises(Invalid) as made:
        await create_agent(workspace.engine, workspace.id, name="Mine", kind=kind, source=source, by=COMMAND_LINE)
    with pytest.raises(Invalid):
        await add_version(workspace.engine, workspace.id, own["id"], kind=kind, source=source, by=COMMAND_LINE)
    if kind in (None, "python"):
        assert "python agents come with the server" in made.value.message
    async with workspace.engine.connect() as conn:
        rows = (await conn.execute(select(agent_versions.c.kind))).scalars().all()
    assert sorted(rows) == ["python", "script"]


# -- on calls --------------------------------------------------------------------------------------------------


async def test_its_calls_run_the_code_that_is_loaded_and_know_its_version(workspace, file, served):
    agents = ReadyAgents(workspace.engine, served=served)
    agent = await only_agent(workspace)
    ready = await agents.agent(agent["id"], 1)
    assert (await said(ready), ready.version, ready.machine_action) == (["One."], 1, "hang_up")
    assert await agents.agent(agent["id"], 1) is ready
    file.write_text(say("Two."))
    await served._look(workspace.engine)
    again = await agents.agent(agent["id"], 1)
    assert (await said(again), again.version) == (["Two."], 2)
    assert (await said(ready)) == ["One."], "a call that is under way goes on with what it has begun with"


async def test_the_version_that_talked_is_the_calls(workspace):
    call_id = await workspace.queue(agent_version=1)
    await note_version(workspace.engine, call_id, 7)
    assert (await workspace.call(call_id)).agent_version == 7


async def test_what_a_call_has_to_bring_is_checked_before_it_is_dialled(workspace, file):
    file.write_text(SOURCE.replace("call: Call", "call: Call, visits: int"))
    agents = ReadyAgents(workspace.engine, served=await start(workspace, file))
    ready = await agents.agent((await only_agent(workspace))["id"], 1)
    assert ready.check is not None
    assert ready.check({"visits": 3}) is None
    error = ready.check({})
    assert error is not None
    assert (error.code, error.message) == ("agent_failed", "The variable 'visits' is missing, and has no default.")


async def test_a_broken_file_fails_its_calls_with_its_line(workspace, file, served):
    file.write_text(BROKEN)
    agents = ReadyAgents(workspace.engine, served=await start(workspace, file))
    agent = await only_agent(workspace)
    assert (agent["published_version"], agent["draft_version"]) == (1, 2), "the last one that was sound stays published"
    assert "fault: " in agent["source"]
    for version in (1, 2):
        with pytest.raises(NotServed) as raised:
            await agents.agent(agent["id"], version)
        error = not_read(raised.value)
        assert error.code == "agent_failed"
        assert error.message.startswith("The agent's code has a fault: one.py, line 5: invalid syntax")


async def test_one_that_never_was_sound_is_there_and_says_why(workspace, file):
    file.write_text(BROKEN)
    agents = ReadyAgents(workspace.engine, served=await start(workspace, file))
    agent = await only_agent(workspace)
    assert (agent["name"], agent["published_version"]) == ("one", 1), "its calls are taken, and fail with the reason"
    with pytest.raises(NotServed, match=r"one\.py, line 5"):
        await agents.agent(agent["id"], 1)
    file.write_text(GOOD)
    await start(workspace, file)
    assert await versions(workspace) == [(2, True), (1, False)]


async def test_one_whose_file_is_gone_fails_its_calls(workspace, file, served):
    file.unlink()
    agents = ReadyAgents(workspace.engine, served=await start(workspace, file))
    agent = await only_agent(workspace)
    with pytest.raises(NotServed, match="its code is not on this server"):
        await agents.agent(agent["id"], 1)


# -- files that change -----------------------------------------------------------------------------------------


async def test_a_broken_edit_keeps_the_last_good_one_and_says_why(workspace, file, served, caplog):
    agents = ReadyAgents(workspace.engine, served=served)
    file.write_text(BROKEN)
    for _ in range(3):
        await served._look(workspace.engine)
    agent = await only_agent(workspace)
    assert (agent["published_version"], agent["draft_version"]) == (1, 2)
    assert (await said(await agents.agent(agent["id"], 2))) == ["One."]
    [record] = [one for one in caplog.records if one.message == "Agent's code is broken"]
    assert (record.file, record.kept) == ("one.py", ["one"])
    assert record.reason.startswith("one.py, line 5: invalid syntax")
    file.write_text(say("Mended."))
    await served._look(workspace.engine)
    assert (await said(await agents.agent(agent["id"], 1))) == ["Mended."]
    assert await versions(workspace) == [(3, True), (2, False), (1, False)]


async def test_a_server_that_is_not_for_writing_them_reads_no_file_again(workspace, file):
    served = await ServedAgents.begin(workspace.engine, file.parent, reload=False, progress=lambda step: None)
    file.write_text(say("Two."))
    await served._look(workspace.engine)
    assert await versions(workspace) == [(1, True)]


async def test_files_and_workspaces_are_looked_at_all_the_time(workspace, file, served, monkeypatch):
    monkeypatch.setattr(served_module, "LOOK_FOR_CHANGES_S", 0.01)
    watching = asyncio.create_task(served.watch(workspace.engine))
    file.write_text(say("Two."))

    async def two_versions():
        return len(await versions(workspace)) == 2

    await until(two_versions)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await until(no_watch_is_left)


async def test_code_that_keeps_the_event_loop_to_itself_is_named(workspace, file, served, monkeypatch, caplog):
    file.write_text(GOOD.replace("    await", "    import time; time.sleep(0.7)\n    await", 1))
    await served._look(workspace.engine)
    watching = asyncio.create_task(served.watch(workspace.engine))
    await asyncio.sleep(0.2)
    ready = await ReadyAgents(workspace.engine, served=served).agent((await only_agent(workspace))["id"], 1)
    assert await said(ready) == ["One."]
    time.sleep(0.5)  # noqa: ASYNC251 - somebody else, who is not named
    await asyncio.sleep(0.2)
    watching.cancel()
    [record] = [one for one in caplog.records if one.message == "Event loop blocked by agent"]
    assert (record.agent, record.file, record.line) == ("one", "one.py", 6)


# -- before a call is dialled ----------------------------------------------------------------------------------


async def test_a_call_of_a_broken_agent_is_not_dialled_and_says_why(workspace, file, database_url):
    file.write_text(SOURCE.replace("call: Call", "call: Call, visits: int"))
    served = await start(workspace, file)
    agent = await only_agent(workspace)
    call_id = await workspace.queue(agent_id=agent["id"], variables={"visits": "many"})
    agents = ReadyAgents(workspace.engine, served=served)
    async with dispatching(workspace, database_url, agents=agents):
        await until(all_calls_are(workspace, CallState.ENDED))
    call = await workspace.call(call_id)
    assert (call.end_reason, call.error["code"]) == ("failed", "agent_failed")
    assert call.error["message"].startswith("The variable 'visits' isn't of the type")
    assert workspace.carrier.books == {}
