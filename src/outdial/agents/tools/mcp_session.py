"""One MCP server, spoken to by the protocol's own library, which is imported with this module.

Its requests go through the guarded transport: it gets a client whose transport hands them on. What it would keep open
for messages from the server isn't opened, what is packed isn't unpacked, and no answer is longer than MAX_BYTES.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import httpx
import httpx2
import mcp_types as types
from mcp import Client, ClientSession, MCPError
from mcp.client.streamable_http import streamable_http_client

from outdial.agents.tools.asks import Trace
from outdial.agents.tools.reaching import watching, word_of
from outdial.net.guarded import GuardedTransport
from outdial.tracing.context import beside
from outdial.version import __version__

MAX_BYTES = 512 * 1024  # of an answer
CLOSE_S = 2.0
KEY = "outdial/idempotency-key"  # in a call's _meta

# Their sentences have in them what is asked and answered; what matters is raised.
for _name in ("mcp.client", "mcp.shared", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class SessionBroken(Exception):
    """`word`: why; `is_over`: the server knows nothing of the session any more, so nothing was done."""

    def __init__(self, word: str, *, is_over: bool = False) -> None:
        super().__init__(word)
        self.word = word
        self.is_over = is_over


class Session:
    """Open from `open` to `aclose`, in a task of its own: the library wants to be left by the task that entered."""

    def __init__(self, transport: GuardedTransport, url: str, headers: Mapping[str, str]) -> None:
        self._transport = transport
        self._url = url
        self._headers = headers
        self._traces: dict[str, Trace] = {}
        self._client: Client | None = None
        self._opened: asyncio.Future[None] | None = None
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._handing = _Handing(transport, self._traces)

    @property
    def is_open(self) -> bool:
        return self._client is not None and self._task is not None and not self._task.done()

    async def open(self) -> None:
        """Raises SessionBroken."""
        self._opened = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(self._opened), name="MCP session")
        try:
            await asyncio.shield(self._opened)
        except Exception as error:
            raise SessionBroken(self._handing.word or _word(error)) from None

    async def tools(self) -> list[types.Tool]:
        """Of the first pages. Raises SessionBroken."""
        found: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(5):
            params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
            try:
                page = await self._session().list_tools(params=params)
            except Exception as error:
                raise SessionBroken(self._handing.word or _word(error), is_over=_is_over(error)) from None
            found += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        return found

    async def call(self, tool: str, arguments: Mapping[str, Any], key: str, trace: Trace) -> types.CallToolResult:
        """Raises SessionBroken. Answers aren't checked against their schema, which is a stranger's."""
        self._traces[key] = trace
        params = types.CallToolRequestParams(name=tool, arguments=dict(arguments), _meta={KEY: key, **trace.header})
        try:
            request = types.CallToolRequest(params=params)
            result: types.CallToolResult = await self._session().send_request(request, types.CallToolResult)
            return result
        except Exception as error:
            raise SessionBroken(self._handing.word or _word(error), is_over=_is_over(error)) from None
        finally:
            self._traces.pop(key, None)

    def close_soon(self) -> None:
        """What is under way has until then."""
        self._closing.set()
        if self._task is not None and (self._opened is None or not self._opened.done()):
            self._task.cancel()

    async def aclose(self) -> None:
        self.close_soon()
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=CLOSE_S)
            for task in late:
                task.cancel()
                await asyncio.wait({task}, timeout=CLOSE_S)

    def _session(self) -> ClientSession:
        if not self.is_open or self._client is None:
            raise SessionBroken("connection", is_over=True)
        return self._client.session

    async def _hold(self, opened: "asyncio.Future[None]") -> None:
        headers = {"user-agent": f"Outdial/{__version__}", "accept-encoding": "identity", **self._headers}
        try:
            async with httpx2.AsyncClient(
                transport=self._handing, headers=headers, timeout=60.0, trust_env=False
            ) as http, Client(streamable_http_client(self._url, http_client=http), mode="auto", cache=None) as client:
                self._client = client
                opened.set_result(None)
                await self._closing.wait()
        except Exception as error:
            if not opened.done():
                opened.set_exception(error)
                opened.exception()  # perhaps nobody waits for it any more
        finally:
            self._client = None
            if not opened.done():
                opened.cancel()


class _Handing(httpx2.AsyncBaseTransport):
    """What the protocol's library asks, asked of the guarded transport. `word`: why the last request came to nothing,
    None where it didn't."""

    def __init__(self, transport: GuardedTransport, traces: Mapping[str, Trace]) -> None:
        self.word: str | None = None
        self._transport = transport
        self._traces = traces

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":  # for messages that nobody here waits for
            return httpx2.Response(405, request=request)
        content = await request.aread()
        trace = self._trace_of(content)
        timeout = httpx.Timeout(60.0, connect=5.0).as_dict()
        asked = httpx.Request(
            request.method,
            str(request.url),
            headers=beside({} if trace is None else trace.header, request.headers),
            content=content,
            extensions={"timeout": timeout} if trace is None else {"timeout": timeout, "trace": watching(trace)},
        )
        self.word = None
        try:
            answer = await self._transport.handle_async_request(asked)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.word = word_of(error)
            raise httpx2.ConnectError("not reached", request=request) from None
        if answer.status_code >= 300:
            self.word = "redirect" if answer.status_code < 400 else f"http_{answer.status_code}"
        if answer.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            await answer.aclose()
            raise httpx2.ReadError("packed", request=request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        return httpx2.Response(
            answer.status_code, headers=answer.headers.raw, stream=_Bounded(answer.stream), request=request
        )

    def _trace_of(self, content: bytes) -> Trace | None:
        with suppress(ValueError, LookupError, TypeError):
            key = json.loads(content)["params"]["_meta"][KEY]
            return self._traces.get(key)
        return None


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for part in self._stream:
                size += len(part)
                if size > MAX_BYTES:
                    raise httpx2.ReadError("too long")
                yield part
        except httpx.HTTPError:
            raise httpx2.ReadError("broken off") from None

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_over(error: Exception) -> bool:
    """What the library says where a server doesn't know the session."""
    return isinstance(error, SessionBroken) or (isinstance(error, MCPError) and error.message == "Session terminated")


def _word(error: BaseException) -> str:
    """Never the server's own sentences."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if isinstance(error, SessionBroken):
        return error.word
    return "refused" if isinstance(error, MCPError) else "connection"
