"""Schemas of the OpenAPI document as rows of a table: what a body is made of, whatever its depth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 4
Schema = Mapping[str, Any]

_LIMITS = (  # of a schema, and how they are said
    ("minimum", "at least {:.16g}"),
    ("maximum", "at most {:.16g}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("maxItems", "at most {} items"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """`name` is its path in the body: `retry.delays_s`, `calls[].id`."""

    name: str
    type: str
    description: str
    limits: str = ""
    required: bool = False
    where: str = ""  # of a parameter: path, query or header


class Schemas:
    """The schemas of one document, looked up by reference."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._known = document["components"]["schemas"]

    def fields(self, schema: Schema) -> list[FieldView]:
        """The fields of an object, or of the objects of a list, each before what is in it."""
        return list(self._below(schema, "", ()))

    def parameter(self, parameter: Mapping[str, Any]) -> FieldView:
        schema = parameter["schema"]
        return FieldView(
            name=parameter["name"],
            type=self.type_of(schema),
            description=parameter.get("description", ""),
            limits=self._limits(schema),
            required=parameter.get("required", False),
            where=parameter["in"],
        )

    def type_of(self, schema: Schema) -> str:
        return " or ".join(dict.fromkeys(self._words(schema)))

    def _words(self, schema: Schema) -> Iterator[str]:
        schema = self._resolved(schema)
        if alternatives := _alternatives(schema):
            for each in alternatives:
                yield from self._words(each)
        elif "enum" in schema:
            yield from (f"`{value}`" for value in schema["enum"])
        elif "const" in schema:
            yield f"`{schema['const']}`"
        elif schema.get("type") == "array":
            yield f"list of {self.type_of(schema.get('items', {})) or 'anything'}"
        else:
            yield {"date-time": "instant", "binary": "bytes"}.get(
                schema.get("format", ""), str(schema.get("type", "anything"))
            )

    def _below(self, schema: Schema, prefix: str, seen: tuple[str, ...]) -> Iterator[FieldView]:
        name = schema.get("$ref", "")
        if len(seen) == MAX_DEPTH or (name and name in seen):
            return
        seen = (*seen, name)
        schema = self._resolved(schema)
        for each in _alternatives(schema):
            yield from self._below(each, prefix, seen[:-1])
        if schema.get("type") == "array":
            yield from self._below(schema.get("items", {}), f"{prefix}[]", seen[:-1])
        required = schema.get("required", ())
        for key, value in schema.get("properties", {}).items():
            path = f"{prefix}.{key}" if prefix else key
            yield FieldView(
                name=path,
                type=self.type_of(value),
                description=value.get("description") or self._resolved(value).get("description", ""),
                limits=self._limits(value),
                required=key in required,
            )
            yield from self._below(value, path, seen)

    def _resolved(self, schema: Schema) -> Schema:
        name = schema.get("$ref")
        return schema if name is None else self._known[name.rpartition("/")[2]] | {
            key: value for key, value in schema.items() if key != "$ref"
        }

    def _limits(self, schema: Schema) -> str:
        values = [each for each in _alternatives(schema) if each.get("type") != "null"] or [schema]
        told = [
            "not empty" if (key, each[key]) == ("minLength", 1) else words.format(each[key])
            for each in values
            for key, words in _LIMITS
            if key in each
        ]
        if schema.get("default") not in (None, [], ""):
            default = schema["default"]
            told.append(f"default {str(default).lower() if isinstance(default, bool) else default}")
        return ", ".join(dict.fromkeys(told))


def _alternatives(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
