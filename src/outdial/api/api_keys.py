"""API keys: make (shown once), list, change the scope, revoke."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, Path, Request
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import Name, StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.db.engine import reading
from outdial.ids import is_id
from outdial.refusals import NotFound
from outdial.workspaces.access import Scope
from outdial.workspaces.api_keys import (
    ApiKeyView,
    Authenticator,
    NewApiKey,
    change_scope,
    create_api_key,
    list_api_keys,
    revoke_api_key,
)

router = APIRouter(route_class=ApiRoute, tags=["API keys"])

_KEY: dict[str, Any] = {
    "id": "key_5z2v7k0t3w6y9r4m1q8x",
    "name": "Zapier",
    "hint": "od_Xy12a",
    "scope": "place_calls",
    "created_at": "2026-01-31T09:00:00Z",
    "last_used_at": "2026-01-31T09:30:00Z",
    "revoked_at": None,
}
_NO_KEY = {"s404_api_key_not_found": "There is no such API key."}
_Scope = Annotated[Scope, Field(strict=False)]
KeyId = Annotated[str, Path(description="Id of an API key")]


class ApiKeyList(TypedDict):
    api_keys: list[ApiKeyView]


class KeyRequest(StrictBody):
    name: Name
    scope: _Scope = Scope.OPERATOR
    """`place_calls`: place calls, end them, look at the workspace's calls and follow them. `read`: look at everything.
    `operator`: everything but what only people may."""


class KeyChanges(StrictBody):
    scope: _Scope


@router.get(
    "/v1/api-keys",
    summary="List API keys",
    operation_id="list_api_keys",
    description="Newest first, revoked ones included; never the keys themselves.",
    response_model=ApiKeyList,
    responses=example({"api_keys": [_KEY]}) | errors(),
)
async def get_keys(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(ApiKeyList(api_keys=await list_api_keys(conn, caller.workspace_id)))


@router.post(
    "/v1/api-keys",
    summary="Make an API key",
    operation_id="create_api_key",
    description="The answer is the only place where `key` is ever shown.",
    status_code=201,
    response_model=NewApiKey,
    responses=example(_KEY | {"key": "od_Xy12aExample", "last_used_at": None}, "Made", status=201)
    | errors(413, 415, 422),
)
async def post_key(
    services: Use,
    caller: Caller,
    body: Annotated[KeyRequest, Body(openapi_examples={"key": {"value": {"name": "Zapier", "scope": "place_calls"}}})],
) -> JSONResponse:
    key = await create_api_key(services.engine, caller.workspace_id, name=body.name, scope=body.scope, by=caller.actor)
    return JSONResponse(key, status_code=201, headers={"Cache-Control": "no-store"})


@router.patch(
    "/v1/api-keys/{key_id}",
    summary="Change the scope of an API key",
    operation_id="change_api_key",
    description="Here it holds at once, in other processes within seconds.",
    response_model=ApiKeyView,
    responses=example(_KEY)
    | errors(413, 415, 422, **_NO_KEY, s409_api_key_revoked="This API key was revoked; make another one."),
)
async def patch_key(
    request: Request,
    services: Use,
    caller: Caller,
    key_id: KeyId,
    body: Annotated[KeyChanges, Body(openapi_examples={"narrower": {"value": {"scope": "place_calls"}}})],
) -> JSONResponse:
    key = await change_scope(services.engine, caller.workspace_id, _checked(key_id), body.scope, by=caller.actor)
    _authenticator(request).forget(key_id)
    return JSONResponse(key)


@router.delete(
    "/v1/api-keys/{key_id}",
    summary="Revoke an API key",
    operation_id="revoke_api_key",
    description="Here it stops working at once, in other processes within seconds.",
    response_model=ApiKeyView,
    responses=example(_KEY | {"revoked_at": "2026-02-01T09:00:00Z"})
    | errors(**_NO_KEY),
)
async def delete_key(request: Request, services: Use, caller: Caller, key_id: KeyId) -> JSONResponse:
    key = await revoke_api_key(services.engine, caller.workspace_id, _checked(key_id), by=caller.actor)
    _authenticator(request).forget(key_id)
    return JSONResponse(key)


def _checked(key_id: str) -> str:
    if not is_id(key_id, "key"):
        raise NotFound("api_key_not_found", "There is no such API key.")
    return key_id


def _authenticator(request: Request) -> Authenticator:
    return cast(Authenticator, request.app.state.authenticator)
