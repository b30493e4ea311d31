"""Whoever asks: who they are, where they are, and in which browsers they are signed in."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller, Person, Remembered, address_of, signed_in
from outdial.api.bodies import CleanId, Name, StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Services, Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.members.passwords import MAX_CHARS, MIN_CHARS
from outdial.members.people import MAX_EMAIL_CHARS, change_person
from outdial.members.sign_in import (
    SignInView,
    end_other_sign_ins,
    end_sign_in,
    list_sign_ins,
    set_password,
    switch_workspace,
)
from outdial.members.signed_in import SignedIn, SignIns
from outdial.members.store import list_memberships
from outdial.workspaces.access import Principal, Role, Scope
from outdial.workspaces.audit import ActorView
from outdial.workspaces.store import workspace_name

router = APIRouter(route_class=ApiRoute, tags=["Me"])

_WORKSPACE = {"id": "ws_1q8x5z2v7k0t3w6y9r4m", "name": "Clinic", "role": "editor"}
_ME: dict[str, Any] = {
    "actor": {"kind": "person", "id": "per_3w6y9r4m1q8x5z2v7k0t", "name": "Alex"},
    "email": "alex@clinic.example",
    "scope": None,
    "needs_password": False,
    "workspace": _WORKSPACE,
    "workspaces": [_WORKSPACE],
}
_SIGN_IN = {
    "id": "signin_8r5v1kz3m0q4t7w2x9y6",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "created_at": "2026-01-31T09:00:00Z",
    "last_seen_at": "2026-01-31T09:30:00Z",
    "expires_at": "2026-03-02T09:00:00Z",
    "current": True,
}


class MyWorkspace(TypedDict):
    """`role` is null for an API key of a scope that no role is like."""

    id: str
    name: str
    role: Role | None


class Me(TypedDict):
    """`workspaces`: all that a person may switch to; the one of an API key. `email` is null for an API key, `scope`
    for a person."""

    actor: ActorView
    email: str | None
    scope: Scope | None
    needs_password: bool
    workspace: MyWorkspace
    workspaces: list[MyWorkspace]


class SignInList(TypedDict):
    sign_ins: list[SignInView]


class Ended(TypedDict):
    ended: int


class MyChanges(StrictBody):
    """Fields that are left out (or null) stay as they are."""

    email: Annotated[CleanText, Field(max_length=MAX_EMAIL_CHARS)] | None = None
    """What I sign in with."""
    name: Name | None = None


class NewPassword(StrictBody):
    password: Annotated[CleanText, Field(min_length=MIN_CHARS, max_length=MAX_CHARS)]
    old_password: Annotated[CleanText, Field(max_length=MAX_CHARS)] | None = None
    """Not needed by who came by a link and hasn't set a password since."""


class Switch(StrictBody):
    workspace_id: CleanId


@router.get(
    "/v1/me",
    summary="Who am I?",
    operation_id="get_me",
    description="Whose key or browser asks, and what it may do. A way to try a key.",
    response_model=Me,
    responses=example(_ME) | errors(),
)
async def get_me(request: Request, services: Use, caller: Caller) -> JSONResponse:
    return JSONResponse(await _me(services, caller, request.state.signed_in))


@router.patch(
    "/v1/me",
    summary="Change my name or e-mail address",
    operation_id="change_me",
    description="Only the fields given are changed. The e-mail address is what you sign in with.",
    response_model=Me,
    responses=example(_ME) | errors(413, 415, 422),
)
async def patch_me(
    request: Request,
    services: Use,
    caller: Caller,
    person: Person,
    remembered: Remembered,
    body: Annotated[MyChanges, Body(openapi_examples={"email": {"value": {"email": "alex@clinic.example"}}})],
) -> JSONResponse:
    await change_person(
        services.engine, caller.workspace_id, person.person_id, email=body.email, name=body.name, by=caller.actor
    )
    return await _me_anew(request, services, person, remembered)


@router.get(
    "/v1/me/sign-ins",
    summary="List my sign-ins",
    operation_id="list_sign_ins",
    description="The browsers somebody is signed in with, the one used last first.",
    response_model=SignInList,
    responses=example({"sign_ins": [_SIGN_IN]}) | errors(),
)
async def get_sign_ins(services: Use, person: Person) -> JSONResponse:
    async with reading(services.engine) as conn:
        found = await list_sign_ins(conn, person.person_id, current=person.sign_in_id)
    return JSONResponse(SignInList(sign_ins=found))


@router.delete(
    "/v1/me/sign-ins",
    summary="End my other sign-ins",
    operation_id="end_other_sign_ins",
    description="All but the one that asks.",
    response_model=Ended,
    responses=example({"ended": 2}) | errors(),
)
async def delete_other_sign_ins(services: Use, person: Person, remembered: Remembered) -> JSONResponse:
    ended = await end_other_sign_ins(services.engine, person.person_id, current=person.sign_in_id)
    remembered.forget(person.person_id)
    return JSONResponse(Ended(ended=ended))


@router.delete(
    "/v1/me/sign-ins/{sign_in_id}",
    summary="End one of my sign-ins",
    operation_id="end_sign_in",
    description="Also the one that asks: that is signing out.",
    response_model=Ended,
    responses=example({"ended": 1}) | errors(s404_sign_in_not_found="There is no such sign-in."),
)
async def delete_sign_in(
    services: Use,
    person: Person,
    remembered: Remembered,
    sign_in_id: Annotated[str, Path(description="Id of a sign-in")],
) -> JSONResponse:
    await end_sign_in(services.engine, person.person_id, sign_in_id)
    remembered.forget(person.person_id)
    return JSONResponse(Ended(ended=1))


@router.post(
    "/v1/me/password",
    summary="Set my password",
    operation_id="set_password",
    description="Ends all other sign-ins.",
    response_model=Me,
    responses=example(_ME)
    | errors(413, 415, 422, s429_too_many_sign_ins="Too many attempts to sign in. Try again in 8 s."),
)
async def post_password(
    request: Request,
    services: Use,
    person: Person,
    remembered: Remembered,
    body: Annotated[
        NewPassword,
        Body(openapi_examples={"new": {"value": {"password": "a long sentence", "old_password": "the one before"}}}),
    ],
) -> JSONResponse:
    await set_password(
        services.engine,
        person.sign_in_id,
        password=body.password,
        old_password=body.old_password,
        address=address_of(request),
    )
    return await _me_anew(request, services, person, remembered)


@router.post(
    "/v1/me/workspace",
    summary="Switch to another workspace",
    operation_id="switch_workspace",
    description="For this browser: from now on its requests are about that one.",
    response_model=Me,
    responses=example(_ME)
    | errors(
        413, 415, 422, s404_workspace_not_found="You are not a member of such a workspace."
    ),
)
async def post_workspace(
    request: Request,
    services: Use,
    person: Person,
    remembered: Remembered,
    body: Annotated[Switch, Body(openapi_examples={"other": {"value": {"workspace_id": _WORKSPACE["id"]}}})],
) -> JSONResponse:
    await switch_workspace(services.engine, person.sign_in_id, body.workspace_id)
    return await _me_anew(request, services, person, remembered)


async def _me_anew(
    request: Request, services: Services, person: SignedIn, remembered: SignIns
) -> JSONResponse:
    remembered.forget(person.person_id)
    now = await signed_in(request) or person  # None: ended from another browser in this moment
    return JSONResponse(await _me(services, now.principal, now))


async def _me(services: Services, caller: Principal, person: SignedIn | None) -> Me:
    async with reading(services.engine) as conn:
        name = await workspace_name(conn, caller.workspace_id)
        here = MyWorkspace(id=caller.workspace_id, name=name, role=_role(caller.grant))
        mine = [] if person is None else await list_memberships(conn, person.person_id)
        return Me(
            actor=ActorView(kind=caller.actor.kind, id=caller.actor.id, name=caller.actor.name),
            email=None if person is None else person.email,
            scope=caller.grant if isinstance(caller.grant, Scope) else None,
            needs_password=person is not None and person.needs_password,
            workspace=here,
            workspaces=[here] if person is None else [MyWorkspace(**one) for one in mine],
        )


def _role(grant: Role | Scope) -> Role | None:
    if isinstance(grant, Role):
        return grant
    return Role.OPERATOR if grant is Scope.OPERATOR else None  # as 0.1 told of every key
