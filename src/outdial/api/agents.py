"""Agents: write, publish, look at. What helps in writing them is in api.scripts."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse
from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from outdial.agents.kinds import KINDS, OPERATORS, kind_written
from outdial.agents.store import (
    MAX_SOURCE_CHARS,
    AgentDetail,
    AgentView,
    VersionSource,
    add_version,
    create_agent,
    get_agent,
    get_version,
    list_agents,
    publish_version,
    rename_agent,
)
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import Name, StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading

router = APIRouter(route_class=ApiRoute, tags=["Agents"])

AgentId = Annotated[str, Path(description="Id of an agent")]


def _written(kind: object) -> object:
    """Refuses those that nobody makes here, and says why."""
    return kind_written(kind, "") if isinstance(kind, str) and kind in KINDS else kind


AgentKind = Annotated[Literal["script", "llm", "realtime", "relay", "voiceflow"], BeforeValidator(_written)]
Source = Annotated[CleanText, Field(min_length=1, max_length=MAX_SOURCE_CHARS)]
NO_AGENT = {"s404_agent_not_found": "There is no such agent."}
TO_CHANGE = NO_AGENT | {"s409_agent_of_operator": f"This one is the operator's: {OPERATORS}."}

_AGENT: dict[str, Any] = {
    "id": "agent_7k2v5x8z1q4m0t3w6y9r",
    "name": "Reminder",
    "kind": "script",
    "published_version": 1,
    "draft_version": 2,
    "created_at": "2026-01-31T09:00:00Z",
}
SOURCE = "the YAML of the agent, as described in the documentation of scripts and of agents"
_VERSION = {
    "version": 1,
    "kind": "script",
    "published": False,
    "created_at": "2026-01-31T09:00:00Z",
    "greet": "at_once",
}
_DETAIL = _AGENT | {
    "versions": [
        _VERSION | {"version": 2, "created_at": "2026-02-01T09:00:00Z", "greet": "after_hello"},
        _VERSION | {"published": True},
    ],
    "source": SOURCE,
}


class AgentList(TypedDict):
    agents: list[AgentView]


class NewAgent(StrictBody):
    name: Name | None = None
    """Default: the name that the source writes (`agent: name:`). Where both are there, this one goes into the
    source."""
    kind: AgentKind | None = None
    """`script`, `llm`, `realtime`, `relay` or `voiceflow`. Default: what the source looks like: scripts have `steps`,
    llm agents `instructions`, the others a section of their name. Agents of the kind `python` come with the server, and
    nobody makes one here."""
    source: Source
    """YAML."""
    publish: bool = False


class NewVersion(StrictBody):
    kind: AgentKind | None = None
    """As for a new agent: versions of one agent may be of different kinds."""
    source: Source
    publish: bool = False
    base_version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """The draft that was edited. Sent along, nobody's newer draft is overlooked: 409 when there is one."""


class AgentChanges(StrictBody):
    name: Name
    """Where the script writes the agent's name, it becomes this one there, too: a new draft."""


class Publication(StrictBody):
    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """Default: the draft."""


@router.get(
    "/v1/agents",
    summary="List agents",
    operation_id="list_agents",
    description="Each with its published version and its draft, if it has them; without sources.",
    response_model=AgentList,
    responses=example({"agents": [_AGENT]}) | errors(),
)
async def get_agents(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(AgentList(agents=await list_agents(conn, caller.workspace_id)))


@router.post(
    "/v1/agents",
    summary="Create an agent",
    operation_id="create_agent",
    description="Stores the source as version 1. `publish` makes it the version that calls use; a source with errors "
    "is refused.",
    status_code=201,
    response_model=AgentDetail,
    responses=example(_DETAIL, "Created, with version 1", status=201) | errors(413, 415, 422),
)
async def post_agent(
    services: Use,
    caller: Caller,
    body: Annotated[
        NewAgent, Body(openapi_examples={"script": {"value": {"name": "Reminder", "source": SOURCE, "publish": True}}})
    ],
) -> JSONResponse:
    agent = await create_agent(
        services.engine,
        caller.workspace_id,
        name=body.name,
        kind=body.kind,
        source=body.source,
        publish=body.publish,
        by=caller.actor,
    )
    return JSONResponse(agent, status_code=201)


@router.get(
    "/v1/agents/{agent_id}",
    summary="Get an agent",
    operation_id="get_agent",
    description="With its versions and the source of the draft.",
    response_model=AgentDetail,
    responses=example(_DETAIL) | errors(**NO_AGENT),
)
async def get_one_agent(services: Use, caller: Caller, agent_id: AgentId) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await get_agent(conn, caller.workspace_id, agent_id))


@router.patch(
    "/v1/agents/{agent_id}",
    summary="Rename an agent",
    operation_id="change_agent",
    description="The name alone; what the agent says is changed by a new version. A script that writes its agent's "
    "name gets a new draft with this one.",
    response_model=AgentDetail,
    responses=example(_DETAIL) | errors(413, 415, 422, **TO_CHANGE),
)
async def patch_agent(
    services: Use,
    caller: Caller,
    agent_id: AgentId,
    body: Annotated[AgentChanges, Body(openapi_examples={"name": {"value": {"name": "Reminder"}}})],
) -> JSONResponse:
    agent = await rename_agent(
        services.engine, caller.workspace_id, agent_id, name=body.name, by=caller.actor
    )
    return JSONResponse(agent)


@router.post(
    "/v1/agents/{agent_id}/versions",
    summary="Add a version",
    operation_id="add_version",
    description=(
        "It becomes the draft. Calls under way keep the version they started with. With `base_version` it is refused "
        "when somebody has saved another draft since."
    ),
    status_code=201,
    response_model=AgentDetail,
    responses=example(_DETAIL, "Added", status=201)
    | errors(
        413, 415, 422, **TO_CHANGE, s409_draft_changed="The draft is version 3 by now, and yours is based on version 2."
    ),
)
async def post_version(
    services: Use,
    caller: Caller,
    agent_id: AgentId,
    body: Annotated[NewVersion, Body(openapi_examples={"draft": {"value": {"source": SOURCE, "base_version": 1}}})],
) -> JSONResponse:
    agent = await add_version(
        services.engine,
        caller.workspace_id,
        agent_id,
        kind=body.kind,
        source=body.source,
        publish=body.publish,
        base_version=body.base_version,
        by=caller.actor,
    )
    return JSONResponse(agent, status_code=201)


@router.get(
    "/v1/agents/{agent_id}/versions/{version}",
    summary="Get a version",
    operation_id="get_version",
    description="With its source. A version never changes.",
    response_model=VersionSource,
    responses=example(_DETAIL["versions"][1] | {"source": SOURCE})
    | errors(422, **NO_AGENT, s404_agent_version_not_found="This agent has no such version."),
)
async def get_one_version(
    services: Use,
    caller: Caller,
    agent_id: AgentId,
    version: Annotated[int, Path(ge=1, lt=2**31, description="Its number, from 1")],
) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(await get_version(conn, caller.workspace_id, agent_id, version))


@router.post(
    "/v1/agents/{agent_id}/publish",
    summary="Publish a version",
    operation_id="publish_version",
    description="The next calls of its numbers use it. An older version may be published again.",
    response_model=AgentDetail,
    responses=example(_DETAIL)
    | errors(413, 415, 422, **TO_CHANGE, s404_agent_version_not_found="This agent has no such version."),
)
async def post_publication(
    services: Use,
    caller: Caller,
    agent_id: AgentId,
    body: Annotated[Publication, Body(openapi_examples={"draft": {"value": {}}, "older": {"value": {"version": 1}}})],
) -> JSONResponse:
    agent = await publish_version(
        services.engine, caller.workspace_id, agent_id, body.version, by=caller.actor
    )
    return JSONResponse(agent)
