"""A tool of an agent tried by whoever writes it: really asked."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import Field

from outdial.agents.kinds import KINDS, ParsedAgent, kind_of, parse_agent
from outdial.agents.script.model import ScriptError
from outdial.agents.tools.access import load
from outdial.agents.tools.definition import OwnTools
from outdial.agents.tools.trying import TriedTool, try_tool
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.scripts import ScriptSource
from outdial.api.services import Use
from outdial.calls.request import CleanText, JsonObject
from outdial.refusals import Invalid, LimitReached, Unavailable
from outdial.token_buckets import TokenBuckets
from outdial.workspaces.audit import record

router = APIRouter(route_class=ApiRoute, tags=["Agents"])

PER_MINUTE = 30  # of a workspace
_buckets = TokenBuckets(per_s=PER_MINUTE / 60, at_once=PER_MINUTE)

_SOURCE = """model: gpt-5-mini
instructions: Find a time for a visit.
tools:
  - name: free_slots
    about: The times that are free on a day of the week.
    url: https://calendar.example.com/slots/{day}
    arguments: {type: object, properties: {day: {type: string}}, required: [day]}
    headers: {Authorization: "Bearer {secret:calendar_key}"}
"""
_REQUEST: dict[str, Any] = {"source": _SOURCE, "tool": "free_slots", "arguments": {"day": "friday"}}
_TRIED: dict[str, Any] = {
    "tool": "free_slots",
    "place": "calendar.example.com",
    "consequences": False,
    "arguments": {"day": "friday"},
    "request": {
        "method": "GET",
        "url": "https://calendar.example.com/slots/friday",
        "headers": {"Authorization": "Bearer {secret:calendar_key}"},
        "body": None,
    },
    "result": "ok",
    "reason": None,
    "status": 200,
    "answer": {"slots": ["Friday at nine"]},
    "duration_ms": 87,
}


class Trial(StrictBody):
    source: ScriptSource
    """The agent, YAML; it needn't be saved."""
    tool: Annotated[CleanText, Field(min_length=1, max_length=130)]
    """As the model knows it: of an MCP server's, `<server>__<tool>`."""
    arguments: JsonObject = Field(default_factory=dict)
    """What the model would give it."""
    variables: JsonObject = Field(default_factory=dict)
    """What would be sent with the call."""
    consequences: bool = False
    """Say true for a tool that changes something: it will."""


@router.post(
    "/v1/agents/tools/try",
    summary="Try a tool",
    operation_id="try_agent_tool",
    description=(
        "Asks one tool of an agent, now and for real, as a call would: with the workspace's secrets, within the tool's "
        "time limit. What was sent is shown with secrets by their names, and without what the tool's schema marks. It "
        "stands in the audit log."
    ),
    response_model=TriedTool,
    responses=example(_TRIED)
    | errors(
        413,
        415,
        422,
        s409_has_consequences="book_slot changes something: trying it does so for real.",
        s409_server_away="The server calendar can't be asked now: timeout.",
        s409_no_such_tool="The server calendar has no such tool.",
        s429_too_many_tries="That was a lot of tools at once. Try again in 2 s.",
        s503_no_tools="This server reaches no tools.",
    ),
)
async def post_try(
    services: Use,
    caller: Caller,
    body: Annotated[Trial, Body(openapi_examples={"free_slots": {"value": _REQUEST}})],
) -> JSONResponse:
    if services.tools is None:
        raise Unavailable("no_tools", "This server reaches no tools.", 60)
    if wait_s := _buckets.take(caller.workspace_id):
        raise LimitReached("too_many_tries", f"That was a lot of tools at once. Try again in {wait_s} s.", wait_s)
    agent, own = await asyncio.to_thread(_parsed, body.source)
    tried = await try_tool(
        own,
        body.tool,
        body.arguments,
        body.variables,
        agent.variables,
        services.tools.of(caller.workspace_id),
        consequences=body.consequences,
    )
    async with services.engine.begin() as conn:
        details = {"place": tried["place"], "result": tried["result"], "consequences": tried["consequences"]}
        await record(
            conn,
            caller.workspace_id,
            caller.actor,
            "tool.tried",
            subject_id=body.tool,
            subject_name=body.tool,
            details=details,
        )
    return JSONResponse(tried, headers={"Cache-Control": "no-store"})


def _parsed(source: str) -> tuple[ParsedAgent, OwnTools]:
    """Takes a while: what reaches MCP servers is loaded here. Raises Invalid."""
    try:
        agent = parse_agent(source)
    except ScriptError as error:
        raise Invalid("source", str(error)) from None
    own = KINDS[kind_of(source)].tools(agent)
    load(own)
    return agent, own
