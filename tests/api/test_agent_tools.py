"""A tool tried by whoever writes an agent: really asked, and in the audit log."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib import import_module

import pytest
from sqlalchemy import select

from model_server import model_server
from outdial.agents.tools.access import ToolAccess
from outdial.db.tables import audit_log
from outdial.net.addresses import Allowed
from outdial.simulator.server import Simulator
from outdial.workspaces.access import Role

KEY = "sk-calendar-9"
SLOT = "Friday at nine in the morning"
SOURCE = """model: m
instructions: Talk.
tools:
  - name: free_slots
    about: Free times.
    url: BASE/tools/free_slots
    arguments: {type: object, properties: {day: {type: string}}}
    headers: {Authorization: "Bearer {secret:calendar}"}
  - name: book_slot
    about: Book.
    method: POST
    url: BASE/tools/book_slot
    arguments: {type: object, properties: {slot: {type: string}, name: {type: string, writeOnly: true}}}
  - name: calendar
    mcp: BASE/mcp
    tools: [free_slots]
    consequences: false
"""


async def secrets(names, host):
    return {"calendar": KEY}


@pytest.fixture
async def simulator(app) -> AsyncIterator[Simulator]:
    async with model_server() as simulator:
        access = ToolAccess(Allowed.parse("127.0.0.1"), lambda workspace_id: secrets)
        await asyncio.to_thread(import_module, "outdial.agents.tools.mcp_session")
        app.state.services = replace(app.state.services, tools=access)
        yield simulator
        await access.aclose()


async def attempt(client, simulator, tool, **body):
    source = SOURCE.replace("BASE", simulator.base_url)
    return await client.post("/v1/agents/tools/try", json={"source": source, "tool": tool, **body})


async def test_a_tool_is_asked_and_shown_without_secrets(browser_of, simulator, engine):
    client = await browser_of(Role.EDITOR)
    answer = await attempt(client, simulator, "free_slots", arguments={"day": "Friday"})
    assert answer.status_code == 200
    tried = answer.json()
    assert (tried["result"], tried["status"], tried["answer"]) == ("ok", 200, {"slots": [SLOT]})
    assert tried["request"] == {
        "method": "GET",
        "url": f"{simulator.base_url}/tools/free_slots?day=Friday",
        "headers": {"Authorization": "Bearer {secret:calendar}"},
        "body": None,
    }
    assert KEY not in answer.text
    async with engine.connect() as conn:
        [entry] = (await conn.execute(select(audit_log).where(audit_log.c.act == "tool.tried"))).all()
    assert entry.subject_name == "free_slots"
    assert entry.details["result"] == "ok"


async def test_a_tool_of_a_server_is_asked(browser_of, simulator):
    client = await browser_of(Role.EDITOR)
    tried = (await attempt(client, simulator, "calendar__free_slots")).json()
    assert (tried["result"], tried["place"]) == ("ok", "calendar")


async def test_what_changes_something_is_asked_only_by_who_says_so(browser_of, simulator):
    client = await browser_of(Role.EDITOR)
    given = {"slot": SLOT, "name": "Jane Miller"}
    refused = await attempt(client, simulator, "book_slot", arguments=given)
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "has_consequences")
    assert simulator.tools.calendar.bookings == []
    tried = (await attempt(client, simulator, "book_slot", arguments=given, consequences=True)).json()
    assert tried["result"] == "ok"
    assert tried["arguments"] == tried["request"]["body"] == {"slot": SLOT, "name": "[redacted]"}
    assert simulator.tools.calendar.bookings == [SLOT]


@pytest.mark.parametrize(
    ("tool", "body", "field"),
    [("fly", {}, "tool"), ("free_slots", {"arguments": {"day": 5}}, "arguments")],
)
async def test_what_can_not_be_asked_is_told(browser_of, simulator, tool, body, field):
    answer = await attempt(await browser_of(Role.EDITOR), simulator, tool, **body)
    assert answer.status_code == 422
    assert field in answer.text


async def test_who_only_looks_may_not(browser_of, simulator):
    assert (await attempt(await browser_of(Role.VIEWER), simulator, "free_slots")).status_code == 403
