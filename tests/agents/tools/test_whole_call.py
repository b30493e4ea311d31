"""A whole call with the simulated model, its HTTP tool server and its MCP server, each at the other end of a socket."""

import asyncio
import json

import pytest

from model_server import model_server
from outdial.agents.kinds import KINDS, LLM, parse_agent
from outdial.agents.llm import asking
from outdial.agents.llm.vendors import ModelServers
from outdial.agents.script.path import Path
from outdial.agents.tools.access import ToolAccess, load
from outdial.net.addresses import Allowed
from outdial.secrets.store import SecretMissing
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.model.models import Call, Rule, SimulatedModel, When
from outdial.testing.callee import Says
from outdial.testing.text_call import TextCall, hold_call

KEY = "sk-calendar-9"
SLOT = "Friday at nine in the morning"
CLERK = SimulatedModel(name="simulated-clerk", rules=(
    Rule(when=When(user="friday", not_called="free_slots"), say="Let me look.",
         calls=(Call(tool="free_slots", arguments={"day": "Friday"}),)),
    Rule(when=When(tool="free_slots", result="slots"), say="{result.answer.slots.0} is free. Shall I book it?"),
    Rule(when=When(user="yes"), say="Fine.", calls=(Call(tool="calendar__book_slot", arguments={"slot": SLOT}),)),
    Rule(when=When(tool="calendar__book_slot", result='"ok"'),
         calls=(Call(tool="hang_up", arguments={"goodbye": "It is booked. Goodbye!", "outcome": "booked"}),)),
    Rule(calls=(Call(tool="hang_up", arguments={"goodbye": "I can't book it. Goodbye!", "outcome": "declined"}),)),
))  # fmt: skip
AGENT = """model: simulated-clerk
base_url: BASE/model/v1
greeting: Hello, this is Meadow Dental. When would you like to come?
instructions: Find a time and book it.
outcomes: {booked: A time is booked., declined: None is.}
tools:
  - name: free_slots
    about: Free times.
    url: BASE/tools/free_slots
    arguments: {type: object, properties: {day: {type: string}}}
    headers: {Authorization: "Bearer {secret:calendar}"}
  - name: calendar
    mcp: BASE/mcp
    headers: {Authorization: "Bearer {secret:calendar}"}
    tools: [book_slot]
    before: I am booking that.
    time_limit_s: 3
"""


async def secrets(names, host):
    if set(names) != {"calendar"} or host != "127.0.0.1":
        raise SecretMissing(min(names))
    return {"calendar": KEY}


@pytest.mark.parametrize(
    ("fault", "outcome", "result"),
    [
        (None, "booked", "ok"),
        (FaultKind.TOOL_FAILED, "declined", "failed"),
        (FaultKind.TOOL_RESET, "declined", "unknown"),
    ],
)
async def test_a_model_looks_a_time_up_and_books_it(monkeypatch, fault, outcome, result):
    monkeypatch.setattr(asking, "AT_ONCE_S", 10.0)  # the callee of a text call has no clock: it would answer at once
    before = asyncio.all_tasks()
    async with model_server(CLERK) as simulator:
        if fault is not None:
            simulator.network.faults.add(Fault(kind=fault, tool="book_slot"))
        agent = parse_agent(AGENT.replace("BASE", simulator.base_url), LLM)
        models = ModelServers({f"{simulator.base_url}/model/v1": "any"})
        access = ToolAccess(Allowed.parse("127.0.0.1"), lambda workspace_id: secrets)
        call = TextCall([Says("On Friday, please."), Says("Yes."), Says("Bye.")])
        try:
            await asyncio.to_thread(load, KINDS[LLM].tools(agent))
            opened = await asyncio.to_thread(models.open, KINDS[LLM].models(agent))
            await hold_call(lambda live: KINDS[LLM].run(agent, live, Path(), opened, access.of("ws")), call)
        finally:
            await models.aclose()
            await access.aclose()
        bookings = simulator.tools.calendar.bookings
        asked = [body for one in simulator.model.asked for body in [json.dumps(one.body)]]
    assert call.noted["outcome"] == outcome
    said = [turn.text for turn in call.turns if turn.speaker == "agent"]
    assert said[1:5] == ["Let me look.", f"{SLOT} is free. Shall I book it?", "Fine.", "I am booking that."]
    tools = [data for type_, data in call.events if type_ == "tool"]
    assert [(one["tool"], one.get("result")) for one in tools] == [
        ("free_slots", "ok"), ("calendar__book_slot", result), ("hang_up", None),
    ]  # fmt: skip
    assert bookings == ([] if fault is FaultKind.TOOL_FAILED else [SLOT])
    assert KEY not in "".join(asked) + json.dumps(tools)
    for _ in range(50):
        if not asyncio.all_tasks() - before:
            break
        await asyncio.sleep(0.02)
    assert asyncio.all_tasks() - before == set()
