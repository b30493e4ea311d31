"""Texts and arguments of a rule, filled in with what is known."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
Known = Callable[[str], Any]  # the value of a path such as "result.slots.0"; raises Unknown

PLACE = re.compile(r"\{([A-Za-z_][\w.-]*)(?:\|([^{}]*))?\}")


class Unknown(Exception):
    """Nothing is known by that name."""


def fill(template: str, known: Known) -> str:
    """Raises Unknown."""
    return PLACE.sub(lambda place: as_text(_value(place, known)), template)


def fill_value(value: Any, known: Known) -> Any:
    """The same for whatever JSON can be; a text that is one place alone becomes the value itself. Raises Unknown."""
    match value:
        case str():
            place = PLACE.fullmatch(value)
            return _value(place, known) if place else fill(value, known)
        case Mapping():
            return {name: fill_value(each, known) for name, each in value.items()}
        case list() | tuple():
            return [fill_value(each, known) for each in value]
    return value


def _value(place: re.Match[str], known: Known) -> Any:
    path, otherwise = place.groups()
    try:
        return known(path)
    except Unknown:
        if otherwise is None:
            raise
        return otherwise


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def inside(value: Any, path: list[str]) -> Any:
    """What is at `path` in a JSON value. Raises Unknown."""
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise Unknown(step)
    return value
