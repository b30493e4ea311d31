"""Texts with {variables}: parsed once, filled in for a call, fit to be written down and to be said.

    {name}            the call's value, else the script's default, else nothing: the text closes over the gap
    {name|there}      the call's value, else "there"
    {code:digits}     the value, read digit by digit; also {code:digits|fallback}. Formats: speech/reading/marks.py
    {customer.city}   a value inside a value
    {{ and }}         a brace itself
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from outdial.speech.reading.marks import Format, marked, without_marks
from outdial.speech.reading.phones import written
from outdial.telephony.e164 import parse_e164

MAX_VALUE = 200   # characters of a value that are read aloud
MAX_SPOKEN = 2000  # characters of a whole text
MAX_ITEMS = 20    # of a list

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
_SLOT = rf"({_NAME})\s*(?::([^{{}}|]*))?(?:\|([^{{}}]*))?"
_TOKEN = re.compile(rf"\{{\{{|\}}\}}|\{{\s*{_SLOT}\}}|[{{}}]|[^{{}}]+")
_DOUBLED = re.compile(rf"\{{\{{\s*({_NAME})\s*(?::(?:{'|'.join(Format)})\s*)?(?:\|[^{{}}]*)?\}}\}}")
_PAIRS = ("()", "[]", '""', "''", "\u201c\u201d", "\u2018\u2019", "\u00ab\u00bb")


class TemplateError(ValueError):
    """The text's braces don't say which variable they mean; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a variable goes. `fallback` None: the author wrote none. `format`: how its value is read."""

    path: str
    fallback: str | None = None
    format: Format | None = None

    @property
    def source(self) -> str:
        format_ = "" if self.format is None else f":{self.format}"
        fallback = "" if self.fallback is None else f"|{self.fallback}"
        return f"{{{self.path}{format_}{fallback}}}"


@dataclass(frozen=True, slots=True)
class Text:
    parts: tuple[str | Slot, ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(part for part in self.parts if isinstance(part, Slot))

    @property
    def source(self) -> str:
        """As it is written, in one line."""
        return "".join(part.source if isinstance(part, Slot) else _escaped(part) for part in self.parts)


def parse_text(source: str) -> Text:
    """Raises TemplateError."""
    if doubled := _DOUBLED.search(source):
        # Other template languages double them; here that would read the variable's name aloud.
        raise TemplateError(f"write {{{doubled[1]}}} with single braces, not {doubled[0]}")
    parts: list[str | Slot] = []
    for token in _TOKEN.finditer(" ".join(without_marks(source).split())):
        if token[1]:
            fallback = None if token[3] is None else token[3].strip()
            parts.append(Slot(token[1], fallback, _format(token[1], token[2])))
        elif token[0] in ("{", "}"):
            raise TemplateError(
                f"a lone '{token[0]}': write {{name}}, {{name|fallback}}, {{name:digits}}, or {token[0] * 2}"
            )
        else:
            literal = {"{{": "{", "}}": "}"}.get(token[0], token[0])
            if parts and isinstance(parts[-1], str):
                parts[-1] += literal
            else:
                parts.append(literal)
    return Text(tuple(parts))


def render(
    text: Text, variables: Mapping[str, Any], defaults: Mapping[str, Any], *, to_say: bool = False
) -> str:
    """`text` as it is written down; "" when no word is left of it. `to_say`: with the marks of the formats in it, which
    a Reading understands.

    Without a value the text closes over the gap: "Hello {name}, this is" becomes "Hello, this is".
    """
    out, gap = "", False
    for part in text.parts:
        piece = part if isinstance(part, str) else _fill(part, variables, defaults, to_say=to_say)
        if not piece:
            gap = True
        elif gap and piece.isspace():
            out = out.rstrip() + " "
        elif gap:
            out, gap = _close(out, piece, literal=isinstance(part, str)), False
        else:
            out += piece
    if gap:
        out = out.rstrip(" ,;:-\u2013\u2014([")
    out = shorten(" ".join(out.split()), MAX_SPOKEN)
    return out if any(character.isalnum() for character in out) else ""


def lookup(path: str, variables: Mapping[str, Any]) -> Any:
    """The value at a dotted path (`customer.city`, `items.0`); None when there is none."""
    value: Any = variables
    for key in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list | tuple) and key.isdecimal() and int(key[:9]) < len(value):
            value = value[int(key[:9])]
        else:
            return None
    return value


def spoken(value: Any) -> str:
    """A value as it is written; "" for what can't be read aloud (None, objects, empty text): it counts as missing."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value) if abs(value) < 10**30 else ""
        case float():
            sayable = math.isfinite(value) and abs(value) < 1e30
            return f"{value:.6f}".rstrip("0").rstrip(".") if sayable else ""
        case str():
            return _clean(value)
        case list() | tuple():
            # Lists in lists are no sentence.
            items = [spoken(item) for item in value[:MAX_ITEMS] if not isinstance(item, list | tuple)]
            *most, last = [item for item in items if item] or [""]
            return shorten(f"{', '.join(most)} and {last}" if most else last, MAX_VALUE)
    return ""


def shorten(text: str, limit: int) -> str:
    """`text` cut between words; in a word only when there is no other place."""
    if len(text) <= limit:
        return text
    return (text[: limit + 1].rpartition(" ")[0] or text[:limit]).rstrip(" ,;:")


def _fill(slot: Slot, variables: Mapping[str, Any], defaults: Mapping[str, Any], *, to_say: bool) -> str:
    value = spoken(lookup(slot.path, variables))
    if not value:
        if slot.fallback is not None:
            return slot.fallback
        value = spoken(lookup(slot.path, defaults))
    return marked(value, slot.format) if to_say and slot.format is not None else value


def _format(path: str, name: str | None) -> Format | None:
    if name is None:
        return None
    if path == "secret":
        raise TemplateError("a secret is never said, nor told to a model: {secret:name} is for what tools send")
    try:
        return Format(name.strip())
    except ValueError:
        *most, last = Format
        known = f"{', '.join(most)} or {last}"
        reason = f"'{name.strip()[:60]}' is no format for {{{path}}}: there is {known}, as in {{{path}:{most[0]}}}"
        raise TemplateError(reason) from None


def _clean(value: str) -> str:
    """A value from outside, fit to be spoken: no control characters, no braces, not long."""
    value = value[: MAX_VALUE * 10].strip()
    with suppress(ValueError):
        return written(parse_e164(value))
    if re.fullmatch(r"\{.*\}", value, re.DOTALL):
        return ""  # a placeholder that the sender's own template never filled
    kept = (" " if unicodedata.category(c) == "Cc" else c for c in value if _speakable(c))
    value = re.sub(r"\s+(?=[,;:!?])", "", " ".join("".join(kept).split())).lstrip(",;:!? ").rstrip(",;: ")
    value = shorten(value, MAX_VALUE)
    return value if any(character.isalnum() for character in value) else ""


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


def _speakable(character: str) -> bool:
    if character in "{}":
        return False
    # Zero-width joiners shape letters in several scripts; other format characters are never heard.
    return unicodedata.category(character) not in ("Cf", "Cs", "Co", "Cn") or character in "\u200c\u200d"


def _close(left: str, right: str, *, literal: bool) -> str:
    """Join the text around a missing value so that no gap and no stray punctuation is heard."""
    spaced = left[-1:].isspace() or right[:1].isspace()
    left, right = left.rstrip(), right.lstrip()
    possessive = re.match(r"['\u2019]s\b\s*", right)
    if literal and possessive:
        spaced, right = True, right[possessive.end() :]
    if left and right and left[-1] + right[0] in _PAIRS:
        spaced, left, right = True, left[:-1].rstrip(), right[1:].lstrip()
    if mark := re.match(r"[,;:.!?]+\s*", right):
        if left and left[-1] not in ",;:.!?":
            return left + right
        if left and left[-1] in ",;:":
            return left.rstrip(" ,;:") + right
        spaced, right = True, right[mark.end() :]
    if literal and (not left or left[-1] in ".!?"):
        right = right[:1].upper() + right[1:]
    return f"{left} {right}" if spaced and left else left + right
