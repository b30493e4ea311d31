"""Who is asking, may they, and is it JSON: decided before a byte of the body is read.

A request comes from a program with an API key, or from the browser of a person who is signed in. FastAPI reads and
parses a body before it looks at dependencies; a stranger shouldn't get that far, so these checks sit in the route.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader

from outdial.api.access_table import access_of
from outdial.api.problems import Problem, at_path
from outdial.api.request_rate import RequestRate
from outdial.api.services import Services
from outdial.api.sign_in_cookie import is_of_another_workspace, read_token, require_our_page
from outdial.api.strict_json import parse_storable
from outdial.calls.request import NotStorable
from outdial.members.signed_in import SignedIn, SignIns
from outdial.refusals import Denied
from outdial.workspaces.access import Principal
from outdial.workspaces.api_keys import Authenticator

_scheme = APIKeyHeader(
    name="Authorization",
    scheme_name="ApiKey",
    description="An API key of the workspace, as it is (`Authorization: od_…`) or as `Bearer od_…`. Each key has "
    "a scope; `x-outdial-access` of an operation says which scopes do.",
    auto_error=False,
)


class ApiRoute(APIRoute):
    """A route for those who may; its body, if it takes one, is strict JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        needed = access_of(self)

        async def guarded(request: Request) -> Response:
            principal = request.state.principal = await _principal(request)
            if needed is None:
                raise Denied("forbidden", "Nobody may do this: who may hasn't been settled.")
            principal.require(needed)
            if self.body_field is not None:
                if self.body_field.field_info.is_required() or _has_body(request):
                    _require_json(request)
                request = JsonRequest(request.scope, request.receive)
            response = await handle(request)
            # People's browsers ask, too: what they were shown mustn't be there any more once they are signed out.
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            return response

        return guarded


class JsonRequest(Request):
    """JSON as `api.strict_json` reads it."""

    async def json(self) -> Any:
        try:
            return parse_storable(await self.body())
        except NotStorable as error:
            raise at_path(error.path, str(error)) from None


async def signed_in(request: Request) -> SignedIn | None:
    """Whose browser this is, by its cookie alone."""
    services = cast(Services, request.app.state.services)
    token = read_token(request, services.settings.base_url)
    return None if token is None else await cast(SignIns, request.app.state.sign_ins)(token)


def address_of(request: Request) -> str:
    """The network address a request comes from; behind a proxy on this machine, the one that tells."""
    return request.client.host if request.client else ""


async def caller(request: Request, _: Annotated[str | None, Security(_scheme)]) -> Principal:
    return cast(Principal, request.state.principal)


Caller = Annotated[Principal, Depends(caller)]


async def person(request: Request, _: Caller) -> SignedIn:
    """For endpoints that are for people only."""
    assert request.state.signed_in is not None
    return cast(SignedIn, request.state.signed_in)


async def remembered(request: Request) -> SignIns:
    return cast(SignIns, request.app.state.sign_ins)


Person = Annotated[SignedIn, Depends(person)]
Remembered = Annotated[SignIns, Depends(remembered)]  # to be told of what was changed


async def holder_of_key(request: Request) -> Principal:
    """The program that asks, whose request is counted. What it may do: Principal.require. Raises Problem and
    LimitReached."""
    authenticate = cast(Authenticator, request.app.state.authenticator)
    key = bearer(request)
    if not key:
        raise _unauthorized("Send an API key in the Authorization header.")
    principal = await authenticate(key, address=address_of(request))
    if principal is None:
        raise _unauthorized("This API key is unknown or was revoked.")
    cast(RequestRate, request.app.state.request_rate).count(principal.actor.id)
    return principal


def bearer(request: Request) -> str:
    """What stands in the Authorization header, as it is or as `Bearer …`; "" where there is none, or more than one."""
    values = request.headers.getlist("authorization")
    return _key(values[0]) if len(values) == 1 else ""


async def _principal(request: Request) -> Principal:
    """Sets request.state.signed_in: None for a program."""
    request.state.signed_in = None
    base_url = cast(Services, request.app.state.services).settings.base_url
    if "authorization" in request.headers or read_token(request, base_url) is None:
        return await holder_of_key(request)
    person = request.state.signed_in = await signed_in(request)
    if person is None:
        raise _unauthorized("This sign-in has ended; sign in again.")
    require_our_page(request, person, base_url)
    if is_of_another_workspace(request, person):
        raise Problem(
            409,
            "other_workspace",
            "You switched to another workspace in another window; this page is still the one before. Nothing was "
            "changed; load the page again.",
        )
    return person.principal


def _key(value: str) -> str:
    scheme, _, rest = value.strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else value.strip()


def _unauthorized(message: str) -> Problem:
    return Problem(401, "unauthorized", message, headers={"WWW-Authenticate": 'Bearer realm="outdial"'})


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(
            415,
            "not_json",
            "The body has to be JSON, with Content-Type: application/json.",
            headers={"Accept": "application/json"},
        )
