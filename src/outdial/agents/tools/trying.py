"""One tool of a draft tried by hand: really asked, once, with what is given."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from typing_extensions import TypedDict

from outdial.agents.tools.access import Tools
from outdial.agents.tools.asks import Ask, Context, OfferedTool, shown_answer
from outdial.agents.tools.definition import HttpTool, OwnTools
from outdial.agents.tools.filling import CannotFill, request_of
from outdial.agents.tools.mcp_servers import ServerAway
from outdial.agents.tools.plain_json import clean
from outdial.agents.tools.redaction import MAX_ANSWER, MAX_SHOWN, bounded, redacted
from outdial.agents.tools.schema import faults
from outdial.refusals import Conflict, Invalid

HAS_CONSEQUENCES = (
    "{tool} changes something: trying it does so for real. Ask for that with \"consequences\": true."
)


class RequestView(TypedDict):
    """As it was sent, with secrets by their names and without what the tool's schema marks. `body` null: none."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any


class TriedTool(TypedDict):
    """`result`: ok, failed, or unknown where it may have been done. `request` is null of an MCP server's tool."""

    tool: str
    place: str
    consequences: bool
    arguments: Any
    request: RequestView | None
    result: str
    reason: str | None
    status: int | None
    answer: Any
    duration_ms: int


async def try_tool(
    own: OwnTools,
    name: str,
    arguments: Mapping[str, Any],
    variables: Mapping[str, Any],
    defaults: Mapping[str, Any],
    tools: Tools,
    *,
    consequences: bool,
) -> TriedTool:
    """Raises Invalid, and Conflict for what has consequences that nobody has asked for."""
    context = Context(known=variables, defaults=defaults, secrets=tools.secrets, key=uuid4().hex)
    http = next((one for one in own.http if one.name == name), None)
    tool = await _of_server(own, name, tools, context) if http is None else tools.http(http)
    if wrong := faults(tool.arguments, clean(dict(arguments))):
        raise Invalid("arguments", "; ".join(wrong))
    if tool.consequences and not consequences:
        raise Conflict("has_consequences", HAS_CONSEQUENCES.format(tool=name))
    began = time.monotonic()
    reply = await tool.ask(arguments, context)
    return TriedTool(
        tool=name,
        place=tool.place,
        consequences=tool.consequences,
        arguments=bounded(redacted(dict(arguments), tool.arguments), MAX_SHOWN),
        request=None if http is None else _request(http, arguments, context),
        result=reply.result.value,
        reason=reply.reason,
        status=reply.status,
        answer=bounded(shown_answer(reply, Ask(tool=tool, arguments=arguments)), MAX_ANSWER),
        duration_ms=round((time.monotonic() - began) * 1000),
    )


async def _of_server(own: OwnTools, name: str, tools: Tools, context: Context) -> OfferedTool:
    server = next((one for one in own.mcp if name in [f"{one.name}__{tool}" for tool in one.tools]), None)
    if server is None:
        raise Invalid("tool", "is none of this agent's tools")
    try:
        offered = await tools.mcp(server, context)
    except ServerAway as away:
        raise Conflict("server_away", f"The server {server.name} can't be asked now: {away.word}.") from None
    tool = next((one for one in offered if one.name == name), None)
    if tool is None:
        raise Conflict("no_such_tool", f"The server {server.name} has no such tool.")
    return tool


def _request(tool: HttpTool, arguments: Mapping[str, Any], context: Context) -> RequestView | None:
    shown = redacted(dict(arguments), tool.arguments)
    named = {name: f"{{secret:{name}}}" for name in tool.secrets}
    try:
        outgoing = request_of(tool, shown, context.known, context.defaults, named)
    except CannotFill:
        return None
    url = outgoing.url
    for text in named.values():
        url = url.replace(quote(text, safe=""), text)
    headers = dict(outgoing.headers) | ({} if tool.method == "GET" else {"Idempotency-Key": context.key})
    return RequestView(method=outgoing.method, url=url, headers=headers, body=outgoing.body)
