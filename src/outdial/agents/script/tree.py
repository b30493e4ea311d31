"""YAML text as a tree that knows its lines; refuses everything a script has no use for.

Built from PyYAML's events, not from its objects: no tags, no anchors and aliases (so no alias bombs), no keys
given twice, and none of YAML 1.1's surprises: `yes` stays a word, 10:30 stays a time, 012 keeps its zero.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Union

import yaml

from outdial.agents.script.model import ScriptError

MAX_SOURCE = 100_000  # characters
MAX_DEPTH = 20

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,14})")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,14})\.\d{1,15}")


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    quoted: bool
    line: int

    @property
    def value(self) -> str | int | float | bool | None:
        """The plain data: true and false, numbers, nothing; everything else is text."""
        if self.quoted:
            return self.text
        if self.text in ("", "null", "~"):
            return None
        if self.text in ("true", "false"):
            return self.text == "true"
        if _INTEGER.fullmatch(self.text):
            return int(self.text)
        return float(self.text) if _DECIMAL.fullmatch(self.text) else self.text


@dataclass(slots=True)
class Items:
    line: int
    nodes: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Fields:
    line: int
    nodes: dict[str, "Node"] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # of the keys


Node = Union[Scalar, Items, Fields]  # noqa: UP007 - the names above are forward references


def read_tree(source: str) -> Node:
    """Raises ScriptError."""
    if len(source) > MAX_SOURCE:
        raise ScriptError(f"the script is longer than {MAX_SOURCE:,} characters")
    try:
        events = yaml.parse(source, Loader=LOADER)
        return _document(iter(events))
    except yaml.MarkedYAMLError as error:
        mark = (_opened(error) and error.context_mark) or error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ScriptError(_explain(error, source, line), line) from None
    except (yaml.YAMLError, UnicodeError):
        line = _bad_character_line(source)
        raise ScriptError("the script holds a character that is no text", line) from None


def _document(events: Iterator[Any]) -> Node:
    root: Node | None = None
    for event in events:
        match event:
            case yaml.DocumentStartEvent() if root is not None:
                raise ScriptError("a script is one YAML document; this starts a second", _line(event))
            case yaml.ScalarEvent() | yaml.AliasEvent() | yaml.CollectionStartEvent():
                root = _node(event, events, 1)
    if root is None:
        raise ScriptError("the script is empty")
    return root


def _node(event: Any, events: Iterator[Any], depth: int) -> Node:
    line = _line(event)
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise ScriptError("a text that starts with & or * needs quotes (scripts have no anchors)", line)
    if event.tag is not None:
        raise ScriptError("a text that starts with ! needs quotes (scripts use no tags)", line)
    if depth > MAX_DEPTH:
        raise ScriptError(f"nested more than {MAX_DEPTH} levels deep", line)
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(event.value, event.style in ("'", '"', "|", ">"), line)
    if isinstance(event, yaml.SequenceStartEvent):
        items = Items(line)
        while not isinstance(child := next(events), yaml.SequenceEndEvent):
            items.nodes.append(_node(child, events, depth + 1))
        return items
    fields = Fields(line)
    while not isinstance(child := next(events), yaml.MappingEndEvent):
        key = _node(child, events, depth + 1)
        if not isinstance(key, Scalar):
            raise ScriptError("a text that starts with { or [ needs quotes", key.line)
        if key.text in fields.nodes:
            first = fields.lines[key.text]
            raise ScriptError(f"'{key.text[:60]}' is here twice (first on line {first})", key.line)
        fields.lines[key.text] = key.line
        fields.nodes[key.text] = _node(next(events), events, depth + 1)
    return fields


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _opened(error: yaml.MarkedYAMLError) -> str:
    """What was opened and then went wrong, "" for none: the place to look at is where that begins."""
    context = error.context or ""
    return next((what for what in ("quoted scalar", "flow sequence", "flow mapping") if what in context), "")


def _explain(error: yaml.MarkedYAMLError, source: str, line: int | None) -> str:
    """The parser's words, and the usual cause where there is one: a text that needed quotes."""
    problem = error.problem or "not YAML"
    lines = source.splitlines()
    text = lines[line - 1] if line is not None and line <= len(lines) else ""
    if "mapping values are not allowed" in problem:
        return "a text with ': ' in it needs quotes"
    if _opened(error) == "quoted scalar":
        return f"a quote opens here and doesn't close ({problem})"
    if "node content" in problem:
        return f"a [ or {{ before this opens and doesn't close ({problem})"
    if "\t" in text[: len(text) - len(text.lstrip())]:
        return "indent with spaces, not with tabs"
    if re.search(r"(?::|-)\s+[{\[*&!%@`]", text):
        return f"a text that starts with {{, [, *, &, !, %, @ or ` needs quotes ({problem})"
    return problem


def _bad_character_line(source: str) -> int:
    for number, line in enumerate(source.split("\n"), start=1):
        if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]", line):
            return number
    return 1
