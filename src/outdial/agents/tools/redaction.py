"""What may be seen of a tool's arguments and answers: what their schema marks isn't, and secrets never are. Pure.

A schema marks a value with `x-redact: true`, `writeOnly: true` or `format: password`.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from outdial.secrets.redaction import redact

HIDDEN = "[redacted]"
MAX_SHOWN = 2000    # characters of arguments, as JSON
MAX_ANSWER = 4000   # of an answer

Schema = Mapping[str, Any]
_MARKS = (("x-redact", True), ("writeOnly", True), ("format", "password"))
_WAYS = ("allOf", "anyOf", "oneOf")
_CONDITIONS = ("if", "then", "else", "not")


def redacted(value: Any, schema: Schema | None) -> Any:
    """`value` without what `schema` marks. Where it marks anything, what it doesn't know isn't shown either."""
    if schema is None:
        return value
    return _shown(value, [schema], is_closed=marks_any(schema))


def without(value: Any, secrets: Collection[str]) -> Any:
    """`value` with secrets hidden that a server gives back, also where they are encoded."""
    return _without(value, secrets) if secrets else value


def bounded(value: Any, most: int) -> Any:
    """Itself, or the beginning of its JSON where that is longer."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= most:
        return value
    return f"{(value if isinstance(value, str) else text)[:most]}…"


def _shown(value: Any, schemas: list[Schema], *, is_closed: bool) -> Any:
    schemas = [*_all(schemas)]
    if any(schema.get(key) == mark for schema in schemas for key, mark in _MARKS):
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(name): _field(str(name), one, schemas, is_closed=is_closed) for name, one in value.items()}
    if isinstance(value, list):
        return [_item(place, one, schemas, is_closed=is_closed) for place, one in enumerate(value)]
    return value


def _field(name: str, value: Any, schemas: list[Schema], *, is_closed: bool) -> Any:
    of = [found for schema in schemas if isinstance(found := _map(schema, "properties").get(name), Mapping)]
    if not of:
        rest = (schema.get("additionalProperties") for schema in schemas)
        of = [one for one in rest if isinstance(one, Mapping)]
        # Which of them a name fits isn't asked: it may be any.
        of += [one for schema in schemas for one in _map(schema, "patternProperties").values() if one]
    if not of:
        return HIDDEN if is_closed else value
    return _shown(value, of, is_closed=is_closed)


def _item(place: int, value: Any, schemas: list[Schema], *, is_closed: bool) -> Any:
    of: list[Schema] = []
    for schema in schemas:
        first = schema.get("prefixItems")
        items = schema.get("items")
        if isinstance(first, list) and place < len(first):
            items = first[place]
        of += [one for one in (items, schema.get("contains")) if isinstance(one, Mapping)]
    return _shown(value, of, is_closed=is_closed) if of else (HIDDEN if is_closed else value)


def _all(schemas: list[Schema]) -> Iterator[Schema]:
    """Also those that are one way of several: what one of them marks, isn't shown."""
    for schema in schemas:
        yield schema
        ways = [way for key in _WAYS if isinstance(ways := schema.get(key), list) for way in ways]
        ways += [schema[key] for key in _CONDITIONS if key in schema]
        ways += list(_map(schema, "dependentSchemas").values())
        yield from _all([way for way in ways if isinstance(way, Mapping)])


def marks_any(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return any(schema.get(key) == mark for key, mark in _MARKS) or any(map(marks_any, schema.values()))
    return isinstance(schema, list) and any(map(marks_any, schema))


def _map(schema: Schema, key: str) -> Mapping[str, Any]:
    found = schema.get(key)
    return found if isinstance(found, Mapping) else {}


def _without(value: Any, secrets: Collection[str]) -> Any:
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Mapping):
        return {redact(str(name), secrets): _without(one, secrets) for name, one in value.items()}
    return [_without(one, secrets) for one in value] if isinstance(value, list) else value
