"""JSON as RFC 8259 has it, and only what can be given back equal: UTF-8, no key twice, no number that would change."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from outdial.calls.request import NotStorable, check_text

_MAX_DIGITS = 400  # of an integer; Python refuses thousands of them with words of its own


def parse_json(body: bytes) -> Any:
    """Raises NotStorable with the place of the fault. A byte order mark is tolerated, as the RFC allows."""
    reader = _Reader()
    try:
        found = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=reader.object,
            parse_constant=reader.constant,
            parse_int=reader.integer,
            parse_float=reader.number,
        )
    except UnicodeDecodeError:
        raise NotStorable((), "must be UTF-8") from None
    except json.JSONDecodeError as error:
        reason = f"must be JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise NotStorable((), reason) from None
    except RecursionError:
        raise NotStorable((), "is nested too deeply") from None
    if reader.has_met_faults:
        raise _first_fault(found)
    return found


def parse_storable(body: bytes) -> Any:
    """As `parse_json`; raises NotStorable for a text that can't be kept, too, wherever it stands."""
    found = parse_json(body)
    if b"\\u" in body:  # what PostgreSQL can't keep stands in JSON as an escape, or it is no JSON
        _check_texts(found)
    return found


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands where something can't be taken."""

    reason: str


class _Reader:
    """What json.loads calls, which doesn't say where in the text it is: faults are left in their places."""

    def __init__(self) -> None:
        self.has_met_faults = False

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, value in pairs:
            members[key] = self._fault("is there twice") if key in members else value
        return members

    def constant(self, name: str) -> _Fault:
        return self._fault(f"must be JSON: {name} is no JSON number")

    def integer(self, digits: str) -> int | _Fault:
        if len(digits) > _MAX_DIGITS:
            return self._fault("is an integer of more than 64 bits; send it as text")
        return int(digits)

    def number(self, text: str) -> float | _Fault:
        number = float(text)
        if math.isinf(number):
            return self._fault("is a number too large to be kept; send it as text")
        if number == 0 and text.lower().partition("e")[0].strip("-0."):
            return self._fault("is a number too close to 0 to be kept; send it as text")
        return number

    def _fault(self, reason: str) -> _Fault:
        self.has_met_faults = True
        return _Fault(reason)


def _first_fault(found: Any) -> NotStorable:
    """In the order of the text."""
    for node, path in _walk(found):
        if isinstance(node, _Fault):
            return NotStorable(path, node.reason)
    raise AssertionError("a fault was met and is gone")


def _check_texts(found: Any) -> None:
    """Raises NotStorable with the place of a text that can't be kept: also in fields that nobody asked for."""
    for node, path in _walk(found):
        try:
            match node:
                case str():
                    check_text(node)
                case dict():
                    for key in node:
                        check_text(key)
        except ValueError as error:
            raise NotStorable(path, str(error)) from None


def _walk(found: Any) -> Iterator[tuple[Any, tuple[str | int, ...]]]:
    """Everything in it and where it stands, in the order of the text. With a stack of its own: it may be deep."""
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(found, ())]
    while stack:
        node, path = stack.pop()
        yield node, path
        match node:
            case dict():
                stack.extend(reversed([(child, (*path, key)) for key, child in node.items()]))
            case list():
                stack.extend(reversed([(child, (*path, place)) for place, child in enumerate(node)]))
