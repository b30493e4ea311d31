"""Changes of single values in an agent's YAML: every other line stays as it is, and so do its comments. Pure.

A path is the keys from the outside to the inside: ("facts", "new_day", "about").
"""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import yaml

from outdial.agents.script.expect import data
from outdial.agents.script.model import ScriptError
from outdial.agents.script.tree import LOADER, read_tree

INDENT = 2
WIDTH = 110  # of folded lines
_PLAIN = re.compile(r"[A-Za-z](?:[\w .,'!?()/@%+-]|:(?=\S)|[{}|](?=\S))*")
_NO_TEXT = frozenset({"true", "false", "null"})
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*(#[^\n]*)?")


def changed(source: str, path: Sequence[str], value: Any, *, order: Sequence[str] = ()) -> str:
    """With `value` at `path`, made where it isn't there: in the `order` of the outermost keys, else at the end of its
    section. Raises ScriptError where the source is no YAML, or has something else on the way there."""
    return _edited(source, path, value, order)


def without(source: str, path: Sequence[str]) -> str:
    """Without what is at `path`, and without what is empty then. Raises ScriptError."""
    return _edited(source, path, None, ())


def renamed(source: str, path: Sequence[str], name: str) -> str:
    """With `name` for the last key of `path`. Raises ScriptError."""
    wanted = _data(source)
    section = _section(wanted, path)
    if path[-1] not in section:
        raise ScriptError("it isn't in the source any more")
    if name in section:
        raise ScriptError(f"'{name[:60]}' is there already")
    moved = {name if key == path[-1] else key: one for key, one in section.items()}
    section.clear()
    section.update(moved)
    key, _ = _pair(_found(_compose(source), path[:-1]), path[-1])
    return _checked(source[: key.start_mark.index] + _scalar(name) + source[key.end_mark.index :], wanted, key)


def places(source: str) -> dict[tuple[str, ...], tuple[int, int]]:
    """The first and the last line of whatever has a key, by its path. The source is YAML."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}

    def look(node: Any, path: tuple[str, ...]) -> None:
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            inner = (*path, str(key.value))
            end = max(_end(source, value), key.end_mark.index)
            found[inner] = key.start_mark.line + 1, source.count("\n", 0, end) + 1
            look(value, inner)

    look(_compose(source), ())
    return found


# -- what is wanted ----------------------------------------------------------------------------------------------


def _data(source: str) -> Any:
    return data(read_tree(source))


def _section(root: Any, path: Sequence[str], *, makes: bool = False) -> dict[str, Any]:
    """The mapping that the last key of `path` is in."""
    found = root
    for key in path[:-1]:
        if isinstance(found, dict) and found.get(key) is None and makes:
            found[key] = {}
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise ScriptError(f"{'.'.join(path)[:60]} is written in another way; change it in the source")
    return found


def _edited(source: str, path: Sequence[str], value: Any, order: Sequence[str]) -> str:
    wanted = _data(source)
    if value is None:
        section = _section(wanted, path)
        if path[-1] not in section:
            return source
        del section[path[-1]]
        while len(path) > 1 and not section:
            path = path[:-1]
            section = _section(wanted, path)
            del section[path[-1]]
    else:
        _section(wanted, path, makes=True)[path[-1]] = deepcopy(value)
    root = _compose(source)
    if not isinstance(root, yaml.MappingNode):
        raise ScriptError("the source is no list of sections")
    # What is in braces on the way there is written anew, as a whole; so is what begins with this.
    depth = next((n for n in range(1, len(path)) if not _is_block(_found(root, path[:n]))), len(path))
    path = path[:depth]
    inner = _section(wanted, path).get(path[-1])
    parent = _found(root, path[:-1])
    pair = _pair(parent, path[-1]) if parent is not None else None
    if pair is None:
        return _checked(_added(source, parent or root, path[-1], inner, order), wanted, None)
    key, old = pair
    written = _removed(source, key, old) if inner is None else _replaced(source, key, old, inner)
    return _checked(written, wanted, key)


def _checked(written: str, wanted: Any, key: Any) -> str:
    """What was written, if it says what was wanted and nothing else."""
    try:
        same = _alike(_data(written)) == _alike(wanted)
    except ScriptError:
        same = False
    if not same:
        raise ScriptError("this can't be changed here; change it in the source", key and key.start_mark.line + 1)
    return written


def _alike(value: Any) -> Any:
    """A text of several lines ends with a line's end where YAML says so, and that means nothing."""
    match value:
        case str():
            return value.rstrip("\n")
        case dict():
            return {key: _alike(one) for key, one in value.items()}
    return value


# -- the text ----------------------------------------------------------------------------------------------------


def _compose(source: str) -> Any:
    return yaml.compose(source, Loader=LOADER)


def _is_block(node: Any) -> bool:
    """A mapping in lines, to which others can be added."""
    return isinstance(node, yaml.MappingNode) and not node.flow_style


def _pair(node: Any, name: str) -> Any:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _found(root: Any, path: Sequence[str]) -> Any:
    for name in path:
        pair = _pair(root, name)
        if pair is None:
            return None
        root = pair[1]
    return root


def _end(source: str, node: Any) -> int:
    """Where its own text ends: the marks of YAML run on to what comes next."""
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return node.start_mark.index + len(source[node.start_mark.index : node.end_mark.index].rstrip())
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(source, last[1] if isinstance(last, tuple) else last)


def _line_end(source: str, place: int) -> int:
    found = source.find("\n", place)
    return len(source) if found < 0 else found


def _removed(source: str, key: Any, old: Any) -> str:
    start = source.rfind("\n", 0, key.start_mark.index) + 1
    return source[:start] + source[_line_end(source, max(_end(source, old), key.end_mark.index)) + 1 :]


def _replaced(source: str, key: Any, old: Any, value: Any) -> str:
    start, end = old.start_mark.index, _end(source, old)
    if start <= key.end_mark.index:  # nothing is written behind the colon
        start = end = source.find(":", key.end_mark.index - 1) + 1
    block = isinstance(old, yaml.ScalarNode) and old.style in ("|", ">")
    rest_end = _line_end(source, start if block else end)
    comment = source[end:rest_end].strip() if not block else ((_HEADER.match(source, start) or [None, None])[1] or "")
    before = source[:start].rstrip(" \n") if not isinstance(old, yaml.ScalarNode) else source[:start].rstrip(" ")
    after = source[end if block else rest_end :]
    folded = block and old.style == ">"
    return before + _value(value, key.start_mark.column, comment, folded=folded) + after


def _added(source: str, parent: Any, name: str, value: Any, order: Sequence[str]) -> str:
    pairs = parent.value
    earlier = set(order[: order.index(name)]) if name in order else None
    before = [pair for pair in pairs if earlier is None or pair[0].value in earlier] or pairs
    key, last = before[-1] if earlier is None else max(before, key=lambda pair: int(pair[0].start_mark.index))
    place = _line_end(source, max(_end(source, last), key.end_mark.index))
    column = key.start_mark.column
    line = " " * column + _scalar(name) + ":" + _value(value, column, "")
    return f"{source[:place]}\n{line}{source[place:]}"


def _value(value: Any, column: int, comment: str, *, folded: bool = False) -> str:
    """What comes behind a key and its colon, which is at `column`; with the comment of its line."""
    aside = f"  {comment}" if comment else ""
    if isinstance(value, Mapping):
        deeper = column + INDENT
        inside = "".join(f"\n{' ' * deeper}{_scalar(key)}:{_value(one, deeper, '')}" for key, one in value.items())
        return aside + inside
    if isinstance(value, list):
        return f" [{', '.join(map(_in_list, value))}]{aside}"
    if not isinstance(value, str):
        return f" {'' if value is None else json.dumps(value)}{aside}".rstrip()
    indent = " " * (column + INDENT)
    text = value.rstrip("\n")
    if "\n" in text and all(c == "\n" or c.isprintable() for c in text):
        header = "|" if not text.startswith((" ", "\n")) else f"|{INDENT}"
        lines = (f"{indent}{line}".rstrip() for line in text.split("\n"))
        return f" {header}{aside}\n" + "\n".join(lines)
    if folded and text.isprintable() and text == " ".join(text.split()) and len(text) > WIDTH - len(indent) - 20:
        wrapped = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
        return f" >-{aside}\n" + "\n".join(indent + line for line in wrapped)
    return f" {_scalar(value)}{aside}"


def _in_list(value: Any) -> str:
    text = _scalar(value) if isinstance(value, str) else json.dumps(value)
    return json.dumps(value, ensure_ascii=False) if re.search(r"[,\[\]{}]", text) and text[0] != '"' else text


def _scalar(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and text == text.strip() and text not in _NO_TEXT and "{" not in text[:1]
    return text if plain else json.dumps(text, ensure_ascii=False)
