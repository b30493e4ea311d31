"""From an HTTP request to an endpoint: the API key, the body, errors as Telnyx tells them."""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.telnyx import errors, ids
from outdial.simulator.telnyx.requests import Body

ROOT = "/v2"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
MAX_BODY_BYTES = 64 * 1024

Endpoint = Callable[[Request, Body], Awaitable[Response]]


def routes(table: list[tuple[str, str, Endpoint]], admits: Callable[[str], bool]) -> list[Route]:
    """The last route answers every other path under /v2, so these must come after other carriers' routes."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for method, path, endpoint in table:
        paths.setdefault(ROOT + path, {})[method] = endpoint
    paths[ROOT + "/{rest:path}"] = {}
    return [Route(path, _resource(endpoints, admits), methods=METHODS) for path, endpoints in paths.items()]


def _resource(
    endpoints: dict[str, Endpoint], admits: Callable[[str], bool]
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            response = await _answer(request, endpoints, admits)
        except errors.ApiError as error:
            response = JSONResponse(error.json(), error.status, error.headers)
        response.headers["x-request-id"] = ids.new_uuid()
        return response

    return handle


async def _answer(
    request: Request, endpoints: dict[str, Endpoint], admits: Callable[[str], bool]
) -> Response:
    body = await _read(request)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not admits(key.strip()):
        raise errors.unauthenticated()
    endpoint = endpoints.get(request.method)
    if endpoint is None:
        raise errors.not_found()
    return await endpoint(request, _parse(body))


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise errors.too_large()
    return body


def _parse(raw: bytes) -> Body:
    try:
        values = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise errors.malformed() from None
    if not isinstance(values, dict):
        raise errors.malformed()
    return Body(values)
