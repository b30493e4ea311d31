"""The audit log: who changed what."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from outdial.api import example_carrier
from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.workspaces.audit import MAX_PAGE, PAGE, AuditPage, list_audit

router = APIRouter(route_class=ApiRoute, tags=["Audit log"])

_ENTRY: dict[str, Any] = {
    "id": 1042,
    "at": "2026-01-31T09:00:00Z",
    "actor": {"kind": "person", "id": "per_3w6y9r4m1q8x5z2v7k0t", "name": "Alex"},
    "act": "number.connected",
    "subject": {"id": "num_4m1q8x5z2v7k0t3w6y9r", "name": "Front desk"},
    "details": {"e164": "+15551230002", "carrier": example_carrier.CARRIER.name, "account": example_carrier.ACCOUNT},
}
_Filter = Annotated[CleanText, Field(max_length=100)]


class AuditFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    act: _Filter | None = None
    """A whole one, such as `number.connected`, or what comes before its dot: `number`."""
    actor_id: _Filter | None = None
    """Id of the person or the API key that did it."""
    subject_id: _Filter | None = None
    """Id of what it was done to."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = PAGE
    """Entries a page."""
    cursor: _Filter | None = None
    """`next_cursor` of the page before."""


@router.get(
    "/v1/audit-log",
    summary="List what was changed",
    operation_id="list_audit_log",
    description=(
        "Newest first: who changed numbers, agents, API keys, members and the plan. Calls are not here; they are their "
        "own record."
    ),
    response_model=AuditPage,
    responses=example({"entries": [_ENTRY], "next_cursor": None}) | errors(422),
)
async def get_audit_log(services: Use, caller: Caller, wanted: Annotated[AuditFilter, Query()]) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await list_audit(conn, caller.workspace_id, **wanted.model_dump()))
