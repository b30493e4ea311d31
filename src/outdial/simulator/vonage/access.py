"""Who may ask: bodies, credentials and how errors are answered, for every API of Vonage's."""

import base64
import binascii
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from outdial.simulator.vonage import errors, tokens
from outdial.simulator.vonage.account import VonageAccount
from outdial.simulator.vonage.applications import Application
from outdial.simulator.vonage.validation import Invalid

MAX_BODY_BYTES = 256 * 1024

Endpoint = Callable[[Request], Awaitable[Response]]
Refusal = Callable[[Invalid], errors.RestError]


def resource(path: str, account: VonageAccount, endpoints: dict[str, Endpoint], refusal: Refusal) -> Route:
    """`endpoints` by method; `refusal` says in the API's own shape what is wrong with a request."""

    async def handle(request: Request) -> Response:
        account.region_url = str(request.base_url).rstrip("/")
        endpoint = endpoints.get(request.method)
        try:
            if endpoint is None:
                raise errors.wrong_verb(request.method)
            return await endpoint(request)
        except Invalid as exc:
            return refusal(exc).response()
        except errors.RestError as exc:
            return exc.response()

    return Route(path, handle, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])


def application_of(request: Request, account: VonageAccount) -> Application:
    """The application whose token came with the request. Raises RestError 401."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise tokens.BadToken("no token")
        claims = tokens.verify(token, account.public_key, time.time())
    except tokens.BadToken:
        raise errors.unauthorized() from None
    return account.applications[claims["application_id"]]


def has_secret(request: Request, account: VonageAccount, form: dict[str, str] | None = None) -> bool:
    """Basic, or `api_key` and `api_secret` in the query or in `form`."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    given = {**(form or {}), **dict(request.query_params)}
    key, secret = given.get("api_key", ""), given.get("api_secret", "")
    if scheme.lower() == "basic":
        try:
            key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
    return account.admits(key, secret)


async def body_of(request: Request) -> bytes:
    """Raises RestError."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise errors.RestError(413, {"type": 413, "title": "Payload Too Large"})
    return body


async def json_body(request: Request) -> bytes:
    """Raises RestError."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise errors.wrong_content_type()
    return await body_of(request)


async def form_body(request: Request) -> dict[str, str]:
    """The last value of each field. Raises Invalid or RestError."""
    try:
        fields = parse_qs((await body_of(request)).decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise Invalid("", "must be a form") from None
    return {name: values[-1] for name, values in fields.items()}


def whole_number(request: Request, name: str, default: int, low: int, high: int = 1_000_000) -> int:
    """A query parameter. Raises Invalid."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise Invalid(name, f"must be between {low} and {high}")
    return int(text)
