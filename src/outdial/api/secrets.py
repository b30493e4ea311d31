"""The secrets of a workspace: listed, set, removed; a value goes in and never comes out."""

from typing import Annotated

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.agents.secret_use import SecretUser, agents_by_secret
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.secrets import store
from outdial.secrets.store import MAX_CHARS, MOST, MOST_HOSTS, NewSecret, SecretView

router = APIRouter(route_class=ApiRoute, tags=["Secrets"])

_SECRET = {
    "name": "weather_key",
    "hosts": ["api.weather.example"],
    "set_at": "2026-01-31T09:00:00Z",
    "set_by": {"kind": "person", "id": "person_4m1q8x5z2v7k0t3w6y9r", "name": "Jane Doe"},
    "readable": True,
    "used_by": [{"id": "agent_7k2v5x8z1q4m0t3w6y9r", "name": "Front desk"}],
}
_NOT_FOUND = "There is no secret 'weather_key' in this workspace."

Name = Annotated[str, Path(description="A small letter, then small letters, digits and _; 63 characters at most")]


class Secret(SecretView):
    """`used_by`: the agents whose draft or published version names it."""

    used_by: list[SecretUser]


class SetSecret(Secret):
    """`added`: it is new; else it was replaced."""

    added: bool


class SecretList(TypedDict):
    secrets: list[Secret]


class SecretValue(StrictBody):
    value: Annotated[CleanText, Field(min_length=1, max_length=MAX_CHARS)]
    """One line of text. It is shown to nobody again."""
    hosts: Annotated[list[CleanText], Field(min_length=1, max_length=MOST_HOSTS)] | None = None
    """The hosts it may be sent to, and to no other; null: to any that an agent names. They can only be changed by
    giving the value anew."""


@router.get(
    "/v1/secrets",
    summary="List secrets",
    operation_id="list_secrets",
    description=(
        "By name, without their values. Tools of agents send them along: `{secret:name}` stands for one in a header, "
        "or in the query of a URL."
    ),
    response_model=SecretList,
    responses=example({"secrets": [_SECRET]}) | errors(),
)
async def get_secrets(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        found = await store.list_secrets(conn, services.secret_box, caller.workspace_id)
        users = await agents_by_secret(conn, caller.workspace_id)
    return JSONResponse(SecretList(secrets=[Secret(**one, used_by=users.get(one["name"], [])) for one in found]))


@router.get(
    "/v1/secrets/{name}",
    summary="Get a secret, without its value",
    operation_id="get_secret",
    description="When it was set, by whom, where it may be sent, and which agents name it.",
    response_model=Secret,
    responses=example(_SECRET) | errors(s404_secret_not_found=_NOT_FOUND),
)
async def get_secret(services: Use, caller: Caller, name: Name) -> JSONResponse:
    async with reading(services.engine) as conn:
        found = await store.get_secret(conn, services.secret_box, caller.workspace_id, name)
        users = await agents_by_secret(conn, caller.workspace_id)
    return JSONResponse(Secret(**found, used_by=users.get(name, [])))


@router.put(
    "/v1/secrets/{name}",
    summary="Set a secret",
    operation_id="set_secret",
    description=(
        "One of this name is replaced, its hosts with it; calls that begin from now on use the new value. Whoever may "
        "write agents can have a secret sent wherever they like, unless it is bound to `hosts`."
    ),
    status_code=201,
    response_model=SetSecret,
    responses=example(_SECRET | {"added": False}, "Replaced")
    | example(_SECRET | {"added": True, "used_by": []}, "New", status=201)
    | errors(413, 415, 422, s409_too_many_secrets=f"A workspace has at most {MOST} secrets; remove some."),
)
async def put_secret(
    services: Use,
    caller: Caller,
    name: Name,
    body: Annotated[
        SecretValue,
        Body(
            openapi_examples={
                "bound": {
                    "summary": "Sent to one host alone",
                    "value": {"value": "wk-2f9d0c", "hosts": ["api.weather.example"]},
                },
                "anywhere": {"summary": "Sent wherever an agent says", "value": {"value": "wk-2f9d0c"}},
            }
        ),
    ],
) -> JSONResponse:
    new = NewSecret(value=body.value, hosts=None if body.hosts is None else tuple(body.hosts))
    view, is_new = await store.put(
        services.engine, services.secret_box, caller.workspace_id, name, new, by=caller.actor
    )
    async with reading(services.engine) as conn:
        users = await agents_by_secret(conn, caller.workspace_id)
    answer = SetSecret(**view, used_by=users.get(name, []), added=is_new)
    return JSONResponse(answer, status_code=201 if is_new else 200)


@router.delete(
    "/v1/secrets/{name}",
    summary="Remove a secret",
    operation_id="remove_secret",
    description="The tools of agents that name it (`used_by`) fail from now on.",
    response_model=Secret,
    responses=example(_SECRET, "Removed") | errors(s404_secret_not_found=_NOT_FOUND),
)
async def delete_secret(services: Use, caller: Caller, name: Name) -> JSONResponse:
    gone = await store.remove(services.engine, services.secret_box, caller.workspace_id, name, by=caller.actor)
    async with reading(services.engine) as conn:
        users = await agents_by_secret(conn, caller.workspace_id)
    return JSONResponse(Secret(**gone, used_by=users.get(name, [])))
