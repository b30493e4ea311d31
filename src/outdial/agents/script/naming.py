"""The name that a source gives its agent: found in the text, and changed there without touching anything else.

`parse` reads the source, a script's by default; any kind's that writes `agent: name:`.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import yaml

from outdial.agents.script.model import ScriptError
from outdial.agents.script.parse import parse_script
from outdial.agents.script.tree import LOADER

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]*[A-Za-z0-9]")


class Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


def written_name(source: str) -> str | None:
    """What stands under `agent: name:`, None where nothing does. Raises ScriptError, as `parse_script` does."""
    return agent_and_name(source, parse_script)[1]


def agent_and_name(source: str, parse: Callable[[str], N]) -> tuple[N, str | None]:
    """The agent, and its `written_name`; parsed once. Raises ScriptError."""
    agent = parse(source)
    return agent, None if _place(source) is None else agent.name


def named(source: str, name: str, parse: Callable[[str], Named] = parse_script) -> str:
    """A sound script with `name` where it has another one; one that has none stays as it is. Raises ScriptError where
    its text can't take that name."""
    place = _place(source)
    if place is None or parse(source).name == " ".join(name.split()):
        return source
    start, end, line_end = place
    text = name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    changed = f"{source[:start]}{text}{line_end}{source[end:]}"
    try:
        took = parse(changed).name == " ".join(name.split())
    except ScriptError:
        took = False
    if not took:
        line = source.count("\n", 0, start) + 1
        raise ScriptError("the name can't be written into the script; change it there", line)
    return changed


def _place(source: str) -> tuple[int, int, str] | None:
    """Where the name begins and ends, and what has to follow it: a text of several lines takes its line's end along."""
    root = yaml.compose(source, Loader=LOADER)
    agent = _value(root, "agent")
    node = None if agent is None else _value(agent, "name")
    if not isinstance(node, yaml.ScalarNode):
        return None
    return node.start_mark.index, node.end_mark.index, "\n" if node.style in ("|", ">") else ""


def _value(node: Any, key: str) -> Any:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)
