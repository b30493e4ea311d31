"""What each tool does: as the HTTP API does it, by the same functions, with the same rights."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field, ValidationError
from starlette.requests import Request

from outdial.agents.review import review_agent
from outdial.agents.store import get_version, list_agents
from outdial.api.mcp.answers import (
    AgentAnswer,
    AgentList,
    CallAnswer,
    CallList,
    DoNotCallAnswer,
    NumberAnswer,
    NumberList,
    PlacedCall,
    Transcript,
    Turn,
)
from outdial.api.mcp.placing import place
from outdial.api.problems import as_problem, field_errors
from outdial.api.services import Services
from outdial.calls.do_not_call import list_number
from outdial.calls.hang_up import request_hang_up
from outdial.calls.request import CleanText
from outdial.db.engine import is_away, reading
from outdial.db.feed import Feeds
from outdial.history.call_filter import CallFilter
from outdial.history.views import call_state, get_call, list_calls
from outdial.numbers.views import NumberView, list_numbers
from outdial.policy.do_not_call import Source, entries_of
from outdial.policy.erased_entries import knows_number
from outdial.policy.import_file import clean_reason
from outdial.refusals import Invalid, Refusal
from outdial.telephony.e164 import normal_e164
from outdial.telephony.state import CallState
from outdial.tracing.context import HEADER, arrived
from outdial.tracing.context import given as traceparent
from outdial.workspaces import access
from outdial.workspaces.access import Access, Principal

logger = logging.getLogger(__name__)

MAX_WAIT_S = 45  # clients give a request up after 60 s, and the call would go on unseen
TURNS_A_PAGE = 100
MAX_CALLS = 50
MAX_AGENTS = 50  # whose variables are told

CallId = Annotated[str, Field(description="As place_call or list_calls tells it")]
Phone = Annotated[str, Field(description="E.164, such as +15551234567")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`name` is a method of Tools; its docstring is what assistants read. `rings`: somebody's phone may ring or go
    silent by it."""

    name: str
    title: str
    access: Access
    changes: bool = False
    rings: bool = False


TOOLS = (
    Tool(name="place_call", title="Place a call", access=access.PLACE_CALLS, changes=True, rings=True),
    Tool(name="get_call", title="Follow a call", access=access.READ_CALLS),
    Tool(name="read_transcript", title="Read what was said", access=access.READ_CALLS),
    Tool(name="list_calls", title="Find calls", access=access.READ_CALLS),
    Tool(name="hang_up", title="Hang up", access=access.PLACE_CALLS, changes=True, rings=True),
    Tool(name="list_numbers", title="List our phone numbers", access=access.READ),
    Tool(name="list_agents", title="List agents", access=access.READ),
    Tool(name="check_do_not_call", title="Is a number not to be called?", access=access.READ),
    Tool(name="add_do_not_call", title="Never call a number again", access=access.EDIT, changes=True),
)

Answer = Callable[..., Awaitable[Any]]


class Tools:
    def __init__(self, services: Services, feeds: Feeds) -> None:
        self._services = services
        self._feeds = feeds

    def function(self, tool: Tool) -> Answer:
        """The method, for those who may; what it refuses is told in words."""
        answer: Answer = getattr(self, tool.name)

        @functools.wraps(answer)
        async def told(ctx: Context, **arguments: Any) -> Any:
            try:
                _principal(ctx).require(tool.access)
                return await answer(ctx, **arguments)
            except Exception as error:
                raise ToolError(_why(error, tool.name)) from None

        return told

    async def place_call(
        self,
        ctx: Context,
        to: Annotated[str, Field(description="The number to call, E.164, such as +15551234567")],
        number_id: Annotated[
            str, Field(description="Which of our phone numbers calls; empty: the only one that calls out")
        ] = "",
        variables: Annotated[dict[str, Any], Field(description="What the agent should know, by name")] = {},  # noqa: B006
        agent_id: Annotated[str, Field(description="Another agent than the number's; empty: the number's")] = "",
        not_before: Annotated[str, Field(description="ISO 8601 with a zone; empty: now")] = "",
        amd: Annotated[bool, Field(description="Find out whether a person or a machine answers")] = True,
        amd_by: Annotated[
            Literal["", "local", "carrier", "both"],
            Field(description="Who finds that out: Outdial's own detector (local), the carrier, both; empty: as set"),
        ] = "",
        metadata: Annotated[dict[str, Any], Field(description="Yours; told again with the call")] = {},  # noqa: B006
        idempotency_key: Annotated[
            CleanText, Field(description="The same key never dials twice, also days later", max_length=200)
        ] = "",
    ) -> PlacedCall:
        """Phone somebody: an agent talks with them. Rings a real person's phone and costs money. Answers at once, while
        the call is yet to be dialled: follow it with get_call. The same call asked for again within a minute is not
        placed twice. Only call people who agreed to it."""
        detection = {"by": amd_by} if amd and amd_by else amd
        asked = {"to": to, "amd": detection, "variables": variables, "metadata": metadata, "not_before": not_before}
        given = {name: value for name, value in asked.items() if value not in ({}, "")}
        given |= {"agent": {"id": agent_id}} if agent_id else {}
        arrived.set(traceparent(_request(ctx).headers.getlist(HEADER)))
        accepted = await place(self._services, _principal(ctx), number_id, given, idempotency_key)
        return PlacedCall(call_id=accepted.call_id, state=accepted.status, already_placed=accepted.replayed)

    async def get_call(
        self,
        ctx: Context,
        call_id: CallId,
        wait_seconds: Annotated[
            int, Field(ge=0, le=MAX_WAIT_S, description="Wait for the end of the call, so long at most")
        ] = 0,
    ) -> CallAnswer:
        """How a call goes, or what came of it. Ask again with wait_seconds while state isn't "ended"."""
        workspace_id = _principal(ctx).workspace_id
        async with reading(self._services.engine) as conn:
            state = await call_state(conn, workspace_id, call_id)
        if wait_seconds and state is not CallState.ENDED:
            await self._wait(ctx, call_id, wait_seconds)
        async with reading(self._services.engine) as conn:
            call = await get_call(conn, workspace_id, call_id, base_url=self._services.settings.base_url)
        return CallAnswer.of(call)

    async def read_transcript(
        self,
        ctx: Context,
        call_id: CallId,
        first_turn: Annotated[int, Field(ge=0, description="next_turn of the answer before")] = 0,
    ) -> Transcript:
        """What was said on a call, turn by turn; it grows while the call goes on."""
        async with reading(self._services.engine) as conn:
            call = await get_call(
                conn, _principal(ctx).workspace_id, call_id, base_url=self._services.settings.base_url
            )
        turns, end = call["transcript"], first_turn + TURNS_A_PAGE
        return Transcript(
            call_id=call_id,
            state=call["state"],
            turns=[Turn.of(turn) for turn in turns[first_turn:end]],
            next_turn=end if end < len(turns) else None,
        )

    async def list_calls(
        self,
        ctx: Context,
        state: Annotated[list[str], Field(description="queued, dialing, ringing, in_progress, ended")] = [],  # noqa: B006
        outcome: Annotated[list[str], Field(description="What came of the conversation")] = [],  # noqa: B006
        party: Annotated[str, Field(description="Whom we called, or who called us: E.164")] = "",
        words: Annotated[str, Field(description="Said on the call, by either side")] = "",
        ended_after: Annotated[str, Field(description="ISO 8601 with a zone; then the last to end comes first")] = "",
        metadata: Annotated[dict[str, str], Field(description="What the request sent along, by key")] = {},  # noqa: B006
        limit: Annotated[int, Field(ge=1, le=MAX_CALLS, description="Calls a page")] = 20,
        cursor: Annotated[str, Field(description="next_cursor of the page before, with the same filters")] = "",
    ) -> CallList:
        """Calls, newest first; all filters that are given must hold."""
        given = {"state": state, "outcome": outcome, "party": party, "words": words, "ended_after": ended_after,
                 "metadata": metadata, "limit": limit, "cursor": cursor}  # fmt: skip
        wanted = CallFilter.model_validate({name: value for name, value in given.items() if value})
        async with reading(self._services.engine) as conn:
            page = await list_calls(
                conn, _principal(ctx).workspace_id, wanted, base_url=self._services.settings.base_url
            )
        return CallList(calls=[CallAnswer.of(call) for call in page["calls"]], next_cursor=page["next_cursor"])

    async def hang_up(self, ctx: Context, call_id: CallId) -> PlacedCall:
        """End a call: one that waits at once, a live one in a moment. The callee hears no goodbye."""
        state = await request_hang_up(self._services.engine, _principal(ctx).workspace_id, call_id)
        return PlacedCall(call_id=call_id, state=state, already_placed=True)

    async def list_numbers(self, ctx: Context) -> NumberList:
        """The phone numbers we can call from, and the agent of each."""
        public_url = self._services.settings.base_url
        async with reading(self._services.engine) as conn:
            found = await list_numbers(conn, _principal(ctx).workspace_id, public_url=public_url)
        return NumberList(numbers=[_number(one) for one in found])

    async def list_agents(self, ctx: Context) -> AgentList:
        """The agents that can talk, and which variables each should be sent."""
        workspace_id = _principal(ctx).workspace_id
        async with reading(self._services.engine) as conn:
            found = await list_agents(conn, workspace_id)
            sources = {
                one["id"]: await get_version(conn, workspace_id, one["id"], one["published_version"])
                for one in found[:MAX_AGENTS]
                if one["published_version"] is not None
            }
        told = {
            agent_id: await asyncio.to_thread(review_agent, version["source"], kind=version["kind"])
            for agent_id, version in sources.items()
        }
        return AgentList(
            agents=[
                AgentAnswer(
                    agent_id=one["id"],
                    name=one["name"],
                    kind=one["kind"],
                    published=one["published_version"] is not None,
                    variables=list(told[one["id"]]["variables"]) if one["id"] in told else [],
                )
                for one in found
            ]
        )

    async def check_do_not_call(self, ctx: Context, number: Phone) -> DoNotCallAnswer:
        """Whether a number is on the list of those who don't want to be called. place_call refuses these anyway."""
        normal = _normal(number)
        async with reading(self._services.engine) as conn:
            workspace_id = _principal(ctx).workspace_id
            entry = (await entries_of(conn, workspace_id, [normal])).get(normal)
            if entry is None:
                hashed = await knows_number(conn, self._services.secret_box, workspace_id, normal)
                return DoNotCallAnswer(number=normal, listed=hashed)
        return DoNotCallAnswer(number=normal, listed=True, reason=entry["reason"], since=entry["created_at"])

    async def add_do_not_call(
        self,
        ctx: Context,
        number: Phone,
        reason: Annotated[str, Field(description="For people who read the list")] = "",
    ) -> DoNotCallAnswer:
        """Put a number on the do-not-call list: calls that wait for it are canceled, and none are placed any more. Only
        a person can take it off again."""
        principal = _principal(ctx)
        listed = await list_number(
            self._services.engine,
            principal.workspace_id,
            _normal(number),
            reason=clean_reason(reason),
            source=Source.API,
            by=principal.actor,
        )
        entry = listed.entry
        return DoNotCallAnswer(number=entry["number"], listed=True, reason=entry["reason"], since=entry["created_at"])

    # -- inside --------------------------------------------------------------------------------------------------

    async def _wait(self, ctx: Context, call_id: str, wait_s: float) -> None:
        """For the end; whoever asked to be told hears of every state."""
        told = 0
        try:
            async with asyncio.timeout(wait_s), aclosing(self._feeds.follow(call_id)) as events:
                async for event in events:
                    if event.type != "state":
                        continue
                    told += 1
                    await ctx.report_progress(told, None, str(event.data.get("state")))
                    if event.data.get("state") == CallState.ENDED:
                        return
        except TimeoutError:
            pass


def _request(ctx: Context) -> Request:
    request = ctx.request_context.request
    assert request is not None  # every request comes by HTTP
    return cast(Request, request)


def _principal(ctx: Context) -> Principal:
    return cast(Principal, _request(ctx).state.principal)


def _normal(number: str) -> str:
    try:
        return normal_e164(number)
    except ValueError as error:
        raise Invalid("number", str(error)) from None


def _number(one: NumberView) -> NumberAnswer:
    agent = one["agent"]
    return NumberAnswer(
        number_id=one["id"],
        number=one["e164"],
        name=one["name"],
        carrier=one["carrier"],
        calls_out=one["outbound_url"] is not None,
        agent_id=None if agent is None else agent["id"],
        paused=one["pause"] is not None,
    )


def _why(error: Exception, tool: str) -> str:
    """In words for an assistant, with the API's code."""
    if isinstance(error, ValidationError):
        first = field_errors([{**each, "loc": ("argument", *each["loc"])} for each in error.errors()])[0]
        return f"invalid_request: {first['field']}: {first['message']}"
    problem = as_problem(error) if isinstance(error, Refusal) else None
    if problem is not None:
        return f"{problem.code}: {problem.message}"
    if is_away(error):
        return "unavailable: The database can't be used; nothing was stored. Try again."
    logger.error("MCP tool failed", extra={"tool": tool, "error": type(error).__name__}, exc_info=error)
    return "internal_error: Something went wrong on our side; it is in the server's log."
