"""A line for a shell that does what an operation of the OpenAPI document does."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from outdial.dashboard.literals import as_json, in_shell
from outdial.ids import UUID_IN_SHELL

KEY = "$OUTDIAL_API_KEY"  # the variable that the command line reads, too: a key has no place in a shell's history
CSRF_TOKEN = "$CSRF_TOKEN"  # noqa: S105 - a variable's name
SIGN_IN = "$SIGN_IN"

_FILES = {"text/csv": "csv", "audio/wav": "wav"}  # bodies and answers that are kept in files


def curl(method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Variables are the shell's, what to fill in is in capitals. The body is the operation's first example."""
    verb = "" if method == "get" else f" -X {method.upper()}"
    url = document["servers"][0]["url"] + _filled_in(path, operation)
    return " \\\n  ".join([f"curl{verb} {in_shell(url)}", *_options(operation, document)])


def _options(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for requirement in operation["security"]:
        for name in requirement:
            scheme = document["components"]["securitySchemes"][name]
            if scheme["in"] == "cookie":
                yield f'--cookie "{scheme["name"]}={SIGN_IN}"'
                yield f'-H "X-CSRF-Token: {CSRF_TOKEN}"'
            else:
                yield f'-H "{scheme["name"]}: {KEY}"'
    if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ())):
        yield f'-H "Idempotency-Key: {UUID_IN_SHELL}"'
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"-H 'Content-Type: {media_type}'"
        if media_type in _FILES:
            yield f"--data-binary @{_file(operation, media_type)}"
        else:
            yield f"-d {in_shell(as_json(first_example(content)))}"
    for media_type in sorted(_answers(operation)):
        if media_type in _FILES:
            yield f"-o {_file(operation, media_type)}"
        elif media_type == "text/event-stream":
            yield "--no-buffer"


def first_example(content: Mapping[str, Any]) -> Any:
    if "example" in content:
        return content["example"]
    return next((each["value"] for each in content.get("examples", {}).values()), None)


def _answers(operation: Mapping[str, Any]) -> set[str]:
    done = [answer for status, answer in operation["responses"].items() if status < "3"]
    return {media_type for answer in done for media_type in answer.get("content", {})}


def _file(operation: Mapping[str, Any], media_type: str) -> str:
    """Named after what it is of: calls.csv, recording.wav."""
    words = operation["operationId"].split("_", 1)
    return f"{words[-1]}.{_FILES[media_type]}"


def _filled_in(path: str, operation: Mapping[str, Any]) -> str:
    examples = {
        parameter["name"]: parameter["schema"].get("examples", [parameter["name"].upper()])[0]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    }
    return re.sub(r"{(\w+)}", lambda name: quote(str(examples[name[1]]), safe="+"), path)
