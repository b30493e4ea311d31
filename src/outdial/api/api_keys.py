"""API keys: make (shown once), list, revoke."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, Path, Request
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller, needs
from outdial.api.bodies import Name, StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.db.engine import reading
from outdial.ids import is_id
from outdial.refusals import NotFound
from outdial.workspaces.access import Role
from outdial.workspaces.api_keys import (
    ApiKeyView,
    Authenticator,
    NewApiKey,
    create_api_key,
    list_api_keys,
    revoke_api_key,
)

router = APIRouter(route_class=ApiRoute, tags=["API keys"])

_KEY: dict[str, Any] = {
    "id": "key_5z2v7k0t3w6y9r4m1q8x",
    "name": "Zapier",
    "hint": "od_Xy12a",
    "created_at": "2026-01-31T09:00:00Z",
    "last_used_at": "2026-01-31T09:30:00Z",
    "revoked_at": None,
}


class ApiKeyList(TypedDict):
    api_keys: list[ApiKeyView]


class KeyRequest(StrictBody):
    name: Name


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
@needs(Role.OPERATOR)
async def post_key(
    services: Use,
    caller: Caller,
    body: Annotated[KeyRequest, Body(openapi_examples={"key": {"value": {"name": "Zapier"}}})],
) -> JSONResponse:
    key = await create_api_key(services.engine, caller.workspace_id, name=body.name, by=caller.actor)
    return JSONResponse(key, status_code=201, headers={"Cache-Control": "no-store"})


@router.delete(
    "/v1/api-keys/{key_id}",
    summary="Revoke an API key",
    operation_id="revoke_api_key",
    description="Here it stops working at once, in other processes within seconds. A key may revoke itself.",
    response_model=ApiKeyView,
    responses=example(_KEY | {"revoked_at": "2026-02-01T09:00:00Z"})
    | errors(s404_api_key_not_found="There is no such API key."),
)
@needs(Role.OPERATOR)
async def delete_key(
    request: Request, services: Use, caller: Caller, key_id: Annotated[str, Path(description="Id of an API key")]
) -> JSONResponse:
    if not is_id(key_id, "key"):
        raise NotFound("api_key_not_found", "There is no such API key.")
    key = await revoke_api_key(services.engine, caller.workspace_id, key_id, by=caller.actor)
    cast(Authenticator, request.app.state.authenticator).forget(key_id)
    return JSONResponse(key)
