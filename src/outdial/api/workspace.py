"""The workspace of whoever asks: its plan, and how its lines are used right now."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import Field

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.db.engine import reading
from outdial.lines.workspace_pools import WorkspaceView, change_plan, get_workspace
from outdial.workspaces.plans import MAX_LINES, Plan

router = APIRouter(route_class=ApiRoute, tags=["Workspace"])

_WORKSPACE: dict[str, Any] = {
    "id": "ws_1q8x5z2v7k0t3w6y9r4m",
    "name": "Clinic",
    "plan": "team",
    "pool": {
        "lines": 15,
        "reserved_inbound": 2,
        "used_outbound": 4,
        "used_inbound": 1,
        "free_outbound": 9,
        "free_inbound": 10,
        "queued": 0,
    },
    "pause": None,
    "created_at": "2026-01-31T09:00:00Z",
}
_CHANGES = {
    "plan": {"summary": "A preset", "value": {"plan": "enterprise"}},
    "lines": {"summary": "Any number of lines, two of them for callers", "value": {"lines": 40, "reserved_inbound": 2}},
}
_Lines = Annotated[int, Field(ge=0, le=MAX_LINES)]


class WorkspaceChanges(StrictBody):
    """Fields that are left out (or null) stay as they are."""

    plan: Annotated[Plan, Field(strict=False)] | None = None
    """Sets the number of lines: starter 1, pro 5, team 15, enterprise 100; custom needs `lines`."""
    lines: _Lines | None = None
    """How many calls may run at the same time. Fewer than now end none; new calls wait."""
    reserved_inbound: _Lines | None = None
    """Of these, how many are kept free for callers."""


@router.get(
    "/v1/workspace",
    summary="Get the workspace",
    operation_id="get_workspace",
    description="With its plan, how many lines are taken and free at this moment, and whether dialling is paused.",
    response_model=WorkspaceView,
    responses=example(_WORKSPACE) | errors(),
)
async def get_own_workspace(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await get_workspace(conn, caller.workspace_id))


@router.patch(
    "/v1/workspace",
    summary="Change the plan",
    operation_id="change_workspace",
    description="Lines that are in use stay so until their calls end, also where the new plan has fewer.",
    response_model=WorkspaceView,
    responses=example(_WORKSPACE) | errors(413, 415, 422),
)
async def patch_workspace(
    services: Use, caller: Caller, body: Annotated[WorkspaceChanges, Body(openapi_examples=_CHANGES)]
) -> JSONResponse:
    changed = await change_plan(
        services.engine,
        caller.workspace_id,
        plan=body.plan,
        lines=body.lines,
        reserved_inbound=body.reserved_inbound,
        by=caller.actor,
    )
    return JSONResponse(changed)
