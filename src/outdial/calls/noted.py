"""What an agent noted, made fit to be kept: value by value, so that one that can't be kept takes no other with it."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from outdial.telephony.outcome import NAMED, WISH

MAX_NOTED = 200           # names
MAX_NAME_CHARS = 128
MAX_VALUE_BYTES = 16_000  # of one value
MAX_NOTED_BYTES = 64_000  # of all of them, as JSON
MAX_VALUE_DEPTH = 20
MAX_TOLD = 20             # losses told one by one
FIRST = (WISH, NAMED)  # kept before all others, so there is always room for them

_INTEGERS = range(-(2**63), 2**63)
_TOO_LARGE = f"is larger than {MAX_VALUE_BYTES} bytes"
_ODD_CHARACTERS = "has characters that can't be stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A noted value that isn't kept as it was noted: not at all, or but for a part that was `cut`."""

    name: str
    reason: str
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """`values` are plain JSON; `losses` say what isn't among them."""

    values: dict[str, Any]
    losses: tuple[Loss, ...]

    def told(self) -> dict[str, Any] | None:
        """The losses as the call's feed tells them: how many, and the first ones. None without any."""
        if not self.losses:
            return None
        return {"count": len(self.losses), "values": [asdict(loss) for loss in self.losses[:MAX_TOLD]]}


class _NotKept(Exception):
    """The message says why, in words that follow the value's name."""


def keep(noted: Mapping[Any, Any]) -> Kept:
    """Of values of any kind, as agents write them, those that can be kept: do_not_call and outcome, then the others in
    the order in which they were noted. Never raises."""
    values: dict[str, Any] = {}
    losses: list[Loss] = []
    left_bytes = MAX_NOTED_BYTES
    for given_name, given in sorted(noted.items(), key=lambda entry: _place(entry[0])):
        try:
            name = _name(given_name)
            value, cut = _value(given)
            size = len(_json(name)) + len(_json(value)) + 2
            if name in values:
                raise _NotKept("has the name of another one")
            if len(values) == MAX_NOTED:
                raise _NotKept(f"is one more than {MAX_NOTED}")
            if size > left_bytes:
                raise _NotKept(f"has no room: all together are at most {MAX_NOTED_BYTES} bytes")
        except _NotKept as why:
            losses.append(Loss(name=_told_name(given_name), reason=str(why), cut=False))
            continue
        values[name] = value
        left_bytes -= size
        if cut:
            losses.append(Loss(name=name, reason=cut, cut=True))
    return Kept(values=values, losses=tuple(losses))


def _place(name: object) -> int:
    return FIRST.index(name) if isinstance(name, str) and name in FIRST else len(FIRST)


def _name(name: object) -> str:
    """As JSON has it, where numbers are names, too."""
    if isinstance(name, str):
        text = str.__str__(name)
    elif isinstance(name, int) and not isinstance(name, bool) and int(name) in _INTEGERS:
        text = str(int(name))
    else:
        raise _NotKept(f"has a name that is no text ({type(name).__name__})")
    if len(text) > MAX_NAME_CHARS:
        raise _NotKept(f"has a name of more than {MAX_NAME_CHARS} characters")
    return _storable(text)


def _told_name(name: object) -> str:
    return _storable(str.__str__(name)[:MAX_NAME_CHARS]) if isinstance(name, str) else f"({type(name).__name__})"


def _value(given: object) -> tuple[Any, str]:
    """The value as it can be kept, and why it isn't all of it ("" when it is). Raises _NotKept."""
    reader = _Reader()
    try:
        if isinstance(given, str):
            return reader.cut(str.__str__(given))
        value = reader.plain(given, depth=1)
    except _NotKept:
        raise
    except Exception as error:  # out of an object of the agent's own
        raise _NotKept(f"can't be read ({type(error).__name__})") from None
    if len(_json(value)) > MAX_VALUE_BYTES:
        raise _NotKept(_TOO_LARGE)
    return value, _ODD_CHARACTERS if reader.met_odd_characters else ""


class _Reader:
    """Reads one value into plain JSON, no further than it may be long."""

    def __init__(self) -> None:
        self.met_odd_characters = False
        self._left = MAX_VALUE_BYTES  # every item and every character takes at least one byte

    def cut(self, text: str) -> tuple[str, str]:
        """A text is worth keeping in part, too."""
        kept = self._text(text[:MAX_VALUE_BYTES]).encode()
        cut = len(text) > MAX_VALUE_BYTES or len(kept) > MAX_VALUE_BYTES
        reason = _TOO_LARGE if cut else _ODD_CHARACTERS if self.met_odd_characters else ""
        return kept[:MAX_VALUE_BYTES].decode(errors="ignore"), reason

    def plain(self, value: object, depth: int) -> Any:
        """Raises _NotKept."""
        self._take(1)
        match value:
            case None | bool():
                return value
            case int():
                if int(value) not in _INTEGERS:
                    raise _NotKept("is or holds an integer of more than 64 bits; note it as text")
                return int(value)
            case float():
                if not math.isfinite(value):
                    raise _NotKept("is or holds a number that JSON can't express (NaN or infinity)")
                return float(value)
            case str():
                self._take(len(value))
                return self._text(str.__str__(value))
            case dict() | list() | tuple():
                if depth >= MAX_VALUE_DEPTH:
                    raise _NotKept(f"is nested more than {MAX_VALUE_DEPTH} levels deep")
                if isinstance(value, dict):
                    return {self._name(name): self.plain(item, depth + 1) for name, item in value.items()}
                return [self.plain(item, depth + 1) for item in value]
        raise _NotKept(f"is or holds what JSON has no word for ({type(value).__name__})")

    def _name(self, name: object) -> str:
        self._take(1)
        text = _name(name)
        self.met_odd_characters |= text != name and isinstance(name, str)
        return text

    def _text(self, text: str) -> str:
        storable = _storable(text)
        self.met_odd_characters |= storable != text
        return storable

    def _take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise _NotKept(_TOO_LARGE)


def _storable(text: str) -> str:
    """Without what PostgreSQL can't keep: U+0000, and halves of surrogate pairs."""
    text = text.replace("\0", "")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
