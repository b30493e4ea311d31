"""What an llm agent says word for word: what can be listened to before anybody is called. The rest is the model's."""

from outdial.agents.llm.definition import LlmAgent
from outdial.agents.script.prompts import Prompt, of_machine, of_warm, prompt
from outdial.agents.script.template import Text


def llm_prompts(agent: LlmAgent) -> list[Prompt]:
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
    for tool, line, text in agent.own_tools.said:
        add(tool, "say", line, text)
    found.extend(of_machine(agent.machine))
    add("do_not_call", "say", agent.do_not_call.line, agent.do_not_call.say)
    return sorted(found, key=lambda one: one.line)
