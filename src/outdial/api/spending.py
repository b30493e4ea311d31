"""What models may cost a day, and have: shown to everybody, changed by operators who are people."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import Field

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.db.engine import reading
from outdial.policy.spending import MAX_DOLLARS, MAX_TOKENS, SpendLimitView, change_spend_limit, get_spend_limit

router = APIRouter(route_class=ApiRoute, tags=["Spending"])

_LIMIT = {
    "dollars": 25.0,
    "tokens": None,
    "used": {"tokens": 1840200, "estimated_tokens": 20400, "dollars": 3.42},
    "passed": False,
    "resets_at": "2026-02-01T00:00:00Z",
}


class NewSpendLimit(StrictBody):
    dollars: Annotated[float, Field(ge=0, le=MAX_DOLLARS)] | None
    """A day, of models whose price is known; null: no limit in dollars."""
    tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS)] | None
    """A day, of all models; null: no limit in tokens."""


@router.get(
    "/v1/spend-limit",
    summary="Get the spend limit",
    operation_id="get_spend_limit",
    description=(
        "What models may cost the workspace in a day of UTC, and what they have cost today. Answers that were cut off, "
        "and those of servers that don't tell, are counted by an estimate."
    ),
    response_model=SpendLimitView,
    responses=example(_LIMIT) | errors(),
)
async def get_limit(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await get_spend_limit(conn, caller.workspace_id))


@router.put(
    "/v1/spend-limit",
    summary="Change the spend limit",
    operation_id="change_spend_limit",
    description=(
        "Holds within seconds, for what is left of today: beyond it no call of an agent with a model is dialled, and "
        "those that talk end with a sentence. People only: an API key gets 403."
    ),
    response_model=SpendLimitView,
    responses=example(_LIMIT) | errors(413, 415, 422),
)
async def put_limit(
    services: Use,
    caller: Caller,
    body: Annotated[
        NewSpendLimit,
        Body(openapi_examples={"both": {"summary": "So much a day", "value": {"dollars": 25.0, "tokens": 50000000}}}),
    ],
) -> JSONResponse:
    dollars = None if body.dollars is None else Decimal(str(body.dollars))
    changed = await change_spend_limit(
        services.engine, caller.workspace_id, dollars=dollars, tokens=body.tokens, by=caller.actor
    )
    return JSONResponse(changed)
