"""The OpenAPI document as its page shows it. All of it comes from there: a new operation needs nothing here."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outdial.api.document import operations
from outdial.dashboard.api_fields import FieldView, Schemas
from outdial.dashboard.curl import curl

LONG_LINES = 16  # a longer example is folded


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleView:
    name: str
    text: str

    @property
    def is_long(self) -> bool:
        return self.text.count("\n") >= LONG_LINES


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyView:
    """A request's, or that of an answer."""

    media_type: str
    fields: list[FieldView]
    examples: list[ExampleView]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerView:
    status: str
    description: str
    headers: list[FieldView]
    bodies: list[BodyView]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    status: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    anchor: str
    method: str
    path: str
    summary: str
    description: str
    who: str  # may use it
    parameters: list[FieldView]
    bodies: list[BodyView]
    answers: list[AnswerView]
    errors: list[ErrorView]
    curl: str

    @property
    def found_by(self) -> str:
        return f"{self.summary} {self.method} {self.path} {self.anchor}".lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagView:
    anchor: str
    name: str
    description: str
    operations: list[OperationView]


def read_tags(document: Mapping[str, Any]) -> list[TagView]:
    schemas = Schemas(document)
    by_tag: dict[str, list[OperationView]] = {}
    for method, path, operation in operations(document):
        by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation, document, schemas))
    told = {tag["name"]: tag["description"] for tag in document.get("tags", ())}
    return [
        TagView(anchor=anchor_of(name), name=name, description=told.get(name, ""), operations=of_tag)
        for name, of_tag in by_tag.items()
    ]


def anchor_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _operation(
    method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any], schemas: Schemas
) -> OperationView:
    responses = sorted(operation["responses"].items())
    return OperationView(
        anchor=anchor_of(operation["operationId"]),
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        who=_who(operation),
        parameters=[schemas.parameter(each) for each in operation.get("parameters", ())],
        bodies=_bodies(operation.get("requestBody", {}), schemas),
        answers=[
            AnswerView(
                status=status,
                description=answer["description"],
                headers=[
                    schemas.parameter({"name": name, "in": "header", **header})
                    for name, header in answer.get("headers", {}).items()
                ],
                bodies=_bodies(answer, schemas),
            )
            for status, answer in responses
            if status < "4"
        ],
        errors=[error for status, answer in responses if status >= "4" for error in _errors(status, answer)],
        curl=curl(method, path, operation, document),
    )


def _bodies(has_content: Mapping[str, Any], schemas: Schemas) -> list[BodyView]:
    return [
        BodyView(
            media_type=media_type,
            fields=schemas.fields(content.get("schema", {})),
            examples=list(_examples(content)),
        )
        for media_type, content in has_content.get("content", {}).items()
    ]


def _examples(content: Mapping[str, Any]) -> Iterator[ExampleView]:
    if "example" in content:
        yield ExampleView(name="Example", text=_text(content["example"]))
    for name, example in content.get("examples", {}).items():
        words = name.replace("_", " ").capitalize()
        yield ExampleView(name=example.get("summary", words), text=_text(example["value"]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _errors(status: str, answer: Mapping[str, Any]) -> Iterator[ErrorView]:
    for content in answer.get("content", {}).values():
        for example in content.get("examples", {}).values():
            yield ErrorView(status=status, code=example["value"]["code"], message=example["value"]["message"])


def _who(operation: Mapping[str, Any]) -> str:
    access = operation.get("x-outdial-access")
    if not operation["security"] or access is None:
        return "Anybody; no key is needed."
    above = {"viewer": "anybody who is signed in", "editor": "an editor or an operator"}
    person = above.get(access["role"], f"an {access['role']}")
    if not access["scopes"]:
        return f"People only, signed in: {person}. No API key does."
    scopes = " or ".join(f"`{scope}`" for scope in access["scopes"])
    return f"An API key with the scope {scopes}; of people, {person}."
