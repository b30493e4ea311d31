"""Telnyx's error replies: `{"errors": [{code, title, detail, source: {pointer}, meta: {url}}]}`."""

from collections.abc import Iterable

MORE = "https://developers.telnyx.com/docs/overview/errors/{code}"


class ApiError(Exception):
    """`code` is Telnyx's; `pointer` names the field of the request that is wrong."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        pointer: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.pointer = pointer
        self.headers = headers or {}

    def json(self) -> dict[str, object]:
        error: dict[str, object] = {"code": self.code, "title": self.title, "detail": self.detail}
        if self.pointer:
            error["source"] = {"pointer": self.pointer}
        return {"errors": [{**error, "meta": {"url": MORE.format(code=self.code)}}]}


# -- the request

def unauthenticated() -> ApiError:
    return ApiError(
        401, "10009", "Authentication failed", "Could not find any usable credentials in the request."
    )


def missing(name: str) -> ApiError:
    return ApiError(
        422,
        "10004",
        "Missing required parameter",
        f"The '{name}' parameter is required and cannot be blank.",
        pointer=f"/{name}",
    )


def invalid(name: str, detail: str, *, status: int = 422) -> ApiError:
    return ApiError(status, "10015", f"Invalid value for {name}", detail, pointer=f"/{name}")


def invalid_connection() -> ApiError:
    return ApiError(
        422,
        "10015",
        "Invalid value for connection_id (Call Control App ID)",
        "The requested connection_id (Call Control App ID) is either invalid or does not exist. Only Call "
        "Control Apps with valid webhook URL are accepted.",
        pointer="/connection_id",
    )


def not_e164(name: str) -> ApiError:
    return ApiError(
        422,
        "10016",
        "Phone number must be in +E164 format",
        f"The '{name}' parameter must be in E164 format.",
        pointer=f"/{name}",
    )


def not_one_of(name: str, allowed: Iterable[str]) -> ApiError:
    return ApiError(
        422,
        "10032",
        "Value outside of enumeration",
        f"The '{name}' parameter must be one of: {', '.join(allowed)}.",
        pointer=f"/{name}",
    )


def out_of_range(name: str, low: int, high: int) -> ApiError:
    return ApiError(
        422,
        "10033",
        "Value outside of range",
        f"The '{name}' parameter must be from {low} to {high}.",
        pointer=f"/{name}",
    )


def not_simulated(name: str) -> ApiError:
    """Refused rather than ignored: Telnyx would do something else than this simulator."""
    return invalid(name, f"This simulator does not simulate '{name}'.")


def not_found() -> ApiError:
    return ApiError(404, "10005", "Resource not found", "The requested resource or URL could not be found.")


def malformed() -> ApiError:
    return ApiError(400, "10015", "Bad Request", "The request body must be a JSON object.")


def too_large() -> ApiError:
    return ApiError(413, "10015", "Bad Request", "The request body is too large.")


# -- the call

def unknown_call() -> ApiError:
    return ApiError(
        422,
        "90015",
        "Invalid Call Control ID",
        "The call_control_id provided was not valid.",
        pointer="/call_control_id",
    )


def ended() -> ApiError:
    return ApiError(
        422,
        "90018",
        "Call has already ended",
        "This call is no longer active and can't receive commands.",
    )


def not_answered() -> ApiError:
    return ApiError(
        422,
        "90034",
        "Call not answered yet",
        "This call can't receive this command because it has not been answered yet.",
    )


def already_streaming() -> ApiError:
    return ApiError(422, "90045", "Media streaming already used", "This call is streaming already.")


# -- limits and trouble

def too_many_requests() -> ApiError:
    return ApiError(
        429,
        "10011",
        "Too many requests",
        "You have exceeded the maximum number of allowed requests.",
        headers={"x-ratelimit-limit": "200", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"},
    )


def dials_per_second() -> ApiError:
    return ApiError(
        429,
        "90103",
        "Dials per second limit reached",
        "The account started more outbound legs than its limit in the last 5 seconds.",
    )


def channel_limit(code: str, of: str) -> ApiError:
    """`code` 90041 for the account, 90042 for the outbound profile, 90043 for the connection."""
    return ApiError(403, code, "Channel limit exceeded", f"The limit of simultaneous calls of the {of} is reached.")


def unexpected(status: int, headers: dict[str, str] | None = None) -> ApiError:
    return ApiError(status, "10007", "Unexpected error", "An unexpected error occurred.", headers=headers)
