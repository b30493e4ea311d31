"""Requests to the customer: signed, repeated and diverted to the fallback as Vonage does.

Sources: developer.vonage.com/en/voice/voice-api/webhook-reference, /guides/troubleshooting,
/en/getting-started/concepts/webhooks (signed webhooks)
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx

from outdial.simulator.callback_queue import CallbackQueue
from outdial.simulator.network import Network
from outdial.simulator.vonage import tokens
from outdial.simulator.vonage.legs import new_uuid

logger = logging.getLogger(__name__)

Payload = Mapping[str, Any]

ATTEMPTS = 2                          # at an answer URL, and again at the fallback
TRIED_AGAIN = frozenset({429, 503, 504})
EVENT_ATTEMPTS = 3                    # after a 5xx; Vonage publishes neither number nor spacing
MAX_REPLY_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    url: str
    method: str = "POST"
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Makes the bearer tokens of an application's callbacks and websockets."""

    api_key: str
    secret: str
    application_id: str

    def bearer(self, body: bytes | None = None) -> str:
        claims = {
            "iat": int(time.time()),
            "jti": new_uuid(),
            "iss": "Vonage",
            "api_key": self.api_key,
            "application_id": self.application_id,
        }
        if body is not None:
            claims["payload_hash"] = hashlib.sha256(body).hexdigest()
        return f"Bearer {tokens.sign(claims, self.secret)}"


class NoAnswer(Exception):
    """Neither a URL nor its fallback gave a usable reply; the text says why, in Vonage's words."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Callbacks:
    """One call's. Without `signer` they are unsigned: the application doesn't want them signed."""

    network: Network
    signer: Signer | None
    queue: CallbackQueue
    fallback: Webhook | None
    retry_delay_s: float

    def post(self, name: str, webhook: Webhook | None, payload: Payload) -> asyncio.Task[None] | None:
        """Report an event; `name` as in faults.Fault.callbacks. Returns at once."""
        if webhook is None:
            return None
        return self.queue.post(name, lambda: self._report(webhook, payload))

    async def ask(self, webhook: Webhook, payload: Payload, kind: str, *, name: str = "") -> bytes:
        """The reply to an answer request (`kind` answer) or to an event that may be answered with an NCCO (event).

        Goes out after the events posted before. `name`: as in faults.Fault.callbacks, of one that may get lost. Raises
        NoAnswer.
        """
        await self.queue.settled()
        if name and self.queue.is_lost(name):
            raise NoAnswer("Connection closed.")
        try:
            return await self._try(webhook, payload)
        except NoAnswer as exc:
            if self.fallback is None:
                raise
            reason = str(exc)
        original = {"url": webhook.url, "type": kind}
        return await self._try(self.fallback, {**payload, "reason": reason, "original_request": original})

    async def _try(self, webhook: Webhook, payload: Payload) -> bytes:
        reason = ""
        for _ in range(ATTEMPTS):
            try:
                response = await self._request(webhook, payload)
            except (httpx.TimeoutException, TimeoutError):
                reason = "Timeout."
            except (httpx.HTTPError, httpx.InvalidURL):
                reason = "Connection closed."
            else:
                if response.is_success and len(response.content) <= MAX_REPLY_BYTES:
                    return response.content
                reason = f"HTTP status {response.status_code}."
                if response.status_code not in TRIED_AGAIN:
                    break
        raise NoAnswer(reason)

    async def _report(self, webhook: Webhook, payload: Payload) -> None:
        for attempt in range(EVENT_ATTEMPTS):
            if attempt:
                await asyncio.sleep(self.retry_delay_s * 2 ** (attempt - 1))
            try:
                response = await self._request(webhook, payload)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
                logger.warning("Callback not delivered", extra={"reason": type(exc).__name__})
                return
            if response.status_code < 400:
                return
            logger.warning("Callback refused by customer", extra={"status": response.status_code})
            if response.status_code < 500:
                return

    async def _request(self, webhook: Webhook, payload: Payload) -> httpx.Response:
        """Raises httpx.HTTPError, httpx.InvalidURL or TimeoutError without a reply."""
        headers = {"User-Agent": "Vonage/1.0", "Accept": "application/json"}
        url, body = webhook.url, None
        if webhook.method == "GET":
            url = _with_query(url, payload)
        else:
            body = json.dumps(payload, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        if self.signer is not None:
            headers["Authorization"] = self.signer.bearer(body)
        timeout = httpx.Timeout(webhook.read_timeout_s, connect=webhook.connect_timeout_s)
        async with asyncio.timeout(webhook.connect_timeout_s + webhook.read_timeout_s):
            return await self.network.http.request(
                webhook.method, url, content=body, headers=headers, timeout=timeout
            )


def _with_query(url: str, payload: Payload) -> str:
    fields = {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in payload.items()
        if value is not None
    }
    parts = urlsplit(url)
    return urlunsplit((*parts[:3], "&".join(filter(None, (parts.query, urlencode(fields)))), ""))
