"""Vonage's OpenAPI document as the judge of everything that goes over the wire in these tests."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from openapi_schema_validator import OAS30Validator

SPEC = json.loads((Path(__file__).parents[2] / "carriers/specs/vonage_resources.json").read_text())

# Told in the APIs' prose only, or plain HTTP; 400 is described for most resources and checked there.
UNDESCRIBED = {307, 400, 405, 413, 415, 420, 500, 503}  # 307: a fault; no carrier does it


async def judge(response: httpx.Response) -> None:
    """Raises AssertionError for a reply that isn't in the document, or a request that should not have succeeded."""
    operation = _operation(response.request)
    if operation is None:
        return
    await response.aread()
    if response.is_success:
        assert _problems_of(response.request, operation) == []
    described = operation["responses"].get(str(response.status_code))
    if described is None:
        assert response.status_code in UNDESCRIBED
        return
    content = _resolved(described).get("content", {}).get("application/json")
    if content is None:
        assert response.content == b""
        return
    assert _problems(response.json(), content["schema"]) == []


def _operation(request: httpx.Request) -> dict[str, Any] | None:
    for path, item in SPEC["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), request.url.path):
            return item.get(request.method.lower())
    return None


def _problems_of(request: httpx.Request, operation: dict[str, Any]) -> list[str]:
    known = {_resolved(each)["name"]: _resolved(each) for each in operation.get("parameters", [])}
    problems = [f"unknown parameter {name}" for name in request.url.params if name not in known]
    if "requestBody" not in operation:
        return problems
    [(kind, content)] = operation["requestBody"]["content"].items()
    if kind == "application/json":
        return problems + _problems(json.loads(request.content), content["schema"])
    return problems + _problems(dict(parse_qsl(request.content.decode())), content["schema"])


def _problems(content: Any, schema: dict[str, Any]) -> list[str]:
    validator = OAS30Validator({**schema, "components": SPEC["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)]


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    target = SPEC
    for name in part["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    return target
