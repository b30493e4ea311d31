"""The kinds of agents: how the source of each is read, looked at and followed. A new one is a folder and an entry here.

An agent's versions have a kind each. What an agent is once its source is read, is its kind's own; what all have in
common is `ParsedAgent`.
"""

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from outdial.agents.after.definition import After
from outdial.agents.after.parse import AFTER_KEYS, with_after
from outdial.agents.brains.definition import BrainAgent
from outdial.agents.llm.chat import Model
from outdial.agents.llm.definition import LlmAgent
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.llm.parse import LLM_KEYS, parse_llm_tree
from outdial.agents.llm.prompts import free_prompts, llm_prompts
from outdial.agents.llm.run import run_llm
from outdial.agents.python.definition import PythonAgent
from outdial.agents.python.description import PYTHON_KEYS, parse_python_tree, python_prompts
from outdial.agents.python.run import run_python
from outdial.agents.realtime.definition import RealtimeAgent
from outdial.agents.realtime.parse import REALTIME_KEYS, parse_realtime_tree
from outdial.agents.realtime.run import run_realtime
from outdial.agents.relay.definition import RelayAgent
from outdial.agents.relay.parse import RELAY_KEYS, parse_relay_tree
from outdial.agents.relay.run import run_relay
from outdial.agents.script.checks import models_of, tools_of_script, transfer_numbers, warm_transfers
from outdial.agents.script.model import DoNotCall, Machine, Script, ScriptError, ScriptWarning
from outdial.agents.script.outline import Outline, outline_of
from outdial.agents.script.parse import SCRIPT_KEYS, parse_tree
from outdial.agents.script.path import Path
from outdial.agents.script.prompts import Prompt, script_prompts
from outdial.agents.script.run import run_script
from outdial.agents.script.template import Text
from outdial.agents.script.tree import Node, read_tree
from outdial.agents.script.warm_texts import WarmTexts
from outdial.agents.tools.access import Tools
from outdial.agents.tools.definition import OwnTools
from outdial.agents.voiceflow.definition import VoiceflowAgent
from outdial.agents.voiceflow.parse import VOICEFLOW_KEYS, parse_voiceflow_tree
from outdial.agents.voiceflow.run import run_voiceflow
from outdial.conversation.live_call import LiveCall
from outdial.conversation.opening import Greet
from outdial.refusals import Invalid
from outdial.speech.choice import SpeechChoice
from outdial.speech.reading.reader import Reading

SCRIPT = "script"
REALTIME = "realtime"
LLM = "llm"
RELAY = "relay"
VOICEFLOW = "voiceflow"
PYTHON = "python"

OPERATORS = (
    "python agents come with the server: its operator writes them in files (OUTDIAL_AGENTS) or installs them. Here "
    "they can be looked at, chosen and called, but neither made nor changed"
)


class ParsedAgent(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def variables(self) -> Mapping[str, Any]: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def do_not_call(self) -> DoNotCall: ...
    @property
    def pronounce(self) -> Mapping[str, str]: ...
    @property
    def warnings(self) -> tuple[ScriptWarning, ...]: ...
    @property
    def greet(self) -> Greet | None: ...
    @property
    def hold_s(self) -> float: ...
    @property
    def reading(self) -> Reading: ...
    @property
    def speech(self) -> SpeechChoice: ...
    @property
    def after(self) -> After | None: ...


A = TypeVar("A", bound=ParsedAgent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[A]):
    """`title`: what one is called; `label`: that, on a page. `mark`: the section of its YAML that no other kind has.
    `keys`: what else its YAML may have. `parse` raises ScriptError. `prompts`: what it says word for word. `numbers`:
    to which it transfers calls, and their lines. `models`: which it needs. `tools`: which its author declares. `warm`:
    how it has people asked before it transfers a call to them. `run`: the conversation, with these models, in this
    order, and with what reaches its tools. `outline`: the way from step to step, where it has one. `reached`: where the
    program is that leads it, and the line that says so, where one does. `speech`: what it speaks and listens with, in
    all its languages. `speaks`: its model talks in audio alone, and
    can't be typed to. `is_written_here`: whether its source is
    written by the people of a workspace; else its agents come with the server, and their source only describes them.
    """

    title: str
    label: str
    mark: str
    keys: tuple[str, ...]
    parse: Callable[[Node], A]
    prompts: Callable[[A], list[Prompt]]
    numbers: Callable[[A], Iterable[tuple[Text, int]]]
    models: Callable[[A], tuple[ModelName, ...]]
    run: Callable[[A, LiveCall, Path, Sequence[Model], Tools], Coroutine[Any, Any, None]]
    tools: Callable[[A], OwnTools] = lambda agent: OwnTools()
    warm: Callable[[A], Iterable[WarmTexts]] = lambda agent: ()
    outline: Callable[[Node], Outline] | None = None
    reached: Callable[[A], tuple[str, int]] | None = None
    speech: Callable[[A], tuple[SpeechChoice, ...]] = lambda agent: (agent.speech,)
    speaks: bool = False
    is_written_here: bool = True


async def _run_llm(agent: LlmAgent, call: LiveCall, path: Path, models: Sequence[Model], tools: Tools) -> None:
    await run_llm(agent, call, models, tools)


async def _run_realtime(
    agent: RealtimeAgent, call: LiveCall, path: Path, models: Sequence[Model], tools: Tools
) -> None:
    await run_realtime(agent, call, models, tools)


async def _run_python(agent: PythonAgent, call: LiveCall, path: Path, models: Sequence[Model], tools: Tools) -> None:
    await run_python(agent, call)


async def _run_relay(agent: RelayAgent, call: LiveCall, path: Path, models: Sequence[Model], tools: Tools) -> None:
    await run_relay(agent, call, tools)


async def _run_voiceflow(
    agent: VoiceflowAgent, call: LiveCall, path: Path, models: Sequence[Model], tools: Tools
) -> None:
    await run_voiceflow(agent, call, tools)


async def _run_script(script: Script, call: LiveCall, path: Path, models: Sequence[Model], tools: Tools) -> None:
    await run_script(script, call, path, models, tools)


def _targets(agent: LlmAgent | BrainAgent) -> list[tuple[Text, int]]:
    return [(target.to, target.line) for target in agent.transfers]


def _asked_first(agent: LlmAgent | BrainAgent) -> list[WarmTexts]:
    return [target.warm for target in agent.transfers if target.warm is not None]


KINDS: Mapping[str, Kind[Any]] = {
    SCRIPT: Kind(
        title="a script",
        label="Script",
        mark="steps",
        keys=tuple(dict.fromkeys((*SCRIPT_KEYS, *AFTER_KEYS))),
        parse=with_after(parse_tree),
        prompts=script_prompts,
        numbers=transfer_numbers,
        models=models_of,
        run=_run_script,
        tools=tools_of_script,
        warm=warm_transfers,
        outline=outline_of,
    ),
    REALTIME: Kind(  # before llm agents, which have `instructions`, too
        title="a realtime agent",
        label="Realtime",
        mark="realtime",
        keys=tuple(dict.fromkeys((*REALTIME_KEYS, *AFTER_KEYS))),
        parse=with_after(parse_realtime_tree),
        prompts=llm_prompts,
        numbers=_targets,
        models=lambda agent: agent.models,
        run=_run_realtime,
        tools=lambda agent: agent.own_tools,
        warm=_asked_first,
        reached=lambda agent: agent.reached,
        speaks=True,
    ),
    LLM: Kind(
        title="an llm agent",
        label="Model",
        mark="instructions",
        keys=tuple(dict.fromkeys((*LLM_KEYS, *AFTER_KEYS))),
        parse=with_after(parse_llm_tree),
        prompts=llm_prompts,
        numbers=_targets,
        models=lambda agent: agent.models,
        run=_run_llm,
        tools=lambda agent: agent.own_tools,
        warm=_asked_first,
    ),
    RELAY: Kind(
        title="a relay agent",
        label="Relay",
        mark="relay",
        keys=tuple(dict.fromkeys((*RELAY_KEYS, *AFTER_KEYS))),
        parse=with_after(parse_relay_tree),
        prompts=free_prompts,
        numbers=_targets,
        models=lambda agent: (),
        run=_run_relay,
        reached=lambda agent: agent.reached,
        speech=lambda agent: (agent.speech, *agent.languages.values()),
        warm=_asked_first,
    ),
    VOICEFLOW: Kind(
        title="a voiceflow agent",
        label="Voiceflow",
        mark="voiceflow",
        keys=tuple(dict.fromkeys((*VOICEFLOW_KEYS, *AFTER_KEYS))),
        parse=with_after(parse_voiceflow_tree),
        prompts=free_prompts,
        numbers=_targets,
        models=lambda agent: (),
        run=_run_voiceflow,
        reached=lambda agent: agent.reached,
        warm=_asked_first,
    ),
    PYTHON: Kind(
        title="a python agent",
        label="Python",
        mark="python",
        keys=PYTHON_KEYS,
        parse=parse_python_tree,
        prompts=python_prompts,
        numbers=lambda agent: agent.transfers,
        models=lambda agent: (),
        run=_run_python,
        is_written_here=False,
    ),
}

_CODE = re.compile(r"^(?:async def \w|from [\w.]+ import |import \w|@agent\b)", re.MULTILINE)


def kind_of(source: str) -> str:
    """Of a source whose kind nobody tells: that whose mark it has, also while it isn't sound."""
    for name, kind in KINDS.items():
        if re.search(rf"^{kind.mark}[ \t]*:", source, re.MULTILINE):
            return name
    return PYTHON if _CODE.search(source) else SCRIPT


def parse_agent(source: str, kind: str | None = None) -> ParsedAgent:
    """Raises ScriptError for the first fault."""
    agent: ParsedAgent = KINDS[kind or kind_of(source)].parse(read_tree(source))
    return agent


def check_written(source: str) -> None:
    """Raises ScriptError for a source that its reader doesn't get to run: code, or the description of an agent whose
    code comes with the server."""
    if not KINDS[kind_of(source)].is_written_here:
        raise ScriptError(OPERATORS)


def is_code(source: str) -> bool:
    """Whether somebody has brought a program."""
    return kind_of(source) == PYTHON and not re.search(rf"^{KINDS[PYTHON].mark}[ \t]*:", source, re.MULTILINE)


def kind_written(kind: str | None, source: str) -> str:
    """Of a source that somebody brings along; `kind`: where they say so. Raises Invalid."""
    found = kind or kind_of(source)
    written = [name for name, one in KINDS.items() if one.is_written_here]
    if found not in KINDS:
        raise Invalid("kind", f"is one of: {', '.join(written)}")
    if found not in written:
        raise Invalid("source" if kind is None else "kind", OPERATORS)
    return found
