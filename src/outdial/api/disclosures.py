"""What agents have to disclose, on what basis people are called, and how often that was heard whole."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.agents.disclosures import MAX_CHARS, DisclosureView, list_disclosures, set_disclosure
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading

router = APIRouter(route_class=ApiRoute, tags=["Agents"])

_NOTE: dict[str, Any] = {
    "disclosure": "This is an automated call, and it is recorded.",
    "consent": "Patients agree to reminders when they register (form 12).",
}
_VIEW = {"agent_id": "agent_7k2v5x8z1q4m0t3w6y9r", "agent_name": "Reminder", **_NOTE, "calls": 412, "heard": 405}


class Disclosures(TypedDict):
    """Of every agent, by name."""

    disclosures: list[DisclosureView]


class NewDisclosure(StrictBody):
    disclosure: Annotated[CleanText, Field(max_length=MAX_CHARS)] | None = None
    """The sentence that callees are to hear, as the agent says it; null: none."""
    consent: Annotated[CleanText, Field(max_length=MAX_CHARS)] | None = None
    """On what basis people are called, in your words; null: nothing is noted."""


@router.get(
    "/v1/disclosures",
    summary="List what agents disclose",
    operation_id="list_disclosures",
    description=(
        "The sentence that each agent's callees are to hear, on what basis they are called, and how often the sentence "
        "was heard whole in the last 30 days. Of a single call `disclosure` tells it; `/v1/calls.csv` has a column."
    ),
    response_model=Disclosures,
    responses=example({"disclosures": [_VIEW]}) | errors(),
)
async def get_disclosures(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(Disclosures(disclosures=await list_disclosures(conn, caller.workspace_id)))


@router.put(
    "/v1/agents/{agent_id}/disclosure",
    summary="Set what an agent discloses",
    operation_id="set_disclosure",
    description=(
        "Calls that are answered from now on tell whether the sentence was heard whole. The agent has to say it: put "
        "it into its script or greeting, word for word."
    ),
    response_model=DisclosureView,
    responses=example(_VIEW) | errors(413, 415, 422, s404_agent_not_found="There is no such agent."),
)
async def put_disclosure(
    services: Use,
    caller: Caller,
    agent_id: Annotated[str, Path(description="The agent's id")],
    body: Annotated[NewDisclosure, Body(openapi_examples={"note": {"value": _NOTE}})],
) -> JSONResponse:
    view = await set_disclosure(
        services.engine,
        caller.workspace_id,
        agent_id,
        disclosure=(body.disclosure or "").strip() or None,
        consent=(body.consent or "").strip() or None,
        by=caller.actor,
    )
    return JSONResponse(view)
