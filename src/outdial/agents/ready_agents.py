"""Agents ready to run: a version's source, parsed once. Versions never change, so they are kept."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from cachetools import LRUCache
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.gates import gates_of
from outdial.agents.kinds import KINDS, ParsedAgent, parse_agent
from outdial.agents.llm.chat import Model
from outdial.agents.llm.metering import Meter, Metered
from outdial.agents.llm.vendors import ModelServers
from outdial.agents.other_languages import AgentLanguages
from outdial.agents.own_speech import SpeechVendors
from outdial.agents.python.books import version_of
from outdial.agents.python.definition import PythonAgent, WrongVariable
from outdial.agents.python.description import located
from outdial.agents.python.served import NotServed, ServedAgents
from outdial.agents.relay.definition import RelayAgent
from outdial.agents.script.model import ScriptError
from outdial.agents.script.path import Path
from outdial.agents.script.template import TemplateError, parse_text, render
from outdial.agents.script.values import known
from outdial.agents.spend_meters import SpendMeter, SpendMeters
from outdial.agents.tools.access import NoTools, ToolAccess, Tools, load
from outdial.conversation.call_facts import HOLD_S
from outdial.conversation.gates import NO_GATES, Gates
from outdial.conversation.live_call import AgentCoroutine, LiveCall
from outdial.conversation.opening import Greet
from outdial.conversation.understanding.language import known_languages, language_of
from outdial.db.engine import reading
from outdial.db.tables import agent_versions, agents
from outdial.speech.choice import SpeechChoice
from outdial.speech.engines import NONE_OWN, OwnSpeech
from outdial.speech.fallback import VendorVoice
from outdial.speech.reading.reader import AMERICAN, Reading
from outdial.telephony.failures import CallError, FailureCode

MAX_KEPT = 500
_Key = tuple[str, int, int]  # agent, version, and the generation of the server's own agents

UNREADABLE = (LookupError, ValueError)  # what `ReadyAgents.agent` raises of a version that trying again won't help
AGENT_NOT_READ = CallError(
    code=FailureCode.AGENT_FAILED, message="The agent's version could not be read; publish it again."
)


def not_read(error: Exception) -> CallError:
    """Why a call fails whose agent `ReadyAgents.agent` could not give."""
    return error.error if isinstance(error, NotServed) else AGENT_NOT_READ


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyAgent:
    """`run` is the conversation, `machine_*` what the agent itself wants done when a machine answers, `gates` at a
    service that stands before the callee, and `word` fills the {variables} of a text for a call ("" when that can't be
    done). `reading`: how it says what is written, and in which language; `speech`: the engines it brings itself,
    and `languages` those for other languages, None where it keeps to its own; `greet`: who speaks first on a call that
    was placed, `hold_s`: for how long it waits for who asks for a moment. `version`: the one that runs, where that
    needn't be the one that was asked for; `check`: whether it can talk on a call with these variables, None if so."""

    run: AgentCoroutine
    machine_action: str
    machine_message: str | None
    word: Callable[[str, LiveCall], str]
    reading: Reading = AMERICAN
    greet: Greet = Greet.AT_ONCE
    hold_s: float = HOLD_S
    speech: OwnSpeech = NONE_OWN
    languages: AgentLanguages | None = None
    gates: Gates = NO_GATES
    version: int | None = None
    check: Callable[[Mapping[str, Any]], CallError | None] | None = None


class ReadyAgents:
    """Looks agents up by id and version; keeps the most recently used."""

    def __init__(
        self,
        engine: AsyncEngine,
        models: ModelServers | None = None,
        served: ServedAgents | None = None,
        tools: ToolAccess | None = None,
        speech: SpeechVendors | None = None,
        *,
        max_kept: int = MAX_KEPT,
    ) -> None:
        """Without `tools` none is reached, and without `speech` no vendor of it: all speak with the process's."""
        self._engine = engine
        self._meters = SpendMeters(engine)
        self._models = models or ModelServers({})
        self._served = served or ServedAgents(points=[])
        self._tools = tools
        self._speech = speech
        self._kept: LRUCache[_Key, ReadyAgent] = LRUCache(max_kept)
        # Many calls want a new version at the same moment; it is parsed once, and no other version waits for it. A lock
        # is there as long as somebody holds it or waits.
        self._locks: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()

    async def agent(self, agent_id: str, version: int) -> ReadyAgent:
        """Raises LookupError when there is no such version, ScriptError when its source can't be read, NotServed when
        its code isn't here. Code of the server's operator is run as it is now: `ReadyAgent.version` says which."""
        key = (agent_id, version, self._served.generation)
        ready = self._kept.get(key)
        if ready is None:
            lock = self._locks.setdefault(key, asyncio.Lock())
            async with lock:
                ready = self._kept.get(key)
                if ready is None:
                    ready = self._kept[key] = await self._make_ready(agent_id, version)
        return ready

    def meter(self, workspace_id: str) -> SpendMeter:
        """Of what models cost a workspace here."""
        return self._meters.of(workspace_id)

    async def watch(self) -> None:
        """See to the agents whose code comes with the server, until it is cancelled."""
        await self._served.watch(self._engine)

    async def aclose(self) -> None:
        """What their models cost is written, and their connections are closed."""
        for ready in self._kept.values():  # one that is kept no more closes its own, after its last call
            if isinstance(ready.speech.from_text, VendorVoice):
                await ready.speech.from_text.aclose()
            if ready.languages is not None:
                await ready.languages.aclose()
        await self._meters.aclose()
        await self._models.aclose()

    async def _make_ready(self, agent_id: str, version: int) -> ReadyAgent:
        versions = agent_versions.c
        query = (
            select(versions.kind, versions.source, versions.greet, agents.c.name, agents.c.workspace_id)
            .join(agents, agents.c.id == versions.agent_id)
            .where(versions.agent_id == agent_id, versions.version == version)
        )
        async with reading(self._engine) as conn:
            found = (await conn.execute(query)).one_or_none()
        if found is None:
            raise LookupError("agent version not found")
        if not KINDS[found.kind].is_written_here:
            code = self._served.agent(found.name, located(found.source))
            runs = await version_of(self._engine, agent_id, code.source)
            ready = _ready_code(found.kind, code, version if runs is None else runs)
            return self._with_speech(ready, found.workspace_id, code)
        try:
            # Takes a while, and loads what reaches models when the first such agent is there; calls are talking.
            meter = self._meters.of(found.workspace_id)
            tools = NoTools() if self._tools is None else self._tools.of(found.workspace_id)
            greet = Greet(found.greet)
            agent = await asyncio.to_thread(parse_agent, found.source, found.kind)
            ready = await asyncio.to_thread(_ready, found.kind, agent, greet, self._models, meter, tools)
            return self._with_speech(ready, found.workspace_id, agent)
        except ScriptError:
            raise
        except Exception as error:  # of a source that once could be read, or that was written by somebody else
            raise ScriptError("can't be read") from error

    def _with_speech(self, ready: ReadyAgent, workspace_id: str, agent: ParsedAgent) -> ReadyAgent:
        def opened(choice: SpeechChoice, language: str) -> OwnSpeech:
            return NONE_OWN if self._speech is None else self._speech.own(workspace_id, choice, language)

        own, languages = opened(agent.speech, agent.language), None
        if isinstance(agent, RelayAgent):  # its server may change the language
            languages = AgentLanguages(agent.language, agent.speech, own, agent.languages, opened)
        return replace(ready, speech=own, languages=languages)


def _ready(
    kind: str, agent: ParsedAgent, greet: Greet, servers: ModelServers, meter: Meter, tools: Tools
) -> ReadyAgent:
    opened = servers.open(KINDS[kind].models(agent))
    return _prepared(kind, agent, greet, [Metered(model, meter) for model in opened], tools)


def _ready_code(kind: str, agent: PythonAgent, version: int) -> ReadyAgent:
    def check(sent: Mapping[str, Any]) -> CallError | None:
        assert agent.code is not None
        try:
            agent.code.arguments(sent)
        except WrongVariable as error:
            return CallError(code=FailureCode.AGENT_FAILED, message=str(error))
        return None

    ready = _prepared(kind, agent, agent.greet or Greet.AFTER_HELLO, (), NoTools())
    return replace(ready, version=version, check=check)


def _prepared(kind: str, agent: ParsedAgent, greet: Greet, models: Sequence[Model], tools: Tools) -> ReadyAgent:
    agent.reading.spoken("Hello.")  # the rules of a country are made ready when they are first needed
    if isinstance(agent, RelayAgent):
        for language in known_languages():
            language_of(language)
    of = KINDS[kind]
    load(of.tools(agent))

    async def run(call: LiveCall) -> None:
        await of.run(agent, call, Path(), models, tools)

    return ReadyAgent(
        run=run,
        machine_action=agent.machine.action,
        machine_message=agent.machine.message,
        gates=gates_of(agent.machine, lambda text, call: _worded(text, agent, call)),
        word=lambda text, call: _worded(text, agent, call),
        reading=agent.reading,
        greet=greet,
        hold_s=agent.hold_s,
    )


def _worded(text: str, agent: ParsedAgent, call: LiveCall) -> str:
    try:
        return render(parse_text(text), known(call), agent.variables, to_say=True)
    except TemplateError:
        return ""
