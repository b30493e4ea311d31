"""A python agent as it is stored: YAML that says where its code is and what it declares. Nobody writes it by hand."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from outdial.agents.python.definition import PythonAgent
from outdial.agents.script.expect import data, fields, listed, name, plain, whole
from outdial.agents.script.machine import KEYS as MACHINE
from outdial.agents.script.model import ScriptError
from outdial.agents.script.parse import AGENT, DO_NOT_CALL_KEYS, Parser
from outdial.agents.script.prompts import Prompt, of_machine, prompt
from outdial.agents.script.pronounce import pronunciations
from outdial.agents.script.speech_choice import SPEECH_KEYS
from outdial.agents.script.tree import Fields, Items, Node, Scalar, read_tree
from outdial.telephony.outcome import MAX_WORD_CHARS

FAULT = "fault"
_HEAD = "# Written in Python by the operator of this server: it can be looked at here, and is changed in its file.\n"
_SECTIONS = (
    "python", "line", "fingerprint", "package", FAULT, "agent", "variables", "types", "outcomes", "transfers", "greet",
    "hold_s", "machine", "do_not_call", "pronounce",
)  # fmt: skip
PYTHON_KEYS = tuple(dict.fromkeys((*_SECTIONS, *AGENT, *SPEECH_KEYS, *MACHINE, *DO_NOT_CALL_KEYS)))
_OUTCOME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def describe(file: str, sections: Mapping[str, Any]) -> str:
    """`sections` by name, those without a value left out."""
    written = {"python": file, **{key: value for key, value in sections.items() if value is not None}}
    return _HEAD + yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=100)


def parse_description(source: str) -> PythonAgent:
    """Raises ScriptError."""
    return parse_python_tree(read_tree(source))


def parse_python_tree(root: Node) -> PythonAgent:
    """Raises ScriptError; of an agent that was broken when it was found, for what was wrong with it."""
    return _Parser().python(root)


def python_prompts(agent: PythonAgent) -> list[Prompt]:
    """What its description has; the rest is in its code."""
    found = list(of_machine(agent.machine))
    if agent.do_not_call.line:
        found.append(prompt("do_not_call", "say", agent.do_not_call.line, agent.do_not_call.say))
    return sorted(found, key=lambda one: one.line)


class _Parser(Parser):
    """The sections that scripts have, too, are read as theirs."""

    def python(self, root: Node) -> PythonAgent:
        top = fields(root, "a python agent", _SECTIONS)
        if FAULT in top.nodes:
            raise ScriptError(plain(top.nodes[FAULT], FAULT))
        if "python" not in top.nodes:
            raise ScriptError("a python agent has a file", root.line)
        agent = self.begin(top)
        variables = self.defaults(top.nodes.get("variables"))
        numbers, outcomes, package = (top.nodes.get(key) for key in ("transfers", "outcomes", "package"))
        types = data(top.nodes["types"]) if "types" in top.nodes else {}
        to = () if numbers is None else listed(numbers, "transfers")
        return PythonAgent(
            name=name(agent.nodes["name"], "name") if "name" in agent.nodes else "Agent",
            language=self.tag,
            variables=variables,
            machine=self.machine(top.nodes.get("machine")),
            do_not_call=self.do_not_call(top.nodes.get("do_not_call")),
            file=plain(top.nodes["python"], "python"),
            line=whole(top.nodes["line"], "line", 1, 10_000_000) if "line" in top.nodes else 1,
            fingerprint=plain(top.nodes["fingerprint"], "fingerprint") if "fingerprint" in top.nodes else "",
            package=None if package is None else plain(package, "package"),
            types=types if isinstance(types, dict) else {},
            transfers=tuple((self.actions.number(one), one.line) for one in to),
            outcomes=None if outcomes is None else self.outcomes(outcomes),
            pronounce=pronunciations(top.nodes.get("pronounce")),
            greet=self.greet(top),
            hold_s=self.hold_s(top),
            speech=self.speech,
            warnings=(*self.language_warning(agent.nodes.get("language")), *self.unknown(variables)),
        )

    def outcomes(self, node: Node) -> tuple[str, ...]:
        if isinstance(node, Items) and not node.nodes:
            return ()
        words: list[Scalar] = listed(node, "outcomes")
        for one in words:
            if not _OUTCOME.fullmatch(one.text) or len(one.text) > MAX_WORD_CHARS:
                raise ScriptError(f"'{one.text[:60]}' is no outcome: one word of letters, digits, _ and -", one.line)
        return tuple(one.text for one in words)


def located(source: str) -> str | None:
    """The file that a stored description names, also of an agent that was broken."""
    try:
        root = read_tree(source)
    except ScriptError:
        return None
    node = root.nodes.get("python") if isinstance(root, Fields) else None
    return node.text if isinstance(node, Scalar) else None
