"""What the OpenAPI document says beside the handlers' signatures: the errors, the examples, the notice."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from outdial.api.access_table import access_of
from outdial.api.auth import ApiRoute
from outdial.api.document import put_in_order
from outdial.api.problems import MEDIA_TYPE, Problem, problem_json
from outdial.api.sign_in_cookie import cookie_name
from outdial.workspaces.access import Access, Role, Scope, needed_scope

CONSENT = "In some regions automated calls without consent break the law: call only people who agreed to it."

DESCRIPTION = f"""
One `POST` and your agent phones anyone, from your own number at a carrier.

**{CONSENT}**

Every request needs an API key in the `Authorization` header, with a scope that does: `place_calls` (place calls,
end them, look at the workspace's calls and follow them), `read` (look at everything) or `operator` (everything but
what only people may: lines, destinations, API keys, members, taking numbers off the do-not-call list). (In the browser
of somebody who is signed in, the cookie does, with the header `X-CSRF-Token` on what changes something; then their
role decides what they may do.) What each operation takes is below it, and in the document as `x-outdial-access`.

Every error is `application/problem+json` (RFC 9457) with a stable `code`, and a `message` for people. Instants are
ISO 8601 in UTC, phone numbers E.164. Each answer has an `X-Request-Id` (that of the request, where it has one), which
finds the request in the server's log.

Beside what each operation lists, a request may be refused for what it is: 431 for headers of more than 32 kB or 100
fields, 408 where it doesn't come to its end in time, 503 `too_many_connections` where no place is free, and 429
`rate_limited` where an API key makes too many (50 a second and 100 at once, if the server isn't set otherwise). An
address is answered with and without a slash at its end, and `HEAD` wherever there is `GET`.
"""


_CSRF = "Of a browser: the CSRF token is missing, or the request comes from another site."
_RATE_LIMITED = "Too many requests with this key: at most 50 a second, and 100 at once after a pause. Try again in 1 s."


class FieldProblem(BaseModel):
    field: str
    message: str


class ProblemBody(BaseModel):
    """RFC 9457, with `code` (stable, for programs) and `message` (the same words as `detail`)."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    errors: list[FieldProblem] = []


_INVALID = [{"field": "to", "message": "must be an E.164 number such as +15551234567: it has to start with +"}]
_COMMON: dict[int, tuple[str, str, str]] = {
    401: ("The API key is missing, unknown or revoked.", "unauthorized", "This API key is unknown or was revoked."),
    413: ("The body is too large.", "body_too_large", "The request body is larger than 1000000 bytes."),
    415: ("The body isn't JSON.", "not_json", "The body has to be JSON, with Content-Type: application/json."),
    422: ("A field is wrong; `errors` says which, and why.", "invalid_request", f"to: {_INVALID[0]['message']}"),
    503: ("Nothing was stored; try again.", "unavailable", "The database can't be used; nothing was stored."),
}


def errors(*statuses: int, **codes: str) -> dict[int | str, dict[str, Any]]:
    """The error `responses` of an operation behind an API key. `s409_some_code="sentence"` documents a code of
    its own."""
    return documented(401, 503, *statuses, **codes)


def documented(*statuses: int, **codes: str) -> dict[int | str, dict[str, Any]]:
    """The same for operations that need no key and touch nothing."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted(statuses):
        description, code, message = _COMMON[status]
        _add(responses, status, description, code, message)
    for name, message in codes.items():
        status_text, _, code = name.removeprefix("s").partition("_")
        _add(responses, int(status_text), message, code, message)
    return responses


def example(value: Any, description: str = "Done", *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The success of an operation, with an example."""
    return {status: {"description": description, "content": {"application/json": {"example": value}}}}


def complete_document(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Have the OpenAPI document of `app` say what handlers can't, and not say what isn't so."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document["components"]["schemas"]
            schemas.update(schema.pop("$defs"))
            schemas["Problem"] = schema
            document["components"]["securitySchemes"]["SignIn"] = {
                "type": "apiKey",
                "in": "cookie",
                "name": cookie_name(app.state.services.settings.base_url),
                "description": "The cookie of somebody who is signed in, with the `X-CSRF-Token` of their page on what "
                "changes something. Operations that ask for an API key take it as well.",
            }
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for route in (route for router in routers for route in router.routes if isinstance(route, APIRoute)):
                for method in route.methods or ():
                    _complete(document["paths"][route.path_format][method.lower()], route)
            for item in document.get("webhooks", {}).values():
                item["post"]["responses"].pop("422", None)  # FastAPI's own: what a receiver may answer is told
            put_in_order(document)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(operation: dict[str, Any], route: APIRoute) -> None:
    stated = {str(status): response for status, response in route.responses.items()}
    if isinstance(route, ApiRoute) and (access := access_of(route)) is not None:
        _say_who_may(operation, access, changes=not (route.methods or set()) <= {"GET", "HEAD"})
    if "422" not in stated:
        operation["responses"].pop("422", None)  # FastAPI adds its own wherever there is a parameter
    for status, response in stated.items():
        for media_type, content in response.get("content", {}).items():
            if "example" in content:  # FastAPI drops the nulls in it
                operation["responses"][status]["content"][media_type]["example"] = content["example"]


def _say_who_may(operation: dict[str, Any], access: Access, *, changes: bool) -> None:
    scopes = [scope for scope in reversed(Scope) if scope in access.scopes]
    operation["x-outdial-access"] = {"role": access.role, "scopes": scopes}
    if changes:
        _add_code(operation, 403, "csrf", _CSRF)
    if access.role is not Role.VIEWER:
        above = " or above." if access.role is Role.EDITOR else "."
        _add_code(operation, 403, "role_too_low", f"Only for the role {access.role}{above}")
    if not scopes:
        operation["security"] = [{"SignIn": []}]
        _add_code(operation, 403, "people_only", access.people_only)
        return
    if len(scopes) < len(Scope):
        _add_code(operation, 403, "scope_too_small", f"{needed_scope(access)}.")
    _add_code(operation, 429, "rate_limited", _RATE_LIMITED)


def _add_code(operation: dict[str, Any], status: int, code: str, message: str) -> None:
    """To the responses that stand in the document already, whose statuses are text."""
    responses = operation["responses"]
    known = {status: responses[str(status)]} if str(status) in responses else {}
    _add(known, status, message, code, message)
    responses[str(status)] = known[status]


def _add(responses: dict[Any, dict[str, Any]], status: int, description: str, code: str, message: str) -> None:
    problem = Problem(status, code, message, errors=_INVALID if code == "invalid_request" else ())
    response = responses.setdefault(
        status,
        {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
        },
    )
    examples = response["content"][MEDIA_TYPE]["examples"]
    if examples:
        response["description"] = "; or: ".join([response["description"].rstrip("."), description])
    examples[code] = {"value": problem_json(problem)}
    match status:
        case 401:
            response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
        case 429 | 503:
            response["headers"] = {
                "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before trying again"}
            }
