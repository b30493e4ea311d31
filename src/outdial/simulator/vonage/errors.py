"""Vonage's error replies. The Voice API, the Applications API and the Numbers API each have a shape of their own.

The bodies of 401, 404, 429 and 5xx of the Voice API are not published; these are those of its siblings.
"""

import uuid
from typing import Any

from starlette.responses import JSONResponse

PROBLEMS = "https://developer.nexmo.com/api-errors"


class RestError(Exception):
    def __init__(self, status: int, body: dict[str, Any], *, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}")
        self.headers = headers
        self.status = status
        self.body = body

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


# -- Voice API


def bad_request(name: str, reason: str) -> RestError:
    parameters = [{"name": name, "reason": reason}]
    return RestError(400, {"type": 400, "title": "Bad Request", "invalid_parameters": parameters})


def unauthorized() -> RestError:
    return RestError(401, {"type": "UNAUTHORIZED", "error_title": "Unauthorized"})


def not_found() -> RestError:
    return RestError(404, {"type": "NOT_FOUND", "error_title": "Not Found"})


def throttled() -> RestError:
    return RestError(429, {"type": "TOO_MANY_REQUESTS", "error_title": "Too Many Requests"})


def unavailable(headers: dict[str, str] | None = None) -> RestError:
    body = {"type": "SERVICE_UNAVAILABLE", "error_title": "Service Unavailable"}
    return RestError(503, body, headers=headers)


def internal() -> RestError:
    return RestError(500, {"type": "INTERNAL_SERVER_ERROR", "error_title": "Internal Server Error"})


# -- Applications and Reports API


def problem(status: int, kind: str, title: str, detail: str, **more: Any) -> RestError:
    """`kind` is the end of the type's URL, "#not-found" or "/application#payload-validation"."""
    instance = uuid.uuid4().hex
    return RestError(
        status, {"type": PROBLEMS + kind, "title": title, "detail": detail, **more, "instance": instance}
    )


def invalid_credentials() -> RestError:
    return problem(
        401, "#unauthorized", "Invalid credentials supplied", "You did not provide correct credentials."
    )


def no_application(application_id: str) -> RestError:
    detail = f"ID '{application_id}' does not exist, or you do not have access"
    return problem(404, "#not-found", "Not Found", detail)


def invalid_payload(name: str, reason: str) -> RestError:
    return problem(
        400,
        "/application#payload-validation",
        "Bad Request",
        "The request failed due to validation errors",
        invalid_parameters=[{"name": name, "reason": reason}],
    )


def wrong_verb(method: str) -> RestError:
    detail = f"Request method '{method}' not supported"
    return problem(405, "#wrong-verb", "Request method not allowed", detail)


def wrong_content_type() -> RestError:
    return problem(
        415,
        "#content-type-header",
        "Unsupported Content-Type header",
        "Unsupported Content-Type header provided. Must be one of the following: 'application/json'",
    )


# -- Numbers API


def number_refused(label: str) -> RestError:
    return RestError(420, {"error-code": "420", "error-code-label": label})


def numbers_unauthorized() -> RestError:
    return RestError(401, {"error-code": "401", "error-code-label": "authentication failed"})
