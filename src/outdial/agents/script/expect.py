"""A node of the tree as what it has to be, or a ScriptError that says what was expected."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import Fields, Items, Node, Scalar

MAX_NAME = 100  # characters
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")  # of a variable or a step


def fields(node: Node, what: str, known: Iterable[str] | None = None) -> Fields:
    """A mapping; with `known`, one that has no other keys."""
    if not isinstance(node, Fields):
        raise ScriptError(f"{what} is written as 'key: value' lines", node.line)
    if known is not None:
        names = list(known)
        for key in node.nodes:
            if key not in names:
                hint = suggestion(key, names)
                raise ScriptError(f"'{key[:60]}' is unknown in {what}{hint}", node.lines[key])
    return node


def listed(node: Node, what: str) -> list[Scalar]:
    """A list of texts; a single text is a list of one."""
    nodes = node.nodes if isinstance(node, Items) else [node]
    for one in nodes:
        plain(one, what)
    return [one for one in nodes if isinstance(one, Scalar)]


def plain(node: Node, what: str) -> str:
    """A text that isn't empty, as written."""
    if isinstance(node, Fields):
        raise ScriptError(f"{what} is a text; one that starts with {{ needs quotes", node.line)
    if isinstance(node, Items):
        raise ScriptError(f"{what} is one text, not a list", node.line)
    if not node.text.strip():
        raise ScriptError(f"{what} is empty", node.line)
    return node.text


def name(node: Node, what: str) -> str:
    text = " ".join(plain(node, what).split())
    if len(text) > MAX_NAME:
        raise ScriptError(f"{what} is longer than {MAX_NAME} characters", node.line)
    return text


def whole(node: Node, what: str, least: int, most: int) -> int:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ScriptError(f"{what} is a whole number from {least} to {most}", node.line)
    return value


def seconds(node: Node, what: str, least: float = 1, most: float = 60) -> float:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ScriptError(f"{what} is a number of seconds from {least} to {most}", node.line)
    return float(value)


def yes_or_no(node: Node, what: str) -> bool:
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, bool):
        raise ScriptError(f"{what} is true or false", node.line)
    return value


def pressed(node: Node) -> tuple[str, ...]:
    found = listed(node, "digits")
    for one in found:
        if not re.fullmatch(r"[0-9*#]{1,20}", one.text):
            raise ScriptError(f"'{one.text[:60]}' can't be pressed: digits are 0-9, * and #", one.line)
    if not found:
        raise ScriptError("digits are a list such as [1]", node.line)
    return tuple(one.text for one in found)


def data(node: Node) -> Any:
    """Plain data: text, numbers, true, false, nothing, lists and mappings of those."""
    match node:
        case Scalar():
            return node.value
        case Items():
            return [data(one) for one in node.nodes]
        case Fields():
            return {key: data(value) for key, value in node.nodes.items()}


def suggestion(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def choice(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"
