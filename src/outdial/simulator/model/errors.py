"""What the vendor answers to a request it doesn't serve."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Refused(Exception):
    """An error as the vendor words it: `type` and `code` are what clients tell errors apart by."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def invalid(param: str, message: str, code: str | None = None) -> Refused:
    return Refused(status=400, message=message, param=param, code=code)


def no_such_model(name: str) -> Refused:
    return Refused(
        status=404,
        message=f"The model `{name}` does not exist: only the simulator's own models do.",
        param="model",
        code="model_not_found",
    )


def too_long(most_tokens: int) -> Refused:
    message = f"This model's maximum context length is {most_tokens} tokens. Please reduce the length of the messages."
    return invalid("messages", message, "context_length_exceeded")


def unauthorised() -> Refused:
    return Refused(status=401, message="Incorrect API key provided.", code="invalid_api_key")


def throttled(retry_after_s: float) -> Refused:
    return Refused(
        status=429,
        message="Rate limit reached for requests.",
        type="requests",
        code="rate_limit_exceeded",
        headers={"Retry-After": str(round(retry_after_s))},
    )


def out_of_quota() -> Refused:
    message = "You exceeded your current quota, please check your plan and billing details."
    return Refused(status=429, message=message, type="insufficient_quota", code="insufficient_quota")


def failed(status: int) -> Refused:
    """What the vendor says with a status."""
    if status == 401:
        return unauthorised()
    if status == 503:
        return Refused(status=503, message="The engine is currently overloaded.", type="overloaded", code="overloaded")
    if status < 500:
        return Refused(status=status, message="Your request can't be served.")
    message = "The server had an error while processing your request."
    return Refused(status=status, message=message, type="server_error", code="server_error")
