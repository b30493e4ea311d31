"""Every error the API answers: RFC 9457 problem+json, plus our stable `code` and the `message` older clients read."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from outdial.calls.request import NotStorable
from outdial.db.engine import is_away
from outdial.logs import Seldom
from outdial.refusals import Conflict, Denied, Invalid, LimitReached, NotFound, NotYours, Refusal, Unavailable
from outdial.workspaces.secrets import WrongSecretKey

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20  # wrong fields told at once
_MAX_FIELD_CHARS = 200
_RETRY_UNAVAILABLE_S = 2
_RETRY_UNREADABLE_S = 60

_STATUS: Mapping[type[Refusal], int] = {
    NotYours: 403,
    Denied: 403,
    NotFound: 404,
    Conflict: 409,
    Invalid: 422,
    LimitReached: 429,
    Unavailable: 503,
}

# Ours, because Python's words for a status changed between its versions.
_TITLES: Mapping[int, str] = {
    401: "API key needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible now",
    413: "Body too large",
    415: "Not JSON",
    416: "Range not satisfiable",
    422: "Wrong field",
    429: "Limit reached",
    500: "Internal error",
    503: "Unavailable",
}

# What Starlette raises by itself: codes and words for the statuses it uses.
_HTTP: Mapping[int, tuple[str, str]] = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address doesn't take this method; see the Allow header."),
}

_UNREADABLE = (
    "The account's credentials can't be read: they were stored with another secret key than this server's. Give them "
    "anew, all of them: PATCH /v1/carrier-accounts/<id>, or outdial accounts change <id> -c name=value on the server."
)

FieldError = Mapping[str, str]  # {"field": "retry.on[0]", "message": "why"}


class Problem(HTTPException):
    """A refusal on its way out. Made only in `api`; the rest raises Refusal."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(status, detail=message, headers=dict(headers or {}))
        self.code = code
        self.message = message
        self.errors = errors


def unavailable(message: str = "The database can't be used; nothing was stored.") -> Problem:
    return Problem(503, "unavailable", message, headers={"Retry-After": str(_RETRY_UNAVAILABLE_S)})


def invalid(errors: Sequence[FieldError]) -> Problem:
    """422; the message names the first wrong field, `errors` all of them (up to a limit)."""
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    message = f"{first['field']}: {first['message']}{more}"
    return Problem(422, "invalid_request", message, errors=errors[:MAX_ERRORS])


def as_problem(error: Exception) -> Problem | None:
    """What to tell whoever asked; None for an error that is ours, not theirs."""
    match error:
        case Problem():
            return error
        case HTTPException():
            code, message = _HTTP.get(error.status_code, ("refused", HTTPStatus(error.status_code).phrase + "."))
            return Problem(error.status_code, code, message, headers=error.headers)
        case RequestValidationError():
            return invalid(field_errors(error.errors()))
        case Invalid():
            return invalid([{"field": error.field, "message": error.message}])
        case LimitReached() | Unavailable():
            headers = {"Retry-After": str(error.retry_after_s)}
            return Problem(_STATUS[type(error)], error.code, error.message, headers=headers)
        case WrongSecretKey():
            headers = {"Retry-After": str(_RETRY_UNREADABLE_S)}
            return Problem(503, "credentials_unreadable", _UNREADABLE, headers=headers)
        case Refusal():
            return Problem(_STATUS[type(error)], error.code, error.message)
    return None


def problem_json(problem: Problem) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:outdial:problem:{problem.code}",
        "title": _TITLES.get(problem.status_code) or HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": problem.message,
        "code": problem.code,
        "message": problem.message,
    }
    if problem.errors:
        body["errors"] = list(problem.errors)
    return body


def respond(problem: Problem) -> Response:
    # ASCII with escapes: a field name that is quoted back may hold what UTF-8 can't (half a surrogate pair).
    body = json.dumps(problem_json(problem)).encode()
    return Response(body, problem.status_code, dict(problem.headers or {}), media_type=MEDIA_TYPE)


def at_path(path: Sequence[str | int], message: str) -> Problem:
    """422 for what stands at a place in the body."""
    return invalid([{"field": _field(("body", *path)), "message": message}])


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Pydantic's errors as ours. What was sent isn't repeated, but for the names of fields."""
    return [{"field": _field(error["loc"]), "message": _reason(error)} for error in map(_deeper, errors)]


def install(app: FastAPI) -> None:
    """Answer every exception that leaves a handler of `app`."""
    unreachable = Seldom(every_s=10.0)  # strangers' requests make it be noticed, too

    @app.exception_handler(HTTPException)
    @app.exception_handler(RequestValidationError)
    @app.exception_handler(Refusal)
    @app.exception_handler(WrongSecretKey)
    async def _known(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        assert problem is not None
        return respond(problem)

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    async def _database(request: Request, error: Exception) -> Response:
        if not is_away(error):
            raise error
        cause = error.orig if isinstance(error, DBAPIError) else error
        if times := unreachable.again():
            logger.error("Database unreachable", extra={"error": type(cause).__name__, "times": times})
        return respond(unavailable())

    @app.exception_handler(ClientDisconnect)
    async def _left(request: Request, error: Exception) -> Response:
        """Who goes away in the middle of a body is nobody's fault, and hears nothing any more."""
        return Response(status_code=400)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        # Starlette raises the error again after this answer, so the server logs it.
        return respond(Problem(500, "internal_error", "Something went wrong on our side; it was logged."))


def _deeper(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where in free JSON (variables, metadata) the fault is."""
    match error.get("ctx"):
        case {"error": NotStorable() as fault}:
            return {**error, "loc": (*error["loc"], *fault.path)}
    return error


def _field(location: Sequence[str | int]) -> str:
    """("body", "retry", "on", 0) is `retry.on[0]`; the whole body is `body`."""
    where, *path = location
    name = ""
    for index, part in enumerate(path):
        if isinstance(part, int):
            name += f"[{part}]"
        elif not (index > 0 and part.startswith("amd:")):  # the tag of a union, not a field
            name += f".{part}" if name else part
    return (name or str(where))[:_MAX_FIELD_CHARS]


def _reason(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not a field of this request"
        case "model_attributes_type" | "model_type" | "dict_type":
            return "must be a JSON object"
        case "too_short" | "too_long" | "string_too_short" | "string_too_long":
            return _length(error)
    reason = str(error["msg"]).removeprefix("Value error, ")
    return reason.replace("Input should", "must", 1) if reason.startswith("Input should ") else reason


def _length(error: Mapping[str, Any]) -> str:
    """In the words of people: pydantic counts the items of a value, even where that is text."""
    least, most = error["ctx"].get("min_length"), error["ctx"].get("max_length")
    things = ("character", "characters") if isinstance(error["input"], str) else ("item", "items")
    limit = most if least is None else least
    return f"must have at {'most' if least is None else 'least'} {limit} {things[limit != 1]}"
