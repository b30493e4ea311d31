"""One try: a request to a receiver, and what became of it. Nothing is stored here."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import httpx

from outdial import clock
from outdial.net.addresses import Allowed
from outdial.net.cookies import nothing_kept
from outdial.net.guarded import GuardedTransport, RefusedAddress, Resolve
from outdial.version import __version__
from outdial.webhooks.retry import parse_retry_after
from outdial.webhooks.signature import signed_headers

TOTAL_S = 15.0            # from the first look at the name to the last byte of the answer
CONNECT_S = 5.0
AT_ONCE = 600             # connections: more than there are ever deliveries under way
MAX_ANSWER_BYTES = 64_000  # read of an answer; then the connection is closed
MAX_KEPT_CHARS = 2_000     # of it in the log
SLOW_DOWN = frozenset({429, 502, 503, 504})
GONE = 410


class Problem(StrEnum):
    """Why there was no answer, or none that counts, in a word that stays."""

    NOT_2XX = "not_2xx"
    REDIRECT = "redirect"          # redirects aren't followed
    TIMEOUT = "timeout"
    CONNECTION = "connection"      # refused, broken off, or no HTTP
    HOST_NOT_FOUND = "host_not_found"
    TLS = "tls"
    REFUSED_ADDRESS = "refused_address"
    BAD_URL = "bad_url"
    NOT_SIGNED = "not_signed"      # its secret can't be read: the server's secret key is another one now


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What is to be sent. `headers`: the user's own; `keys`: the secrets that sign."""

    url: str
    event_id: str
    body: bytes
    keys: Sequence[str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try as the log has it. `answer` is the beginning of what came back, `retry_after` what that asked for."""

    at: datetime
    duration_ms: int
    status: int | None = None
    problem: Problem | None = None
    answer: str = ""
    retry_after: datetime | None = None

    @property
    def succeeded(self) -> bool:
        return self.problem is None

    def to_json(self) -> dict[str, Any]:
        stored = asdict(self)
        return stored | {
            "at": self.at.isoformat(),
            "retry_after": None if self.retry_after is None else self.retry_after.isoformat(),
        }


async def attempt(client: httpx.AsyncClient, outgoing: Outgoing) -> Try:
    """Send it once. Never raises for what a receiver does, nor for headers that can't be sent."""
    at, began = clock.now(), time.monotonic()
    status, problem, answer, retry_after = None, None, b"", None
    try:
        async with asyncio.timeout(TOTAL_S):
            signed = signed_headers(outgoing.event_id, int(at.timestamp()), outgoing.body, outgoing.keys)
            headers = {**outgoing.headers, "content-type": "application/json", **signed}
            async with client.stream("POST", outgoing.url, content=outgoing.body, headers=headers) as response:
                status = response.status_code
                retry_after = parse_retry_after(response.headers.get_list("retry-after"), at)
                problem = _judge(status)
                answer = await _read(response)
    except TimeoutError:
        problem = problem if status is not None else Problem.TIMEOUT
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
        problem = problem if status is not None else _problem(error)
    return Try(
        at=at,
        duration_ms=round((time.monotonic() - began) * 1000),
        status=status,
        problem=problem,
        answer=answer.decode(errors="replace").replace("\x00", "\ufffd")[:MAX_KEPT_CHARS],
        retry_after=retry_after,
    )


class WebhookClient:
    """What reaches receivers: only what `allowed` permits. Follows nothing, believes no proxy of the environment,
    unpacks nothing."""

    def __init__(self, allowed: Allowed, *, resolve: Resolve | None = None) -> None:
        self._transport = GuardedTransport(allowed, at_once=AT_ONCE, resolve=resolve)
        self.http = httpx.AsyncClient(
            transport=self._transport,
            timeout=httpx.Timeout(TOTAL_S, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
            cookies=nothing_kept(),
            headers={"user-agent": f"Outdial/{__version__}", "accept-encoding": "identity", "accept": "*/*"},
        )

    async def check(self, url: str) -> str:
        """A URL that somebody gives, as it is asked. Raises ValueError with a reason for them."""
        return await self._transport.check(url)

    async def attempt(self, outgoing: Outgoing) -> Try:
        return await attempt(self.http, outgoing)

    async def aclose(self) -> None:
        await self.http.aclose()


def _judge(status: int) -> Problem | None:
    if 200 <= status < 300:
        return None
    return Problem.REDIRECT if 300 <= status < 400 else Problem.NOT_2XX


async def _read(response: httpx.Response) -> bytes:
    """The beginning, as it came: an answer without end is cut, and one that is packed isn't unpacked."""
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part[: MAX_ANSWER_BYTES - size])
        size += len(parts[-1])
        if size >= MAX_ANSWER_BYTES:
            break
    return b"".join(parts)


def _problem(error: Exception) -> Problem:
    text = str(error).lower()
    match error:
        case RefusedAddress():
            return Problem.REFUSED_ADDRESS
        case httpx.TimeoutException():
            return Problem.TIMEOUT
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return Problem.BAD_URL
        case httpx.ConnectError() if "host not found" in text:
            return Problem.HOST_NOT_FOUND
        case httpx.ConnectError() if "certificate" in text or "ssl" in text or "tls" in text:
            return Problem.TLS
    return Problem.CONNECTION
