"""The Model Context Protocol over streamable HTTP, without I/O: a message in, what to reply out.

Both eras are spoken, told apart by the header MCP-Protocol-Version: that of the handshake (up to 2025-11-25), and that
of requests which stand alone (2026-07-28). There are tools and nothing else; no session is kept.
Source: modelcontextprotocol.io/specification, 2025-11-25 and 2026-07-28.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outdial.simulator.bodies import NotJson, decode
from outdial.simulator.tools.catalogue import TOOLS, Tool

Json = dict[str, Any]

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
CACHED_MS = 60_000
INSTRUCTIONS = "The calendar of a practice. It is simulated: nobody has these appointments."
SERVER = {"name": "outdial-simulator", "title": "Simulated tools of Outdial", "version": "1"}

PARSE_ERROR, INVALID_REQUEST, NO_SUCH_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
STATUS = {PARSE_ERROR: 400, INVALID_REQUEST: 400, INVALID_PARAMS: 400, NO_SUCH_METHOD: 404}
STATUS |= {HEADER_MISMATCH: 400, UNSUPPORTED_VERSION: 400}


@dataclass(frozen=True, kw_only=True)
class Wrong(Exception):
    """An error of the protocol."""

    code: int
    message: str
    data: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`id` is None for a notification, which gets no reply."""

    id: str | int | None
    method: str
    params: Json
    stands_alone: bool  # of the era without a handshake


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolWanted:
    tool: Tool
    arguments: Any


def accepts(accept: str) -> bool:
    """Whether a client takes both what we might reply with."""
    kinds = {each.partition(";")[0].strip() for each in accept.split(",")}
    return "*/*" in kinds or {"application/json", "text/event-stream"} <= kinds


def read(raw: bytes, headers: Mapping[str, str]) -> Request:
    """Raises Wrong."""
    try:
        given = decode(raw)
    except NotJson:
        raise Wrong(code=PARSE_ERROR, message="Parse error") from None
    match given:
        case {"jsonrpc": "2.0", "method": str(method)}:
            id_, params = given.get("id"), given.get("params", {})
        case _:
            raise Wrong(code=INVALID_REQUEST, message="Body must be a single JSON-RPC request or notification object")
    if not isinstance(params, dict) or not isinstance(id_, str | int | None) or isinstance(id_, bool):
        raise Wrong(code=INVALID_REQUEST, message="Invalid request")
    version = headers.get("mcp-protocol-version")
    stands_alone = version is not None and version not in HANDSHAKE_VERSIONS
    if stands_alone and id_ is not None:
        _check_envelope(method, params, headers)
    return Request(id=id_, method=method, params=params, stands_alone=stands_alone)


def _check_envelope(method: str, params: Json, headers: Mapping[str, str]) -> None:
    """What a request that stands alone says of itself is the same in its headers and in its body."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or not {f"{META}protocolVersion", f"{META}clientCapabilities"} <= meta.keys():
        raise Wrong(code=INVALID_PARAMS, message="params._meta must have protocolVersion and clientCapabilities")
    version = meta[f"{META}protocolVersion"]
    named = params.get("name") if method == "tools/call" else None
    if (
        headers.get("mcp-protocol-version") != version
        or headers.get("mcp-method") != method
        or (named is not None and _decoded(headers.get("mcp-name", "")) != named)
    ):
        raise Wrong(code=HEADER_MISMATCH, message="The headers say something else than the body")
    if version != VERSION:
        raise Wrong(
            code=UNSUPPORTED_VERSION,
            message="Unsupported protocol version",
            data={"supported": [VERSION], "requested": version},
        )


def _decoded(header: str) -> str:
    """Of a header's value that may be wrapped, because not every text can be one."""
    if not (header.startswith("=?base64?") and header.endswith("?=")):
        return header
    try:
        return base64.b64decode(header[len("=?base64?") : -len("?=")], validate=True).decode()
    except ValueError:
        return ""


def answer(request: Request) -> Json | ToolWanted:
    """The result, or the tool that has to be run first. Raises Wrong."""
    params = request.params
    match request.method:
        case "initialize" if not request.stands_alone:
            version = params.get("protocolVersion")
            return {
                "protocolVersion": version if version in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1],
                "capabilities": {"tools": {"listChanged": False}},
                "serverInfo": SERVER,
                "instructions": INSTRUCTIONS,
            }
        case "server/discover" if request.stands_alone:
            return {
                "supportedVersions": [VERSION],
                "capabilities": {"tools": {"listChanged": False}},
                "instructions": INSTRUCTIONS,
                "_meta": {f"{META}serverInfo": SERVER},
                **_complete(cached=True),
            }
        case "ping" if not request.stands_alone:
            return {}
        case "tools/list":
            tools = [_tool(tool) for tool in TOOLS.values()]
            return {"tools": tools, **(_complete(cached=True) if request.stands_alone else {})}
        case "tools/call":
            name = params.get("name")
            if not isinstance(name, str) or name not in TOOLS:
                raise Wrong(code=INVALID_PARAMS, message=f"Unknown tool: {name}")
            tool = TOOLS[name]
            return ToolWanted(tool=tool, arguments=params.get("arguments") or {})
    raise Wrong(code=NO_SUCH_METHOD, message="Method not found")


def result_of(request: Request, result: Json) -> Json:
    """Of a tool that was run."""
    content = [{"type": "text", "text": json.dumps(result, ensure_ascii=False)}]
    complete = _complete() if request.stands_alone else {}
    return {"content": content, "structuredContent": result, "isError": False, **complete}


def failure_of(request: Request, why: str) -> Json:
    """Of a tool that couldn't do it; the model reads why."""
    content = [{"type": "text", "text": why}]
    return {"content": content, "isError": True, **(_complete() if request.stands_alone else {})}


def message(request: Request, result: Json) -> Json:
    return {"jsonrpc": "2.0", "id": request.id, "result": result}


def error(wrong: Wrong, id_: str | int | None = None) -> Json:
    data = {"data": wrong.data} if wrong.data is not None else {}
    return {"jsonrpc": "2.0", "id": id_, "error": {"code": wrong.code, "message": wrong.message, **data}}


def _complete(*, cached: bool = False) -> Json:
    return {"resultType": "complete", **({"ttlMs": CACHED_MS, "cacheScope": "public"} if cached else {})}


def _tool(tool: Tool) -> Json:
    hints = {"readOnlyHint": tool.reads, "destructiveHint": False, "idempotentHint": tool.reads, "openWorldHint": False}
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.schema,
        "outputSchema": tool.result_schema,
        "annotations": hints,
    }
