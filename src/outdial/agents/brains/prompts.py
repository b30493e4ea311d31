"""What an agent says word for word whose brain is elsewhere. The rest is the brain's."""

from outdial.agents.brains.definition import BrainAgent
from outdial.agents.script.prompts import Prompt, of_machine, of_warm, prompt
from outdial.agents.script.template import Text


def brain_prompts(agent: BrainAgent) -> list[Prompt]:
    """In the order in which they are written."""
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
    found.extend(of_machine(agent.machine))
    add("do_not_call", "say", agent.do_not_call.line, agent.do_not_call.say)
    return sorted(found, key=lambda one: one.line)
