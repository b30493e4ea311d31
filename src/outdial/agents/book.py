"""Agents ready to run: a version's source, parsed once. Versions never change, so they are kept."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.script.parse import parse_script
from outdial.agents.script.run import run_script, speakable
from outdial.agents.script.template import TemplateError
from outdial.conversation.live_call import AgentCoroutine, LiveCall
from outdial.db.engine import reading
from outdial.db.tables import agent_versions

MAX_KEPT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyAgent:
    """`run` is the conversation, `machine_*` what the agent itself wants done when a machine answers, and `word`
    fills the {variables} of a text for a call ("" when that can't be done)."""

    run: AgentCoroutine
    machine_action: str
    machine_message: str | None
    word: Callable[[str, LiveCall], str]


class AgentBook:
    """Looks agents up by id and version; keeps the most recently used."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._kept: OrderedDict[tuple[str, int], ReadyAgent] = OrderedDict()

    async def agent(self, agent_id: str, version: int) -> ReadyAgent:
        """Raises LookupError when there is no such version, ScriptError when its source can't be read."""
        key = (agent_id, version)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        query = select(agent_versions.c.source).where(
            agent_versions.c.agent_id == agent_id, agent_versions.c.version == version
        )
        async with reading(self._engine) as conn:
            source = (await conn.execute(query)).scalar_one_or_none()
        if source is None:
            raise LookupError("agent version not found")
        ready = _script_agent(source)
        self._kept[key] = ready
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return ready


def _script_agent(source: str) -> ReadyAgent:
    script = parse_script(source)

    async def run(call: LiveCall) -> None:
        await run_script(script, call)

    def word(text: str, call: LiveCall) -> str:
        try:
            return speakable(text, script, call)
        except TemplateError:
            return ""

    return ReadyAgent(
        run=run, machine_action=script.machine.action, machine_message=script.machine.message, word=word
    )
