"""Values no sender meant: what is left where a template wasn't filled, a spreadsheet failed or a program had nothing.

They are kept as they were sent, and spoken as missing: nobody wants to be greeted as "undefined". Only the whole value
counts, and only in the spelling programs have: "none" and "Null" are words and names.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_NOTHING = r"undefined|null|NULL|None|NaN|nan|NaT|<NA>|<nil>|\(null\)|<null>|\[object \w+\]"
_PATTERNS = (
    # What programs write for nothing, also twice: "undefined undefined" was a name of two parts.
    rf"(?:{_NOTHING})(?:[\s,]+(?:{_NOTHING}))*",
    r"Invalid [Dd]ate",
    # Errors of spreadsheets: #N/A, #REF!, #DIV/0!, #NAME?
    r"#(?:N/A|N/D|NULL!|DIV/0!|VALUE!|REF!|NAME\?|NUM!|SPILL!|CALC!|FIELD!|BLOCKED!|ERROR!|GETTING_DATA)",
    # Fields of templates that nobody filled. Those in braces need no pattern: braces are never read aloud.
    r"\[\[.*\]\]",
    r"\[[A-Za-z_][\w.-]*\]",
    r"%{1,2}[A-Za-z_][\w .-]*%{1,2}",
    r"\*\|.*\|\*",
    r"<<.*>>",
    r"<%.*%>",
    r"<[A-Za-z_][\w.-]*>",
    r"[$#@%]\{.*\}",
)
_UNMEANT = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.DOTALL)
_MAX_CHARS = 200  # of the name of a field; what is longer is a text


def is_unmeant(text: str) -> bool:
    text = text.strip()
    return len(text) <= _MAX_CHARS and _UNMEANT.fullmatch(text) is not None


def meant(value: Any) -> Any:
    """The value with None for whatever in it nobody meant."""
    match value:
        case str():
            return None if is_unmeant(value) else value
        case dict():
            return {name: meant(inner) for name, inner in value.items()}
        case list() | tuple():
            return [meant(inner) for inner in value]
    return value


class Meant(Mapping[str, Any]):
    """Variables as they are spoken; looked at one by one, when they are asked for."""

    def __init__(self, sent: Mapping[str, Any]) -> None:
        self._sent = sent

    def __getitem__(self, name: str) -> Any:
        return meant(self._sent[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._sent)

    def __len__(self) -> int:
        return len(self._sent)
