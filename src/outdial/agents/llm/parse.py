"""An llm agent's YAML, checked, as an LlmAgent. Every fault is a ScriptError that names the line."""


from outdial.agents.llm.definition import LlmAgent
from outdial.agents.llm.talk_parser import INNER_KEYS, TalkParser
from outdial.agents.script.expect import fields, name, yes_or_no
from outdial.agents.script.machine import KEYS as MACHINE_KEYS
from outdial.agents.script.model import ScriptError
from outdial.agents.script.parse import AGENT as AGENT_KEYS
from outdial.agents.script.parse import DO_NOT_CALL_KEYS, Parser
from outdial.agents.script.pronounce import pronunciations
from outdial.agents.script.speech_choice import SPEECH_KEYS
from outdial.agents.script.tree import Node, read_tree

_SECTIONS = (
    "agent", "model", "base_url", "fallback", "greeting", "instructions", "variables", "tools", "transfers", "outcomes",
    "facts", "limits", "think_ahead", "after", "greet", "hold_s", "machine", "do_not_call", "pronounce",
)  # fmt: skip
LLM_KEYS = tuple(dict.fromkeys((*_SECTIONS, *AGENT_KEYS, *SPEECH_KEYS, *MACHINE_KEYS, *DO_NOT_CALL_KEYS, *INNER_KEYS)))


def parse_llm(source: str) -> LlmAgent:
    """Raises ScriptError for the first fault. Slips that may be meant are in `LlmAgent.warnings`."""
    return parse_llm_tree(read_tree(source))


def parse_llm_tree(root: Node) -> LlmAgent:
    return LlmParser().llm(root)


class LlmParser(Parser):
    """The sections that scripts have, too, are read as theirs."""

    def llm(self, root: Node) -> LlmAgent:
        top = fields(root, "an llm agent", _SECTIONS)
        for needed in ("model", "instructions"):
            if needed not in top.nodes:
                raise ScriptError(f"an llm agent needs {needed}", root.line)
        agent = self.begin(top)
        variables = self.defaults(top.nodes.get("variables"))
        greeting = top.nodes.get("greeting")
        talk = TalkParser(self.actions)
        instructions, indents = talk.instructions(top.nodes["instructions"])
        return LlmAgent(
            name=name(agent.nodes["name"], "name") if "name" in agent.nodes else "Agent",
            language=self.tag,
            variables=variables,
            machine=self.machine(top.nodes.get("machine")),
            do_not_call=self.do_not_call(top.nodes.get("do_not_call")),
            models=talk.models(top.nodes),
            greeting=self.text(greeting, "greeting") if greeting else None,
            greeting_line=greeting.line if greeting else 0,
            instructions=instructions,
            indents=indents,
            tools=talk.tools(top.nodes.get("tools")),
            own_tools=talk.own_tools(top.nodes.get("tools")),
            transfers=talk.transfers(top.nodes.get("transfers"), top.nodes.get("facts")),
            outcomes=talk.outcomes(top.nodes.get("outcomes")),
            facts=talk.facts(top.nodes.get("facts")),
            limits=talk.limits(top.nodes.get("limits")),
            think_ahead="think_ahead" in top.nodes and yes_or_no(top.nodes["think_ahead"], "think_ahead"),
            pronounce=pronunciations(top.nodes.get("pronounce")),
            greet=self.greet(top),
            hold_s=self.hold_s(top),
            speech=self.speech,
            warnings=(*self.language_warning(agent.nodes.get("language")), *self.unknown(variables)),
        )
