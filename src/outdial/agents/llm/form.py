"""An llm agent's source as a form: its values, and where each stands; and a value changed there, in the source. Pure.

The source is the one truth. What the form doesn't show stays in it as it is, with its comments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outdial.agents.llm.tools import OPTIONAL
from outdial.agents.script.expect import data
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import Fields, Node, read_tree
from outdial.agents.source_edits import changed, places, renamed, without

ORDER = (
    "agent", "model", "base_url", "fallback", "greeting", "instructions", "variables", "outcomes", "facts", "tools",
    "transfers", "limits",
)  # fmt: skip
LIMITS = ("turns", "seconds", "tokens", "dollars")
TYPES = ("string", "integer", "number", "boolean")
MAX_VALUE = 20_000  # characters
_SHORT = {"facts": "about", "transfers": "to", "fallback": "model"}  # what a text alone stands for

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """`values` by path, "" for what isn't there; lists of names for `names`. `lines`: first and last, of each path that
    is in the source. `elsewhere`: sections that are written in a way the form can't show. `tools`: those the agent has;
    others than OPTIONAL are in the source alone."""

    values: Mapping[Path, Any] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lines: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    tools: Sequence[str] = ()
    elsewhere: Sequence[str] = ()

    def value(self, *path: str) -> Any:
        return self.values.get(path, "")

    def span(self, *path: str) -> str:
        """ "first-last", "" where it isn't there."""
        found = self.lines.get(path)
        return "" if found is None else f"{found[0]}-{found[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`value` at `path`; None takes it out, and so does "" where a name alone means nothing. `rename`: a new name for
    the last of the path, instead."""

    path: Path
    value: Any = None
    rename: str | None = None


def form_of(source: str) -> Form:
    """Also of a source with faults. Raises ScriptError where it is no YAML."""
    root = read_tree(source)
    if not isinstance(root, Fields):
        raise ScriptError("the source is a list of sections, such as instructions", root.line)
    whole = data(root)
    values: dict[Path, Any] = {}
    names: dict[str, list[str]] = {}
    elsewhere = [name for name in ("outcomes", "facts", "transfers", "limits") if not _is_shown(root.nodes.get(name))]
    for section in ("agent", "limits"):
        for key, value in _mapping(whole.get(section)).items():
            values[section, key] = value
    for key in ("model", "base_url", "greeting", "instructions"):
        values[key,] = whole.get(key) or ""
    for key, value in _long(whole.get("fallback"), "fallback").items():
        values["fallback", key] = value
    for section in ("outcomes", "facts", "transfers"):
        found = whole.get(section)
        found = dict.fromkeys(map(str, found), "") if isinstance(found, list) else _mapping(found)
        names[section] = list(found)
        for name, value in found.items():
            if section == "outcomes":
                values[section, name] = value or ""
                continue
            for key, one in _long(value, section).items():
                values[section, name, key] = one
    tools = whole.get("tools")
    tools = [tools] if isinstance(tools, str) else tools
    if not _are_names(tools):
        elsewhere.append("tools")
    return Form(
        values={path: _shown(value) for path, value in values.items()},
        names=names,
        lines=places(source),
        tools=[one for one in tools if isinstance(one, str)] if isinstance(tools, list) else (),
        elsewhere=elsewhere,
    )


def with_edit(source: str, edit: Edit) -> str:
    """The source with a value changed, and nothing else. Raises ScriptError where that can't be done here."""
    path = edit.path
    source = _spelled_out(source, path)
    if edit.rename is not None:
        name = edit.rename.strip()
        if not name:
            raise ScriptError("a name is needed")
        return source if name == path[-1] else renamed(source, path, name)
    if path == ("tools",):
        return _with_tools(source, edit.value)
    value = edit.value.strip("\n") if isinstance(edit.value, str) else edit.value
    if value == "" and len(path) == 2 and path[0] in ("outcomes", "facts"):
        value = _meaning(path[-1])
    return without(source, path) if value in (None, "") else changed(source, path, value, order=ORDER)


def _with_tools(source: str, chosen: Any) -> str:
    """With these of the OPTIONAL ones; others that are named stay."""
    if "tools" in form_of(source).elsewhere:
        raise ScriptError("tools of your own are among these, so they are changed in the source")
    kept = [one for one in form_of(source).tools if one not in OPTIONAL]
    tools = [*kept, *(one for one in OPTIONAL if isinstance(chosen, list) and one in chosen)]
    return changed(source, ("tools",), tools, order=ORDER) if tools else without(source, ("tools",))


def _spelled_out(source: str, path: Path) -> str:
    """With what is written short on the way to `path` written as a section: a list of outcomes, a fact's meaning."""
    whole = data(read_tree(source))
    found = whole.get(path[0]) if isinstance(whole, dict) else None
    if path[0] == "outcomes" and isinstance(found, list):
        return changed(source, ("outcomes",), {str(one): _meaning(str(one)) for one in found}, order=ORDER)
    short = _SHORT.get(path[0])
    depth = 1 if path[0] == "fallback" else 2
    if short is None or len(path) <= depth:
        return source
    value = found if depth == 1 else _mapping(found).get(path[1])
    if value is None or isinstance(value, dict):
        return source
    return changed(source, path[:depth], {short: value}, order=ORDER)


def _meaning(name: str) -> str:
    """Of an outcome or a fact, before somebody writes one."""
    return name.replace("_", " ")


def _is_shown(node: Node | None) -> bool:
    return node is None or isinstance(node, Fields) or isinstance(data(node), list | None)


def _are_names(tools: Any) -> bool:
    return tools is None or (isinstance(tools, list) and all(isinstance(one, str) for one in tools))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _long(value: Any, section: str) -> dict[str, Any]:
    return value if isinstance(value, dict) else {} if value is None else {_SHORT[section]: value}


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None or isinstance(value, dict) else value.strip("\n") if isinstance(value, str) else value
