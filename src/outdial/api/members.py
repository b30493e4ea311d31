"""Members: invite, change, remove, let back in."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller, Remembered
from outdial.api.bodies import Name, StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.members.people import MAX_EMAIL_CHARS
from outdial.members.store import (
    Invitation,
    LinkView,
    MemberView,
    change_role,
    invite,
    list_members,
    make_member_link,
    remove_member,
)
from outdial.workspaces.access import Role

router = APIRouter(route_class=ApiRoute, tags=["Members"])

PersonId = Annotated[str, Path(description="Id of a person")]
_Role = Annotated[Role, Field(strict=False)]

_MEMBER: dict[str, Any] = {
    "id": "per_3w6y9r4m1q8x5z2v7k0t",
    "email": "alex@clinic.example",
    "name": "Alex",
    "role": "editor",
    "created_at": "2026-01-31T09:00:00Z",
    "last_seen_at": None,
}
_LINK = {
    "url": "https://voice.example/sign-in/q9Yk0example0token0of0a0link0that0works0once0",
    "expires_at": "2026-02-01T09:00:00Z",
}
_NO_MEMBER = {"s404_member_not_found": "There is no such member of this workspace."}
_LAST = {"s409_last_operator": "This is the last operator of the workspace; make somebody else one first."}
_ELSEWHERE = {
    "s409_member_elsewhere": "This person belongs to another workspace as well. Only the administrator of this server "
    "can do this for them, with the command outdial members."
}


class MemberList(TypedDict):
    members: list[MemberView]


class NewMember(StrictBody):
    email: Annotated[CleanText, Field(max_length=MAX_EMAIL_CHARS)]
    """What they sign in with. Nothing is sent: hand the link over yourself."""
    name: Name
    role: _Role
    """`operator` may do everything; `editor` places and steers calls and writes agents; `viewer` looks and listens."""


class MemberChanges(StrictBody):
    role: _Role


@router.get(
    "/v1/members",
    summary="List members",
    operation_id="list_members",
    description="Everybody who may sign in to this workspace, with their role.",
    response_model=MemberList,
    responses=example({"members": [_MEMBER]}) | errors(),
)
async def get_members(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(MemberList(members=await list_members(conn, caller.workspace_id)))


@router.post(
    "/v1/members",
    summary="Invite a member",
    operation_id="invite_member",
    description=(
        "The answer is the only place where the link is ever shown: it signs the new member in, once, within 24 hours. "
        "`link` is null for who has signed in before; they find the workspace in their list."
    ),
    status_code=201,
    response_model=Invitation,
    responses=example(_MEMBER | {"link": _LINK}, "Invited", status=201)
    | errors(
        413, 415, 422, s409_member_exists="This person is a member of the workspace already.", **_ELSEWHERE
    ),
)
async def post_member(
    services: Use,
    caller: Caller,
    remembered: Remembered,
    body: Annotated[
        NewMember,
        Body(
            openapi_examples={
                "editor": {"value": {"email": "alex@clinic.example", "name": "Alex", "role": "editor"}}
            }
        ),
    ],
) -> JSONResponse:
    member = await invite(
        services.engine,
        caller.workspace_id,
        email=body.email,
        name=body.name,
        role=body.role,
        by=caller.actor,
        base_url=services.settings.base_url,
    )
    remembered.forget(member["id"])
    return JSONResponse(member, status_code=201, headers={"Cache-Control": "no-store"})


@router.patch(
    "/v1/members/{person_id}",
    summary="Change a member's role",
    operation_id="change_member",
    description="Here at once, in other processes within seconds. The last operator stays one.",
    response_model=MemberView,
    responses=example(_MEMBER) | errors(413, 415, 422, **_NO_MEMBER, **_LAST),
)
async def patch_member(
    services: Use,
    caller: Caller,
    remembered: Remembered,
    person_id: PersonId,
    body: Annotated[MemberChanges, Body(openapi_examples={"viewer": {"value": {"role": "viewer"}}})],
) -> JSONResponse:
    member = await change_role(services.engine, caller.workspace_id, person_id, body.role, by=caller.actor)
    remembered.forget(person_id)
    return JSONResponse(member)


@router.delete(
    "/v1/members/{person_id}",
    summary="Remove a member",
    operation_id="remove_member",
    description="Here at once, in other processes within seconds. Without another workspace they can't sign in again.",
    response_model=MemberView,
    responses=example(_MEMBER, "Removed") | errors(**_NO_MEMBER, **_LAST),
)
async def delete_member(
    services: Use, caller: Caller, remembered: Remembered, person_id: PersonId
) -> JSONResponse:
    member = await remove_member(services.engine, caller.workspace_id, person_id, by=caller.actor)
    remembered.forget(person_id)
    return JSONResponse(member)


@router.post(
    "/v1/members/{person_id}/link",
    summary="Let a member back in",
    operation_id="make_member_link",
    description=(
        "A link that signs them in, once, within 24 hours, and lets them set a new password. Their earlier links stop "
        "working. It is shown only here."
    ),
    status_code=201,
    response_model=LinkView,
    responses=example(_LINK, "Made", status=201) | errors(**_NO_MEMBER, **_ELSEWHERE),
)
async def post_link(services: Use, caller: Caller, person_id: PersonId) -> JSONResponse:
    link = await make_member_link(
        services.engine, caller.workspace_id, person_id, by=caller.actor, base_url=services.settings.base_url
    )
    return JSONResponse(link, status_code=201, headers={"Cache-Control": "no-store"})
