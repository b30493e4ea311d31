"""The tools of an agent looked at while it is written: which there are, what they reach, and what may be missing."""

from collections.abc import Iterator
from typing import Any, Literal

from typing_extensions import TypedDict

from outdial.agents.tools.definition import HttpTool, McpServer, OwnTools
from outdial.net.addresses import Allowed
from outdial.net.urls import check_url


class ToolView(TypedDict):
    """A tool of the author's, or a server of tools. `tools`: as the model knows them; `consequences`: those that change
    something. `host` is where they are, `secrets` the names of those that are sent there. `method`, `about` and
    `arguments` (a JSON schema) are null of a server, which tells them itself."""

    name: str
    line: int
    over: Literal["http", "mcp"]
    host: str
    method: str | None
    about: str | None
    tools: list[str]
    consequences: list[str]
    secrets: list[str]
    arguments: dict[str, Any] | None


def tool_views(own: OwnTools) -> list[ToolView]:
    return [_http(one) if isinstance(one, HttpTool) else _server(one) for one in own.each]


def out_of_reach(own: OwnTools, allowed: Allowed) -> Iterator[tuple[int, str]]:
    """Lines, and why what stands there can't be asked; what a name leads to is seen when it is."""
    for one in own.each:
        try:
            check_url(f"{one.url.origin}/", allowed)
        except ValueError as error:
            yield one.line, f"the address of {one.name} {error}"


def _http(tool: HttpTool) -> ToolView:
    return ToolView(
        name=tool.name,
        line=tool.line,
        over="http",
        host=tool.url.origin.partition("://")[2],
        method=tool.method,
        about=tool.about,
        tools=[tool.name],
        consequences=[tool.name] if tool.consequences else [],
        secrets=sorted(tool.secrets),
        arguments=dict(tool.arguments),
    )


def _server(server: McpServer) -> ToolView:
    return ToolView(
        name=server.name,
        line=server.line,
        over="mcp",
        host=server.url.origin.partition("://")[2],
        method=None,
        about=None,
        tools=[f"{server.name}__{tool}" for tool in server.tools],
        consequences=[f"{server.name}__{tool}" for tool in server.tools if tool in server.consequences],
        secrets=sorted(server.secrets),
        arguments=None,
    )
