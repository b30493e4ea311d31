"""HTTP tools asked: only where the guarded transport leads to, within their time, and never twice where it counts."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx

from outdial.agents.tools.asks import Context, OfferedTool, Reply, Result, Trace, offered
from outdial.agents.tools.definition import HttpTool
from outdial.agents.tools.filling import CannotFill, Outgoing, request_of
from outdial.agents.tools.plain_json import clean, read_json
from outdial.agents.tools.reaching import watching, word_of
from outdial.agents.tools.redaction import without
from outdial.net.cookies import nothing_kept
from outdial.net.guarded import CONNECT_S, GuardedTransport
from outdial.secrets.store import SecretMissing
from outdial.tracing.context import beside
from outdial.version import __version__

logger = logging.getLogger(__name__)

OF_A_HOST = 40          # requests under way: a host that hangs holds up no other
MAX_BYTES = 64 * 1024   # of an answer; the rest isn't read
MAX_SENT_BYTES = 64 * 1024
AGAIN_AFTER_S = 0.3     # a request without consequences is sent once more
AGAIN = (502, 503, 504)


class HttpTools:
    """For all calls of a process. `transport` is closed by whoever gives it."""

    def __init__(self, transport: GuardedTransport) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(60.0, connect=CONNECT_S),  # a tool's own limit is around it
            follow_redirects=False,
            trust_env=False,
            cookies=nothing_kept(),
            headers={
                "user-agent": f"Outdial/{__version__}",
                "accept": "application/json, text/*;q=0.9, */*;q=0.5",
                "accept-encoding": "identity",
            },
        )
        self._asked: Counter[str] = Counter()  # under way, by host

    def offered(self, tool: HttpTool) -> OfferedTool:
        async def ask(arguments: Mapping[str, Any], context: Context) -> Reply:
            return await self._ask(tool, arguments, context)

        return offered(tool, ask)

    async def _ask(self, tool: HttpTool, arguments: Mapping[str, Any], context: Context) -> Reply:
        try:
            secrets = await context.secrets(tool.secrets, tool.url.host) if tool.secrets else {}
        except SecretMissing:
            return Reply(result=Result.FAILED, reason="secret_missing")
        try:
            outgoing = request_of(tool, arguments, context.known, context.defaults, secrets)
        except CannotFill as why:
            return Reply(result=Result.FAILED, reason="cannot_fill", answer=str(why))
        host = tool.url.origin
        if self._asked[host] >= OF_A_HOST:
            return Reply(result=Result.FAILED, reason="too_many_at_once")
        self._asked[host] += 1
        try:
            reply = await self._sent(outgoing, tool, context)
        finally:
            self._asked[host] -= 1
            if not self._asked[host]:
                del self._asked[host]
        return Reply(
            result=reply.result,
            reason=reply.reason,
            status=reply.status,
            answer=without(reply.answer, secrets.values()),
            is_cut=reply.is_cut,
        )

    async def _sent(self, outgoing: Outgoing, tool: HttpTool, context: Context) -> Reply:
        """With one more try where nothing can happen twice."""
        until = time.monotonic() + tool.time_limit_s
        reply = await self._attempt(outgoing, tool, context, until)
        may_again = not context.trace.sent or not tool.consequences
        broke = reply.reason in ("connection", "host_not_found") or reply.status in AGAIN
        if may_again and broke and time.monotonic() + AGAIN_AFTER_S < until:
            await asyncio.sleep(AGAIN_AFTER_S)
            reply = await self._attempt(outgoing, tool, context, until)
        return reply

    async def _attempt(self, outgoing: Outgoing, tool: HttpTool, context: Context, until: float) -> Reply:
        """Never raises for what a server does."""
        status: int | None = None
        try:
            async with asyncio.timeout(until - time.monotonic()):
                async with self._client.stream(
                    outgoing.method,
                    outgoing.url,
                    content=_body(outgoing),
                    headers=_headers(outgoing, context),
                    extensions={"trace": watching(context.trace)},
                ) as response:
                    status = response.status_code
                    body, is_cut = await _read(response)
                    return _judged(response, body, is_cut, tool)
        except TimeoutError:
            return _broken("timeout", status, tool, context.trace)
        except _TooLong:
            return Reply(result=Result.FAILED, reason="too_long")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, ValueError) as error:
            return _broken(word_of(error), status, tool, context.trace)


class _TooLong(Exception):
    pass


def _body(outgoing: Outgoing) -> bytes | None:
    if outgoing.body is None:
        return None
    body = json.dumps(outgoing.body, ensure_ascii=False, default=str).encode(errors="replace")
    if len(body) > MAX_SENT_BYTES:
        raise _TooLong
    return body


def _headers(outgoing: Outgoing, context: Context) -> dict[str, str]:
    headers = beside(context.trace.header, outgoing.headers)
    if outgoing.body is not None:
        headers["content-type"] = "application/json"
    if outgoing.method != "GET":
        headers["idempotency-key"] = context.key
    return headers


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    """The beginning, as it came: an answer without end is cut, and one that is packed isn't unpacked."""
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part[: MAX_BYTES - size])
        size += len(part)
        if size > MAX_BYTES:
            return b"".join(parts), True
    return b"".join(parts), False


def _judged(response: httpx.Response, body: bytes, is_cut: bool, tool: HttpTool) -> Reply:
    status = response.status_code
    answer = _text(response, body, is_cut)
    if 200 <= status < 300:
        return Reply(result=Result.OK, status=status, answer=answer, is_cut=is_cut)
    if status < 400:  # where it leads, nobody has judged: it isn't followed
        return Reply(result=Result.FAILED, reason="redirect", status=status)
    uncertain = tool.consequences and status >= 500
    result = Result.UNKNOWN if uncertain else Result.FAILED
    return Reply(result=result, reason=f"http_{status}", status=status, answer=answer, is_cut=is_cut)


def _text(response: httpx.Response, body: bytes, is_cut: bool) -> Any:
    """JSON where it is some; None for what is no text."""
    if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        return None
    try:
        text = body.decode(errors="ignore" if is_cut else "strict")
    except UnicodeDecodeError:
        return None
    if not text.strip():
        return None
    try:
        return read_json(text)
    except ValueError:
        return clean(text)


def _broken(word: str, status: int | None, tool: HttpTool, trace: Trace) -> Reply:
    uncertain = tool.consequences and trace.sent
    return Reply(result=Result.UNKNOWN if uncertain else Result.FAILED, reason=word, status=status)
