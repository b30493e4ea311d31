"""Texts and arguments of a rule, filled in with what is known; and JSON made up to fit a schema where nothing is."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
Known = Callable[[str], Any]  # the value of a path such as "result.slots.0"; raises Unknown

PLACE = re.compile(r"\{([A-Za-z_][\w.-]*)(?:\|([^{}]*))?\}")
MOST_LEVELS = 8  # a schema may refer to itself


class Unknown(Exception):
    """Nothing is known by that name."""


def fill(template: str, known: Known) -> str:
    """Raises Unknown."""
    return PLACE.sub(lambda place: _as_text(_value(place, known)), template)


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


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def inside(value: Any, path: list[str]) -> Any:
    """What is at `path` in a JSON value. Raises Unknown."""
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise Unknown(step)
    return value


def fit(given: Json, schema: Json, known: Known) -> Json:
    """`given`, with choices made and what is required added, as the object `schema` wants it."""
    properties = schema.get("properties", {})
    fitted = {
        name: _chosen(value, _resolved(properties[name], schema)) if name in properties else value
        for name, value in given.items()
    }
    for name in schema.get("required", ()):
        if name not in fitted:
            fitted[name] = example(properties.get(name, {}), schema, known, name)
    if schema.get("additionalProperties") is False:
        fitted = {name: value for name, value in fitted.items() if name in properties}
    return fitted


def _chosen(value: Any, schema: Json) -> Any:
    if not isinstance(value, list) or not value or schema.get("type") == "array" or "items" in schema:
        return value
    allowed = _allowed(schema)
    return next((each for each in value if each in allowed), allowed[0] if allowed else value[0])


def _allowed(schema: Json) -> list[Any]:
    if "const" in schema:
        return [schema["const"]]
    return list(schema.get("enum", ())) or [
        value for kind in ("anyOf", "oneOf") for each in schema.get(kind, ()) for value in _allowed(each)
    ]


def example(schema: Json, root: Json, known: Known, name: str = "", level: int = 0) -> Any:
    """A value that fits `schema`: what is known by its name, its default, its first choice, or the least there is."""
    schema = _resolved(schema, root)
    allowed = _allowed(schema)
    try:
        value = known(name) if name else None
    except Unknown:
        value = None
    if value is not None and isinstance(value, TYPES.get(schema.get("type", ""), ())) and value in (allowed or [value]):
        return value
    if "default" in schema or allowed:
        return schema.get("default", allowed[0] if allowed else None)
    for kind in ("anyOf", "oneOf", "allOf"):
        if schema.get(kind) and level < MOST_LEVELS:
            return example(schema[kind][0], root, known, name, level + 1)
    return _least(schema, root, known, level)


TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}


def _least(schema: Json, root: Json, known: Known, level: int) -> Any:
    types = schema.get("type", "object" if "properties" in schema else "string")
    match types[0] if isinstance(types, list) else types:
        case "object":
            properties = schema.get("properties", {})
            required = properties if level < MOST_LEVELS else ()
            return {each: example(properties[each], root, known, each, level + 1) for each in required}
        case "array":
            least = schema.get("minItems", 0) if level < MOST_LEVELS else 0
            return [example(schema.get("items", {}), root, known, "", level + 1) for _ in range(least)]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
    return ""


def _resolved(schema: Any, root: Json) -> Json:
    for _ in range(MOST_LEVELS):
        reference = schema.get("$ref", "") if isinstance(schema, dict) else ""
        if not reference.startswith("#/"):
            break
        try:
            schema = inside(root, reference[2:].split("/"))
        except Unknown:
            return {}
    return schema if isinstance(schema, dict) else {}
