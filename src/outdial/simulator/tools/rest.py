"""The tools' server: /tools/<name> with JSON in and out, and /mcp."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.bodies import NotJson, TooLarge, decode, read_body
from outdial.simulator.connection import Dropped
from outdial.simulator.faults import ELSEWHERE, FaultKind, Faults
from outdial.simulator.steps import SteppedReply
from outdial.simulator.tools import catalogue, faults, mcp
from outdial.simulator.tools.calendar import Calendar, CannotDo
from outdial.simulator.tools.catalogue import TOOLS, BadArguments, Tool
from outdial.simulator.tools.faults import Struck

Json = dict[str, Any]
PATH = "/tools"
MCP_PATH = "/mcp"
MAX_BODY_BYTES = 1024 * 1024
KEPT = 1000  # calls that can be looked at later


@dataclass(slots=True, kw_only=True)
class Called:
    """A tool that was called. Instants are of the event loop's clock, in seconds."""

    tool: str
    arguments: Any
    over: str  # http or mcp
    headers: dict[str, str]
    faults: tuple[FaultKind, ...]
    at_s: float
    done: bool = False  # what was asked for has happened, whatever the caller was told
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ended_at_s: float | None = None
    whole: bool = False  # the reply was written to its end; else whoever called has left

    def end(self, whole: bool) -> None:
        self.ended_at_s, self.whole = asyncio.get_running_loop().time(), whole
        self.ended.set()


class Tools:
    """The calendar, and what was called. With a `key`, only who sends it as a bearer token is served."""

    def __init__(self, faults_: Faults, *, key: str = "") -> None:
        self._faults = faults_
        self._key = key
        self.calendar = Calendar()
        self.called: deque[Called] = deque(maxlen=KEPT)

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self._list, methods=["GET"]),
            Route(f"{PATH}/{{name}}", self._http, methods=["GET", "POST"]),
            Route(MCP_PATH, self._mcp, methods=["GET", "POST", "DELETE"]),
        ]

    def _may(self, request: Request) -> bool:
        return not self._key or request.headers.get("authorization") == f"Bearer {self._key}"

    def _note(self, request: Request, tool: str, arguments: Any, over: str, struck: Struck) -> Called:
        called = Called(
            tool=tool,
            arguments=arguments,
            over=over,
            headers=dict(request.headers),
            faults=tuple(struck),
            at_s=asyncio.get_running_loop().time(),
        )
        self.called.append(called)
        return called

    def _run(self, tool: Tool, arguments: Any, called: Called, struck: Struck) -> Json:
        """Raises BadArguments and CannotDo."""
        if FaultKind.TOOL_FAILED in struck:
            raise CannotDo(faults.CANNOT)
        result = catalogue.run(tool, self.calendar, arguments)
        called.done = True
        if FaultKind.TOOL_NONSENSE in struck:
            return faults.NONSENSE
        if FaultKind.TOOL_HOSTILE in struck:
            return {name: faults.HOSTILE if isinstance(value, str) else value for name, value in result.items()} | {
                "note": faults.HOSTILE
            }
        return result

    # -- HTTP

    async def _list(self, request: Request) -> Response:
        tools = [
            {"name": each.name, "description": each.description, "method": "GET" if each.reads else "POST",
             "path": f"{PATH}/{each.name}", "parameters": each.schema, "result": each.result_schema}
            for each in TOOLS.values()
        ]  # fmt: skip
        return JSONResponse({"tools": tools})

    async def _http(self, request: Request) -> Response:
        """Arguments are the body's JSON; of a tool that only reads, they may be the query."""
        tool = TOOLS.get(request.path_params["name"])
        if not self._may(request):
            return JSONResponse({"error": "The key is wrong."}, 401, {"WWW-Authenticate": "Bearer"})
        if tool is None:
            return JSONResponse({"error": "There is no such tool."}, 404)
        if request.method == "GET" and not tool.reads:
            return JSONResponse({"error": "This tool changes something: send a POST."}, 405, {"Allow": "POST"})
        try:
            arguments = await _arguments(request)
        except TooLarge:
            return JSONResponse({"error": "The body is too large."}, 413)
        except BadArguments as error:
            return JSONResponse({"error": str(error)}, 400)
        struck = faults.strike(self._faults, tool.name)
        called = self._note(request, tool.name, arguments, "http", struck)
        refused = _refused(struck)
        if refused is not None:
            called.end(True)
            return refused
        status = 200
        try:
            body = self._run(tool, arguments, called, struck)
        except BadArguments as error:
            status, body = 422, {"error": str(error)}
        except CannotDo as error:
            status, body = 409, {"error": str(error)}
        return self._reply(_encoded(body), called, struck, media_type="application/json", filler=b" ", status=status)

    # -- MCP

    async def _mcp(self, request: Request) -> Response:
        if not self._may(request):
            return JSONResponse({"error": "invalid_token"}, 401, {"WWW-Authenticate": "Bearer"})
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST"})  # no stream of our own, and no session to end
        if not mcp.accepts(request.headers.get("accept", "*/*")):
            return JSONResponse(mcp.error(mcp.Wrong(code=mcp.INVALID_REQUEST, message="Not acceptable")), 406)
        try:
            wanted = mcp.read(await read_body(request, MAX_BODY_BYTES), request.headers)
        except mcp.Wrong as wrong:
            return JSONResponse(mcp.error(wrong), mcp.STATUS[wrong.code])
        except TooLarge:
            return Response(status_code=413)
        if wanted.id is None:
            return Response(status_code=202)
        try:
            answer = mcp.answer(wanted)
        except mcp.Wrong as wrong:
            status = mcp.STATUS[wrong.code] if wanted.stands_alone else 200
            return JSONResponse(mcp.error(wrong, wanted.id), status)
        return self._mcp_reply(request, wanted, answer)

    def _mcp_reply(self, request: Request, wanted: mcp.Request, answer: Json | mcp.ToolWanted) -> Response:
        called: Called | None = None
        if isinstance(answer, mcp.ToolWanted):
            struck = faults.strike(self._faults, answer.tool.name)
            called = self._note(request, answer.tool.name, answer.arguments, "mcp", struck)
        else:
            struck = faults.strike(self._faults, wanted.method, named=True)
        refused = _refused(struck)
        if refused is not None:
            if called is not None:
                called.end(True)
            return refused
        if isinstance(answer, mcp.ToolWanted) and called is not None:
            try:
                result = mcp.result_of(wanted, self._run(answer.tool, answer.arguments, called, struck))
            except (BadArguments, CannotDo) as error:
                result = mcp.failure_of(wanted, str(error))
        else:
            result = answer  # type: ignore[assignment]
        body = _encoded(mcp.message(wanted, result))
        if wanted.stands_alone:
            return self._reply(body, called, struck, media_type="application/json", filler=b" ")
        event = b"event: message\r\ndata: " + body + b"\r\n\r\n"
        return self._reply(event, called, struck, media_type="text/event-stream", filler=b": ping\r\n\r\n")

    def _reply(
        self, body: bytes, called: Called | None, struck: Struck, *, media_type: str, filler: bytes, status: int = 200
    ) -> Response:
        ended: Callable[[bool], None] | None = called.end if called is not None else None
        if FaultKind.TOOL_RESET in struck:
            if ended is not None:
                ended(False)
            return Dropped()
        return SteppedReply(
            faults.steps(body, struck, filler=filler),
            status_code=status,
            media_type=media_type,
            begins_after_s=faults.begins_after_s(struck),
            ended=ended,
        )


def _refused(struck: Struck) -> Response | None:
    """What is replied where nothing is done."""
    for kind, fault in struck.items():
        match kind:
            case FaultKind.TOOL_ERROR:
                return JSONResponse({"error": "Something went wrong."}, fault.status)
            case FaultKind.TOOL_THROTTLED:
                return JSONResponse({"error": "Too many requests."}, 429, fault.retry_after)
            case FaultKind.TOOL_REDIRECTED:
                return Response(status_code=307, headers=ELSEWHERE)
    return None


async def _arguments(request: Request) -> Any:
    """Raises BadArguments."""
    if request.method == "GET":
        return dict(request.query_params)
    try:
        return decode(await read_body(request, MAX_BODY_BYTES) or b"{}")
    except NotJson:
        raise BadArguments("The body is no JSON.") from None


def _encoded(body: Json) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
