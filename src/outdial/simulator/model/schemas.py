"""JSON schemas of tools and answers: checked as far as they are read here, and JSON made to fit them."""

from collections.abc import Iterator
from typing import Any

from outdial.simulator.model.templates import Json, Known, Unknown, inside

MOST_LEVELS = 8  # a schema may refer to itself
MOST_ITEMS = 100
KINDS = ("anyOf", "oneOf", "allOf")
TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}


def fault_of(schema: Any, level: int = 0) -> str:
    """What of a schema can't be; "" when it can."""
    if not isinstance(schema, dict):
        return "" if isinstance(schema, bool) else "a schema is an object"
    for name, type_ in (("properties", dict), ("$defs", dict), ("enum", list), ("required", list), ("$ref", str)):
        if name in schema and not isinstance(schema[name], type_):
            return f"'{name}' is of another type"
    if not all(isinstance(name, str) for name in schema.get("required", ())):
        return "'required' is an array of texts"
    for kind in KINDS:
        if kind in schema and not (isinstance(schema[kind], list) and schema[kind]):
            return f"'{kind}' is an array of schemas"
    types = schema.get("type", "string")
    if not isinstance(types, str) and not (isinstance(types, list) and types and isinstance(types[0], str)):
        return "'type' is a text, or an array of texts"
    least = schema.get("minItems", 0)
    if not isinstance(least, int):
        return "'minItems' is a number"
    if level >= 50:
        return "it is too deep"
    return next((fault for each in _parts(schema) if (fault := fault_of(each, level + 1))), "")


def _parts(schema: Json) -> Iterator[Any]:
    for name in ("properties", "$defs"):
        yield from schema.get(name, {}).values()
    for kind in KINDS:
        yield from schema.get(kind, ())
    if "items" in schema:
        yield schema["items"]


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


def _allowed(schema: Any) -> list[Any]:
    if not isinstance(schema, dict):
        return []
    if "const" in schema:
        return [schema["const"]]
    return list(schema.get("enum", ())) or [
        value for kind in ("anyOf", "oneOf") for each in schema.get(kind, ()) for value in _allowed(each)
    ]


def example(schema: Any, root: Json, known: Known, name: str = "", level: int = 0) -> Any:
    """A value that fits `schema`: what is known by its name, its default, its first choice, or the least there is."""
    schema = _resolved(schema, root)
    allowed = _allowed(schema)
    value = _known(name, known)
    types = schema.get("type", "")
    if isinstance(types, str) and isinstance(value, TYPES.get(types, ())) and value in (allowed or [value]):
        return value
    if "default" in schema or allowed:
        return schema.get("default", allowed[0] if allowed else None)
    for kind in KINDS:
        if schema.get(kind) and level < MOST_LEVELS:
            return example(schema[kind][0], root, known, name, level + 1)
    return _least(schema, root, known, level)


def _known(name: str, known: Known) -> Any:
    try:
        return known(name) if name else None
    except Unknown:
        return None


def _least(schema: Json, root: Json, known: Known, level: int) -> Any:
    types = schema.get("type", "object" if "properties" in schema else "string")
    match types[0] if isinstance(types, list) else types:
        case "object":
            properties = schema.get("properties", {}) if level < MOST_LEVELS else {}
            return {name: example(each, root, known, name, level + 1) for name, each in properties.items()}
        case "array":
            least = min(schema.get("minItems", 0), MOST_ITEMS) if level < MOST_LEVELS else 0
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
