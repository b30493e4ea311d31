"""A carrier's own OpenAPI document as the judge of what we send."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jsonschema


class Spec:
    def __init__(self, path: Path, *prefixes: str) -> None:
        """`prefixes`: where the document's paths begin, of the URLs that are sent."""
        self._document = json.loads(path.read_text())
        self._prefixes = prefixes
        components = self._document.get("components", {})
        self._base = {"components": components}

    def check(self, request: httpx.Request) -> None:
        """Raises AssertionError for a request that isn't in the document: path, query, fields and their types."""
        operation, parameters = self._operation(request)
        known = {each["name"]: each for each in parameters if each["in"] == "query"}
        for name, value in request.url.params.multi_items():
            top = name.partition("[")[0]
            assert top in known, f"unknown parameter {name}"
            self._check_parameter(name, value, self._resolved(known[top]["schema"]))
        if not request.content:
            assert not self._resolved(operation.get("requestBody", {})).get("required"), "the body is missing"
            return
        content = self._resolved(operation["requestBody"])["content"]
        kind = request.headers["Content-Type"].partition(";")[0]
        assert kind in content, f"{kind} is not what is expected: {list(content)}"
        schema = content[kind]["schema"]
        body = json.loads(request.content) if kind == "application/json" else dict(
            parse_qsl(request.content.decode(), keep_blank_values=True)
        )
        self._check_value(body, schema)
        unknown = set(body) - set(self._properties(schema))
        assert not unknown, f"unknown fields {unknown}"

    def _operation(self, request: httpx.Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        url = str(request.url).partition("?")[0]
        path = next(url.removeprefix(prefix) for prefix in self._prefixes if url.startswith(prefix))
        found = [
            template
            for template in self._document["paths"]
            if re.fullmatch(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template)), path)
        ]
        assert found, f"no such path: {path}"
        item = self._document["paths"][sorted(found, key=lambda each: each.count("{"))[0]]
        operation = item[request.method.lower()]
        parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
        return operation, [self._resolved(each) for each in parameters]

    def _check_parameter(self, name: str, value: str, schema: dict[str, Any]) -> None:
        for key in re.findall(r"\[([^]]+)\]", name):  # style deepObject: filter[occurred_at][gte]
            assert key in schema["properties"], f"unknown parameter {name}"
            schema = self._resolved(schema["properties"][key])
        typed = int(value) if schema.get("type") == "integer" else value
        self._check_value(typed, schema)

    def _check_value(self, value: object, schema: dict[str, Any]) -> None:
        try:
            jsonschema.Draft202012Validator({**schema, **self._base}).validate(value)
        except jsonschema.ValidationError as error:
            raise AssertionError(f"{error.json_path}: {error.message}") from None

    def _properties(self, schema: dict[str, Any]) -> dict[str, Any]:
        schema = self._resolved(schema)
        found = dict(schema.get("properties", {}))
        for key in ("allOf", "oneOf", "anyOf"):
            for each in schema.get(key, []):
                found |= self._properties(each)
        return found

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            target: Any = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema
