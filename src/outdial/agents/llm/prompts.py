"""What an agent says word for word that talks freely otherwise: what can be listened to before anybody is called. The
rest is its model's, or its brain's elsewhere."""

from collections.abc import Iterable
from typing import Protocol

from outdial.agents.llm.definition import LlmAgent
from outdial.agents.llm.free_talk import TransferTarget
from outdial.agents.script.model import DoNotCall, Machine
from outdial.agents.script.prompts import Prompt, of_machine, of_warm, prompt
from outdial.agents.script.template import Text


class FreeAgent(Protocol):
    @property
    def greeting(self) -> Text | None: ...
    @property
    def greeting_line(self) -> int: ...
    @property
    def transfers(self) -> tuple[TransferTarget, ...]: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def do_not_call(self) -> DoNotCall: ...


def llm_prompts(agent: LlmAgent) -> list[Prompt]:
    """In the order in which they are written."""
    return free_prompts(agent, agent.own_tools.said)


def free_prompts(agent: FreeAgent, by_tools: Iterable[tuple[str, int, Text]] = ()) -> list[Prompt]:
    """The same of any such agent. `by_tools`: what is said while a tool is asked, with the tool's name and the line."""
    found: list[Prompt] = []

    def add(step: str, verb: str, line: int, text: Text | None) -> None:
        if text is not None and line:
            found.append(prompt(step, verb, line, text))

    add("greeting", "say", agent.greeting_line, agent.greeting)
    for target in agent.transfers:
        add(target.name, "say", target.line, target.say)
        add(target.name, "say", target.line, target.failed)
        if target.warm is not None:
            found.extend(of_warm(target.name, target.warm))
    for tool, line, text in by_tools:
        add(tool, "say", line, text)
    found.extend(of_machine(agent.machine))
    add("do_not_call", "say", agent.do_not_call.line, agent.do_not_call.say)
    return sorted(found, key=lambda one: one.line)
