"""Calls that were talked on and have ended, whose agent asks for a wrap-up; and models that make one."""

import asyncio
import json

from sqlalchemy import func, insert, text, update

from outdial.agents.llm.chat import ToolCall, Usage, Words
from outdial.agents.spend_meters import SpendMeters
from outdial.agents.store import create_agent
from outdial.calls.results import Result, save_result
from outdial.db.engine import reading
from outdial.db.tables import turns
from outdial.db.wrap_up_tables import wrap_ups
from outdial.history.views import get_call
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason
from outdial.workspaces.audit import COMMAND_LINE
from outdial.wrap_up.job import WrapUps

AGENT = """
agent: {name: Reminder}
model: gpt-test
instructions: Remind the callee.
outcomes: {confirmed: They will come, declined: They will not}
facts:
  guests: {about: How many come, type: integer}
after: {summary: true, facts: true, outcome: true}
"""
TALK = [("agent", "Will you come on Tuesday?"), ("callee", "Yes, we will be four.")]
QUOTE = [{"turn": 2, "words": "we will be four"}]
REPORT = {
    "summary": "They will come.",
    "facts": {"guests": {"value": 4, "evidence": QUOTE}},
    "outcome": {"word": "confirmed", "evidence": QUOTE},
}
FACTS = [{"name": "guests", "value": 4, "evidence": [2]}]


class FakeModel:
    """Gives the next of these to each who asks: a report, an error, or seconds to wait."""

    def __init__(self, *answers, name="gpt-test"):
        self.name = name
        self.answers = [*answers]
        self.asked = []

    async def ask(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        yield Words("")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = REPORT
        if isinstance(answer, str):
            yield Words(answer)
        else:
            yield ToolCall("call_1", "report", json.dumps(answer))
        yield Usage(tokens=100, dollars=0.001)

    async def warm_up(self): ...


class Servers:
    def __init__(self, *models):
        self.models = models

    def open(self, wanted):
        return list(self.models)


async def make_agent(workspace):
    made = await create_agent(workspace.engine, workspace.id, source=AGENT, publish=True, by=COMMAND_LINE)
    return made["id"]


async def talk(workspace, agent_id, said=TALK, *, noted=None, by=EndedBy.CALLEE, responded=True, result=True):
    """A call on which this was said and that has ended; its id. `result`: what it brought is here."""
    claim = await workspace.dialed(agent_id=agent_id, agent_version=1)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=func.now(), audio_started_at=func.now())
    if said:
        rows = [
            {"call_id": claim.call_id, "seq": seq, "speaker": who, "text": words, "start_ms": seq}
            for seq, (who, words) in enumerate(said, 1)
        ]
        async with workspace.engine.begin() as conn:
            await conn.execute(insert(turns), rows)
    if result:
        brought = Result(
            noted=noted or {},
            recording=None,
            message_delivered=None,
            transferred=False,
            callee_responded=responded,
            ended_by=by,
            ending=Ending(end_reason=EndReason.COMPLETED, ended_by=by),
        )
        await save_result(workspace.engine, claim.attempt_id, claim.call_id, brought)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    return claim.call_id


async def show(workspace, call_id):
    """As the API does."""
    async with reading(workspace.engine) as conn:
        return await get_call(conn, workspace.id, call_id, base_url="https://voice.example")


async def jobs(workspace):
    async with workspace.engine.connect() as conn:
        query = "SELECT task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id"
        return [(row.task_name, row.args) for row in await conn.execute(text(query))]


async def make_wrap_up(workspace, call_id, *models, round_=1):
    meters = SpendMeters(workspace.engine)
    try:
        await WrapUps(workspace.engine, Servers(*models), meters.of).make(call_id=call_id, round_=round_)
    finally:
        await meters.aclose()


async def set_wrap_up(workspace, **columns):
    async with workspace.engine.begin() as conn:
        await conn.execute(update(wrap_ups).values(**columns))
