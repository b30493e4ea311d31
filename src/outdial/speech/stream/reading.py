"""Messages of vendors, read. Pure. What is missing or of another type is taken for nothing: vendors add and change."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from outdial.speech.stream.words import Word


def read_message(message: str | bytes) -> Mapping[str, Any]:
    """Raises ValueError for what is no JSON object."""
    if isinstance(message, bytes):
        raise ValueError("binary where text belongs")
    try:
        found = json.loads(message)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def number(value: object, default: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return default
    return float(value)


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def words(value: object, *, keys: tuple[str, ...], ms: float) -> tuple[Word, ...]:
    """A list of words with `start` and `end`, of which one is `ms` long; their texts are under the first key they have.
    None at all where one has no times."""
    found = []
    for one in objects(value):
        written = next((text(one[key]) for key in keys if text(one.get(key))), "")
        if "start" not in one or "end" not in one:
            return ()
        if written:
            found.append(Word(text=written, start_ms=number(one["start"]) * ms, end_ms=number(one["end"]) * ms))
    return tuple(found)
