"""Callbacks: signed requests to the customer's URLs, with Twilio's retries and time-outs, and our faults.

Sources: twilio.com/docs/usage/webhooks/webhooks-connection-overrides, usage/security
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx

from outdial.simulator.callback_queue import CallbackQueue
from outdial.simulator.faults import TRANSFER
from outdial.simulator.network import Network
from outdial.simulator.twilio.signature import sign

logger = logging.getLogger(__name__)

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a URL is asked; a fragment like `#rc=3&rp=5xx,rt&ct=2000&rt=5000&tt=15000` overrides the defaults."""

    retries: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})  # ct: no connection, rt: no answer in time, 4xx, 5xx
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 15.0
    total_timeout_s: float = 15.0


def rules(url: str) -> Rules:
    """Values that are out of range or not numbers count as not given."""
    given = dict(parse_qsl(urlsplit(url).fragment))

    def number(name: str, low: int, high: int, default: float) -> float:
        text = given.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and low <= int(text[:9]) <= high else default

    words = frozenset(given.get("rp", "ct").split(","))
    return Rules(
        retries=int(number("rc", 0, 5, 1)),
        retry_on=frozenset({"ct", "rt", "4xx", "5xx"}) if "all" in words else words,
        connect_timeout_s=number("ct", 100, 10_000, 5000) / 1000,
        read_timeout_s=number("rt", 100, 15_000, 15_000) / 1000,
        total_timeout_s=number("tt", 100, 15_000, 15_000) / 1000,
    )


async def ask(
    http: httpx.AsyncClient, auth_token: str, url: str, method: str, form: Form, token: str
) -> httpx.Response:
    """Send one signed request, retried as the URL says.

    Raises httpx.HTTPError, httpx.InvalidURL or TimeoutError without an answer.
    """
    rule = rules(url)
    parts = urlsplit(url)
    target = urlunsplit((*parts[:4], ""))
    if method == "GET":
        target = urlunsplit((*parts[:3], "&".join(filter(None, (parts.query, urlencode(form)))), ""))
    headers = {
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
        "X-Twilio-Signature": sign(auth_token, target, () if method == "GET" else form.items()),
        "I-Twilio-Idempotency-Token": token,
    }
    content = None
    if method != "GET":
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        content = urlencode(form).encode()
    timeout = httpx.Timeout(rule.read_timeout_s, connect=rule.connect_timeout_s)
    async with asyncio.timeout(rule.total_timeout_s):
        for left in range(rule.retries, -1, -1):
            try:
                response = await http.request(
                    method, target, content=content, headers=headers, timeout=timeout
                )
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if not left or "ct" not in rule.retry_on:
                    raise
            except httpx.TimeoutException:
                if not left or "rt" not in rule.retry_on:
                    raise
            else:
                if not left or f"{response.status_code // 100}xx" not in rule.retry_on:
                    return response
    raise AssertionError  # the last round returns or raises


class Callbacks:
    """One call's callbacks, and the documents it asks for."""

    def __init__(self, network: Network, *, account: str, auth_token: str, numbers: tuple[str, ...]) -> None:
        self._http = network.http
        self._auth_token = auth_token
        self._queue = CallbackQueue(network, account=account, numbers=numbers)

    def post(self, name: str, url: str, method: str, form: Form) -> asyncio.Task[None] | None:
        """Send the callback `name` (see faults.Fault.callbacks); returns at once."""
        if not url:
            return None
        token = str(uuid.uuid4())  # the same when it is repeated
        return self._queue.post(name, lambda: self._send(url, method, form, token))

    async def ask(self, url: str, method: str, form: Form) -> httpx.Response:
        """Ask for a document; see `ask`. Goes out after the callbacks posted before."""
        await self._queue.settled()
        if "DialCallStatus" in form and self._queue.is_lost(TRANSFER):
            raise httpx.ConnectError("lost")
        return await ask(self._http, self._auth_token, url, method, form, str(uuid.uuid4()))

    def sign(self, url: str) -> str:
        return sign(self._auth_token, url)

    async def _send(self, url: str, method: str, form: Form, token: str) -> None:
        try:
            response = await ask(self._http, self._auth_token, url, method, form, token)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            logger.warning("Callback not delivered", extra={"reason": type(exc).__name__})
        else:
            if response.status_code >= 400:
                logger.warning("Callback refused by customer", extra={"status": response.status_code})
