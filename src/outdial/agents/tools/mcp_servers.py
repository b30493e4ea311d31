"""MCP servers whose tools agents use: spoken to by one session each, for all calls of a process.

The protocol's library is loaded when the first server is needed (mcp_session.py).
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from outdial.agents.tools.asks import Context, OfferedTool, Reply, Result
from outdial.agents.tools.definition import McpServer
from outdial.agents.tools.filling import CannotFill, headers_of, server_url
from outdial.agents.tools.plain_json import clean
from outdial.agents.tools.redaction import without
from outdial.agents.tools.schema import BadSchema, sound
from outdial.net.guarded import GuardedTransport
from outdial.secrets.store import SecretMissing

if TYPE_CHECKING:
    from mcp_types import CallToolResult, Tool

    from outdial.agents.tools.mcp_session import Session

logger = logging.getLogger(__name__)

LIST_S = 8.0        # for opening a session, and for what tools there are
LISTED_S = 300.0    # a list is believed for so long, and …
AWAY_S = 10.0       # … that a server is away
IDLE_S = 120.0      # a session that nobody uses is closed
MAX_SESSIONS = 100
MAX_ABOUT = 1000    # characters
MAX_NAME = 64       # of a tool, as models take it


class ServerAway(Exception):
    """`word`: why its tools can't be used now."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(slots=True)
class _Server:
    """`tools` or `away`, as of `at_s`; `session` where one is open."""

    session: "Session | None" = None
    tools: "Sequence[Tool]" = ()
    away: str | None = None
    at_s: float = float("-inf")
    used_s: float = 0.0
    under_way: int = 0
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class McpServers:
    """`transport` is closed by whoever gives it."""

    def __init__(self, transport: GuardedTransport) -> None:
        self._transport = transport
        self._servers: dict[str, _Server] = {}  # by what is sent to where

    async def offered(self, server: McpServer, context: Context) -> Sequence[OfferedTool]:
        """Those that its author lets the model use and that are there. Raises ServerAway, after LIST_S at most."""
        url, headers = await _address(server, context)
        known = self._known(url, headers)
        try:
            async with asyncio.timeout(LIST_S), known.opening:
                await self._list(known, url, headers)
        except TimeoutError:
            known.away, known.at_s = "timeout", time.monotonic()
        if known.away is not None:
            raise ServerAway(known.away)
        there = {tool.name: tool for tool in known.tools}
        found = (self._offer(server, there[name]) for name in server.tools if name in there)
        return [tool for tool in found if tool is not None]

    async def aclose(self) -> None:
        sessions = [one.session for one in self._servers.values() if one.session is not None]
        self._servers.clear()
        await asyncio.gather(*(session.aclose() for session in sessions))

    # -- inside ------------------------------------------------------------------------------------------------

    def _known(self, url: str, headers: Mapping[str, str]) -> _Server:
        key = hashlib.sha256(json.dumps([url, sorted(headers.items())]).encode()).hexdigest()
        known = self._servers.setdefault(key, _Server())
        known.used_s = time.monotonic()
        self._forget_idle(known)
        return known

    def _forget_idle(self, but: _Server) -> None:
        now = time.monotonic()
        idle = [key for key, one in self._servers.items() if not one.under_way and now - one.used_s > IDLE_S]
        if len(self._servers) > MAX_SESSIONS and not idle:
            free = [key for key, one in self._servers.items() if not one.under_way and one is not but]
            idle = sorted(free, key=lambda key: self._servers[key].used_s)[:1]
        for key in idle:
            if (session := self._servers.pop(key).session) is not None:
                session.close_soon()

    async def _list(self, known: _Server, url: str, headers: Mapping[str, str]) -> None:
        age_s = time.monotonic() - known.at_s
        if age_s < (LISTED_S if known.away is None else AWAY_S):
            return
        from outdial.agents.tools.mcp_session import SessionBroken

        try:
            session = await self._opened(known, url, headers)
            known.tools, known.away = await session.tools(), None
        except SessionBroken as broken:
            if broken.is_over:
                self._drop(known)
            known.away = broken.word
        known.at_s = time.monotonic()

    async def _opened(self, known: _Server, url: str, headers: Mapping[str, str]) -> "Session":
        """Raises SessionBroken."""
        from outdial.agents.tools.mcp_session import Session

        if known.session is not None and not known.session.is_open:
            self._drop(known)
        if known.session is None:
            session = Session(self._transport, url, headers)
            try:
                await session.open()
            except BaseException:
                session.close_soon()
                raise
            known.session = session
        return known.session

    def _drop(self, known: _Server) -> None:
        session, known.session = known.session, None
        if session is not None:
            session.close_soon()

    def _offer(self, server: McpServer, tool: "Tool") -> OfferedTool | None:
        """None for a tool that can't be told to a model."""
        name = f"{server.name}__{tool.name}"
        try:
            arguments = sound(tool.input_schema, strict=False)
            answer = None if tool.output_schema is None else sound(tool.output_schema, strict=False)
        except BadSchema:
            return None
        if len(name) > MAX_NAME or not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
            return None
        consequences = tool.name in server.consequences

        async def ask(given: Mapping[str, Any], context: Context) -> Reply:
            return await self._ask(server, tool.name, given, context, consequences=consequences)

        return OfferedTool(
            name=name,
            about=" ".join((tool.description or tool.title or tool.name).split())[:MAX_ABOUT],
            arguments=arguments,
            consequences=consequences,
            time_limit_s=server.time_limit_s,
            place=server.name,
            ask=ask,
            answer=answer,
            sentences=server.sentences,
        )

    async def _ask(
        self, server: McpServer, tool: str, given: Mapping[str, Any], context: Context, *, consequences: bool
    ) -> Reply:
        """Never raises for what a server does."""
        from outdial.agents.tools.mcp_session import SessionBroken

        try:
            url, headers = await _address(server, context)
        except ServerAway as away:
            return Reply(result=Result.FAILED, reason=away.word)
        known = self._known(url, headers)
        known.under_way += 1
        try:
            async with asyncio.timeout(server.time_limit_s):
                for last in (False, True):
                    try:
                        async with known.opening:
                            session = await self._opened(known, url, headers)
                        result = await session.call(tool, given, context.key, context.trace)
                    except SessionBroken as broken:
                        if broken.is_over:
                            self._drop(known)
                            context.trace.sent = False
                        if last or context.trace.sent:
                            return _broken(broken.word, consequences and context.trace.sent)
                        continue
                    return _reply(result, await _secrets(server, context))
        except TimeoutError:
            return _broken("timeout", consequences and context.trace.sent)
        finally:
            known.under_way -= 1
            known.used_s = time.monotonic()
        raise AssertionError("unreachable")


async def _address(server: McpServer, context: Context) -> tuple[str, dict[str, str]]:
    """Raises ServerAway."""
    try:
        secrets = await _secrets(server, context)
        return server_url(server, secrets), headers_of(server, secrets)
    except SecretMissing:
        raise ServerAway("secret_missing") from None
    except CannotFill:
        raise ServerAway("cannot_fill") from None


async def _secrets(server: McpServer, context: Context) -> Mapping[str, str]:
    return await context.secrets(server.secrets, server.url.host) if server.secrets else {}


def _broken(word: str, uncertain: bool) -> Reply:
    return Reply(result=Result.UNKNOWN if uncertain else Result.FAILED, reason=word)


def _reply(result: "CallToolResult", secrets: Mapping[str, str]) -> Reply:
    """A server says itself when a tool couldn't do it: then nothing was done."""
    if result.structured_content is not None:
        answer: Any = result.structured_content
    else:
        answer = "\n".join(block.text for block in result.content if block.type == "text") or None
    answer = without(clean(answer), secrets.values())
    if result.is_error:
        return Reply(result=Result.FAILED, reason="tool_failed", answer=answer)
    return Reply(result=Result.OK, answer=answer)
