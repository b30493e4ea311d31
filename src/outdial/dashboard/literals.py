"""JSON values as they are written in other languages' code: what runs there sends the same values, to the last digit.

Characters that can't be seen, or that move the text around them, are escaped: whoever copies the code sees what is in
it, and no terminal takes one for a key that was pressed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_SAFE_INT = 2**53 - 1  # a number of JavaScript's counts no further

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    indent: str
    words: Mapping[Any, str]
    escape: Callable[[str], str]
    member: Callable[[str], str] = '"{}"'.format  # of an escaped name


def as_json(value: Any) -> str:
    return _written(value, _JSON, "")


def as_python(value: Any) -> str:
    return _written(value, _PYTHON, "")


def as_javascript(value: Any) -> str:
    """Not for what `rounds`."""
    return _written(value, _JAVASCRIPT, "")


def rounds(value: Any) -> bool:
    """Whether JavaScript would change a number in it."""
    match value:
        case int():
            return abs(value) > MAX_SAFE_INT
        case list():
            return any(rounds(one) for one in value)
        case dict():
            return any(rounds(one) for one in value.values())
    return False


def text_literal(text: str) -> str:
    """The same in JSON, Python and JavaScript for text whose characters are all of the first plane or can be seen."""
    return f'"{_escaped(text, _utf16)}"'


def in_shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _written(value: Any, language: _Language, indent: str) -> str:
    inner = indent + language.indent
    match value:
        case dict() if value:
            members = (
                f"{inner}{language.member(_escaped(name, language.escape))}: {_written(one, language, inner)}"
                for name, one in value.items()
            )
            return _lines("{", members, "}", indent)
        case list() if value:
            return _lines("[", (inner + _written(one, language, inner) for one in value), "]", indent)
        case dict() | list():
            return "{}" if isinstance(value, dict) else "[]"
        case str():
            return f'"{_escaped(value, language.escape)}"'
        case bool() | None:
            return language.words[value]
    return repr(value)


def _lines(begin: str, items: Any, end: str, indent: str) -> str:
    return f"{begin}\n" + ",\n".join(items) + f"\n{indent}{end}"


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(_ESCAPES.get(one) or (one if one.isprintable() else escape(one)) for one in text)


def _utf16(character: str) -> str:
    code = ord(character)
    units: Sequence[int] = (code,)
    if code > 0xFFFF:
        units = (0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF))
    return "".join(f"\\u{unit:04x}" for unit in units)


def _python_escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"


def _javascript_member(name: str) -> str:
    # As a plain name it would be the object's prototype, and not be sent.
    return '["__proto__"]' if name == "__proto__" else f'"{name}"'


_WORDS = {True: "true", False: "false", None: "null"}
_JSON = _Language(indent="  ", words=_WORDS, escape=_utf16)
_PYTHON = _Language(indent="    ", words={True: "True", False: "False", None: "None"}, escape=_python_escape)
_JAVASCRIPT = _Language(indent="  ", words=_WORDS, escape=_utf16, member=_javascript_member)
