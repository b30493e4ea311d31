"""JSON schemas of tools: made fit to be kept, told to a model and checked against, whoever has written them. Pure.

A schema comes from an agent's author or from a server that nobody here knows. So references are put in place of where
they point to, and lead nowhere outside; patterns are matched in linear time; and everything has a size.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

MAX_SCHEMA = 10_000  # characters, as JSON, with its references in place
MAX_DEPTH = 20       # of a schema in a schema
MAX_WRONG = 3        # faults that a model is told of at once
MAX_TOLD = 300       # characters of each

Schema = Mapping[str, Any]


class BadSchema(Exception):
    """Its text says why, for whoever has written it."""


def sound(schema: Any, *, strict: bool = True) -> dict[str, Any]:
    """The schema of an object, without references. Raises BadSchema. What isn't `strict` has patterns left out that
    can't be matched here."""
    if not isinstance(schema, Mapping):
        raise BadSchema("is no JSON schema: an object with its properties")
    whole: dict[str, Any] = _inlined(schema, schema, strict=strict, depth=0, room=[MAX_SCHEMA])
    whole.setdefault("type", "object")
    if whole["type"] != "object":
        raise BadSchema("is the schema of an object: {type: object, properties: …}")
    whole.pop("$defs", None)
    whole.pop("definitions", None)
    whole.pop("$schema", None)
    if len(json.dumps(whole, ensure_ascii=False, default=str)) > MAX_SCHEMA:
        raise BadSchema(f"is longer than {MAX_SCHEMA:,} characters")
    _check(whole)
    return whole


def faults(schema: Schema, value: Any) -> list[str]:
    """What is wrong with `value`, in words for a model and without the value; empty for nothing."""
    found: list[str] = []
    try:
        for error in _validator(json.dumps(schema, sort_keys=True, default=str)).iter_errors(value):
            found.append(_worded(error))
            if len(found) == MAX_WRONG:
                break
    except (ArithmeticError, ValueError, TypeError, RecursionError):  # of numbers that no check was written for
        found.append("The arguments can't be checked.")
    return found


def properties(schema: Schema) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


# -- references ------------------------------------------------------------------------------------------------------

_PLAIN = ("enum", "const", "default", "examples", "required")  # data, not schemas
_MAPS = ("properties", "patternProperties", "dependentSchemas")
_UNKNOWN = ("unevaluatedProperties", "unevaluatedItems")
_DROPPED = ("$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary", "$comment")


def _inlined(node: Any, root: Schema, *, strict: bool, depth: int, room: list[int]) -> Any:
    """`room`: how much may still come, in characters, about."""
    room[0] -= 8
    if depth > MAX_DEPTH or room[0] < 0:
        raise BadSchema("is nested too deep, or its references go round in circles")
    if isinstance(node, list):
        return [_inlined(one, root, strict=strict, depth=depth + 1, room=room) for one in node]
    if not isinstance(node, Mapping):
        return node
    whole: dict[str, Any] = {}
    reference = node.get("$ref")
    if isinstance(reference, str):
        whole = dict(_inlined(_found(reference, root), root, strict=strict, depth=depth + 1, room=room))
    for key, value in node.items():
        room[0] -= len(str(key)) + 4
        if key in _UNKNOWN and strict:
            raise BadSchema(f"has {key}, which isn't known here: use additionalProperties")
        if key == "$ref" or key in _DROPPED or key in _UNKNOWN:
            continue
        if key in ("$defs", "definitions"):
            continue  # where something points to them, they are in its place
        if key in _PLAIN or not isinstance(value, Mapping | list):
            room[0] -= len(str(value))
            whole[key] = value
        elif key in _MAPS and isinstance(value, Mapping):
            whole[key] = {
                str(name): _inlined(one, root, strict=strict, depth=depth + 1, room=room)
                for name, one in value.items()
                if key != "patternProperties" or _is_pattern(str(name), strict=strict)
            }
        else:
            whole[key] = _inlined(value, root, strict=strict, depth=depth + 1, room=room)
    if isinstance(whole.get("pattern"), str) and not _is_pattern(whole["pattern"], strict=strict):
        del whole["pattern"]
    return whole


def _found(reference: str, root: Schema) -> Any:
    node: Any = root
    if not reference.startswith("#"):
        raise BadSchema(f"refers to {reference[:60]}: references lead to its own $defs and nowhere else")
    for part in reference.removeprefix("#").strip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if part and (not isinstance(node, Mapping) or key not in node):
            raise BadSchema(f"refers to {reference[:60]}, which isn't there")
        node = node[key] if part else node
    if not isinstance(node, Mapping):
        raise BadSchema(f"refers to {reference[:60]}, which is no schema")
    return node


# -- patterns --------------------------------------------------------------------------------------------------------


def _is_pattern(pattern: str, *, strict: bool) -> bool:
    try:
        _matcher(pattern)
    except ValueError:
        if strict:
            raise BadSchema(f"has a pattern that can't be used: {pattern[:60]}") from None
        return False
    return True


@lru_cache(500)
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Whether it is found in a text. Raises ValueError. Python's own expressions can take for ever; these can't."""
    from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        raise ValueError("no pattern") from None

    def matches(text: str) -> bool:
        try:
            validator.validate_python(text)
        except ValidationError:
            return False
        return True

    return matches


# -- checks ----------------------------------------------------------------------------------------------------------


def _check(schema: Schema) -> None:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path)
        raise BadSchema(f"is no JSON schema{f' (at {where[:100]})' if where else ''}") from None


@lru_cache(500)
def _validator(schema: str) -> Any:
    """`jsonschema` is loaded when the first tool is used."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import extend

    def pattern(validator: Any, expected: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and not _matcher(expected)(instance):
            yield ValidationError(f"does not match {expected}")

    def pattern_properties(validator: Any, expected: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, Mapping):
            for name, value in instance.items():
                for one, subschema in expected.items():
                    if _matcher(one)(str(name)):
                        yield from validator.descend(value, subschema, path=name, schema_path=one)

    def additional(validator: Any, expected: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(instance, Mapping):
            return
        known, patterns = properties(schema), schema.get("patternProperties", {})
        for name, value in instance.items():
            if name in known or any(_matcher(one)(str(name)) for one in patterns):
                continue
            if expected is False:
                yield ValidationError("no such argument", path=[name])
            elif expected is not True:
                yield from validator.descend(value, expected, path=name)

    checks = {"pattern": pattern, "patternProperties": pattern_properties, "additionalProperties": additional}
    ours: Any = extend(Draft202012Validator, checks)
    return ours(json.loads(schema))


def _worded(error: Any) -> str:
    """Without the value: it stands in `message`, and may be what nobody is to read."""
    where = ".".join(str(part) for part in error.absolute_path)[:100] or "The call"
    expected = json.dumps(error.validator_value, ensure_ascii=False, default=str)
    match error.validator:
        case "required":
            missing = [str(one) for one in error.validator_value if one not in (error.instance or {})]
            what = f"needs {', '.join(missing)}"
        case "additionalProperties":
            what = "is no argument of this tool"
        case "type":
            what = f"is of type {expected}"
        case "enum":
            what = f"is one of {expected}"
        case rule:
            what = f"must have {rule} {expected}"
    return f"{where} {what}"[:MAX_TOLD]
