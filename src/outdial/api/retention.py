"""How long what calls brought is kept: shown, tried, changed by operators who are people, and undone."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.instants import to_json
from outdial.retention.rules import MAX_DAYS, Days, RetentionView, read_rules, retention_view, set_days, undo
from outdial.retention.run import last_run
from outdial.retention.too_old import count_too_old

router = APIRouter(route_class=ApiRoute, tags=["Retention"])

AnyDays = Annotated[int, Field(ge=0, le=MAX_DAYS)]
_AGENT = "agent_7k2v5x8z1q4m0t3w6y9r"
_DAYS: dict[str, Any] = {
    "recordings_days": 90,
    "transcripts_days": 365,
    "details_days": 730,
    "callbacks_days": None,
}
_RULE = _DAYS | {"before": None, "changed_at": "2026-01-31T09:00:00Z", "applies_at": None}
_OF_AGENT = _RULE | {
    "recordings_days": 30,
    "transcripts_days": None,
    "details_days": None,
    "before": {"recordings_days": None, "transcripts_days": None, "details_days": None, "callbacks_days": None},
    "applies_at": "2026-01-31T10:00:00Z",
    "agent_id": _AGENT,
    "agent_name": "Reminder",
}
_VIEW = {"workspace": _RULE, "agents": [_OF_AGENT]}
_DUE = {"recordings": 312, "transcripts": 0, "details": 0, "callbacks": 0}
_NO_AGENT = {"s404_agent_not_found": "There is no such agent."}
_PEOPLE = "People only: an API key gets 403."


class DueCalls(TypedDict):
    """How many calls keep something of each kind longer than they are to. `details` take all else along."""

    recordings: int
    transcripts: int
    details: int
    callbacks: int


class RetentionProgress(TypedDict):
    """`due`: what the next run erases. `last_run_at`: when one of this server ended last; null: never."""

    due: DueCalls
    last_run_at: str | None


class NewDays(StrictBody):
    """Days after a call's end. 0 keeps for ever."""

    recordings_days: AnyDays
    transcripts_days: AnyDays
    """What was said, what was noted, and wrap-ups."""
    details_days: AnyDays
    """The other party's number, variables and metadata; with them all that is personal goes."""
    callbacks_days: AnyDays | None = None
    """Callbacks of the carrier as they came; null: as long as the server keeps them."""


class NewAgentDays(StrictBody):
    """Days after a call's end. 0 keeps for ever, null as long as the workspace does."""

    recordings_days: AnyDays | None = None
    transcripts_days: AnyDays | None = None
    details_days: AnyDays | None = None


class DaysToTry(NewAgentDays):
    """As they would be set."""

    callbacks_days: AnyDays | None = None
    agent_id: Annotated[CleanText, Field(max_length=80)] | None = None
    """Null: of the whole workspace."""


class RuleToUndo(StrictBody):
    agent_id: Annotated[CleanText, Field(max_length=80)] | None = None
    """Null: of the whole workspace."""


@router.get(
    "/v1/retention",
    summary="Get how long calls are kept",
    operation_id="get_retention",
    description=(
        "The workspace's days, and those of agents that have their own. Once an hour what has been kept for longer is "
        "erased; calls themselves stay, with their times, ends, counts and prices."
    ),
    response_model=RetentionView,
    responses=example(_VIEW) | errors(),
)
async def get_retention(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await retention_view(conn, caller.workspace_id))


@router.put(
    "/v1/retention",
    summary="Set how long calls are kept",
    operation_id="set_retention",
    description=(
        "It takes effect an hour later, with the next run; until then the longer of the old and the new days hold, and "
        f"it can be undone. {_PEOPLE}"
    ),
    response_model=RetentionView,
    responses=example(_VIEW) | errors(413, 415, 422),
)
async def put_retention(
    services: Use,
    caller: Caller,
    body: Annotated[NewDays, Body(openapi_examples={"days": {"value": _DAYS}})],
) -> JSONResponse:
    days = Days(**body.model_dump())
    return JSONResponse(await set_days(services.engine, caller.workspace_id, None, days, by=caller.actor))


@router.put(
    "/v1/agents/{agent_id}/retention",
    summary="Set how long an agent's calls are kept",
    operation_id="set_agent_retention",
    description=f"Where this agent's calls are to be kept shorter or longer than the workspace's others. {_PEOPLE}",
    response_model=RetentionView,
    responses=example(_VIEW) | errors(413, 415, 422, **_NO_AGENT),
)
async def put_agent_retention(
    services: Use,
    caller: Caller,
    agent_id: Annotated[str, Path(description="The agent's id")],
    body: Annotated[NewAgentDays, Body(openapi_examples={"days": {"value": {"recordings_days": 30}}})],
) -> JSONResponse:
    days = Days(**body.model_dump())
    return JSONResponse(await set_days(services.engine, caller.workspace_id, agent_id, days, by=caller.actor))


@router.post(
    "/v1/retention/preview",
    summary="See what other days would erase",
    operation_id="preview_retention",
    description="How many calls would lose something with these days, were they in effect now. Changes nothing.",
    response_model=DueCalls,
    responses=example(_DUE) | errors(413, 415, 422),
)
async def post_preview(
    services: Use,
    caller: Caller,
    body: Annotated[DaysToTry, Body(openapi_examples={"days": {"value": _DAYS | {"recordings_days": 30}}})],
) -> JSONResponse:
    wanted = Days(**body.model_dump(exclude={"agent_id"}))
    async with services.engine.connect() as conn:
        rules = await read_rules(conn, caller.workspace_id)
        return JSONResponse(await count_too_old(conn, rules.after(body.agent_id, wanted)))


@router.post(
    "/v1/retention/undo",
    summary="Undo the last change of how long calls are kept",
    operation_id="undo_retention",
    description=f"As long as no run has gone by it. {_PEOPLE}",
    response_model=RetentionView,
    responses=example(_VIEW)
    | errors(
        413,
        415,
        422,
        **_NO_AGENT,
        s409_nothing_to_undo="There is no change that could be undone: it has taken effect by now.",
    ),
)
async def post_undo(
    services: Use,
    caller: Caller,
    body: Annotated[RuleToUndo, Body(openapi_examples={"workspace": {"value": {"agent_id": None}}})],
) -> JSONResponse:
    return JSONResponse(await undo(services.engine, caller.workspace_id, body.agent_id, by=caller.actor))


@router.get(
    "/v1/retention/progress",
    summary="See what is due",
    operation_id="get_retention_progress",
    description="What the next run erases, and when the last one ended. While a run is at it, `due` goes down.",
    response_model=RetentionProgress,
    responses=example({"due": _DUE, "last_run_at": "2026-01-31T09:17:03.120000Z"}) | errors(),
)
async def get_progress(services: Use, caller: Caller) -> JSONResponse:
    async with services.engine.connect() as conn:
        due = await count_too_old(conn, await read_rules(conn, caller.workspace_id))
        run = await last_run(conn)
    return JSONResponse({"due": due, "last_run_at": None if run is None else to_json(run.finished_at)})
