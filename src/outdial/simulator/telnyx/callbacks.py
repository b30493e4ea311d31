"""Telnyx's callbacks ("webhooks"): signed JSON, tried again with back-off, then at the failover URL."""

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from outdial.simulator.callback_queue import CallbackQueue
from outdial.simulator.calls import Direction
from outdial.simulator.faults import TRANSFER
from outdial.simulator.network import Network
from outdial.simulator.telnyx.ids import new_uuid
from outdial.simulator.telnyx.leg import Event, Leg, stamp
from outdial.simulator.telnyx.signature import Signer

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0  # unless the application has webhook_timeout_secs
KEPT_DELIVERIES = 1000
MAX_SHOWN_BODY = 1000

# What faults call the events; any other goes by its own name.
FAULT_NAMES = {
    "call.initiated": "initiated",
    "call.answered": "answered",
    "call.hangup": "completed",
    "streaming.started": "stream",
    "streaming.stopped": "stream",
    "streaming.failed": "stream",
    "call.machine.detection.ended": "amd",
    "call.machine.greeting.ended": "amd",
    "call.machine.premium.detection.ended": "amd",
    "call.machine.premium.greeting.ended": "amd",
}


@dataclass(slots=True, kw_only=True)
class Attempt:
    url: str
    headers: dict[str, str]
    started_at: datetime
    finished_at: datetime
    status: int | None  # None without a reply
    body: str


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """One event on its way; `/webhook_deliveries` shows the finished ones."""

    event: dict[str, Any]
    started_at: datetime
    id: str = field(default_factory=new_uuid)
    attempts: list[Attempt] = field(default_factory=list)
    delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Courier:
    """Delivers the events of all of an account's legs."""

    network: Network
    signer: Signer
    retry_delays_s: tuple[float, ...]
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=KEPT_DELIVERIES))

    async def deliver(self, event: dict[str, Any], leg: Leg) -> None:
        application, name = leg.application, event["event_type"]
        url = leg.hooks.urls.get(name) or leg.hooks.url or application.webhook_event_url
        policy = leg.hooks.retries_ms.get(name)
        delays_s = self.retry_delays_s if policy is None else tuple(ms / 1000 for ms in policy)
        timeout_s = application.webhook_timeout_s or TIMEOUT_S
        delivery = Delivery(event=event, started_at=self.network.clock.now())
        for target in filter(None, (url, application.webhook_event_failover_url)):
            if await self._try(delivery, target, delays_s, timeout_s):
                break
        else:
            logger.warning("Callback not delivered", extra={"event": name})
        self.deliveries.append(delivery)

    async def _try(
        self, delivery: Delivery, url: str, delays_s: tuple[float, ...], timeout_s: float
    ) -> bool:
        for delay_s in (0.0, *delays_s):
            await asyncio.sleep(delay_s)
            status = await self._post(delivery, url, timeout_s)
            if status is not None and 200 <= status < 300:
                delivery.delivered = True
                return True
            if status is not None and status < 500 and status not in (408, 429):
                return False  # refused for good
        return False

    async def _post(self, delivery: Delivery, url: str, timeout_s: float) -> int | None:
        """The status of the reply; None without one."""
        now = self.network.clock.now
        meta = {"attempt": len(delivery.attempts) + 1, "delivered_to": url}
        body = json.dumps({"data": delivery.event, "meta": meta}, separators=(",", ":")).encode()
        started_at = now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "telnyx-webhooks",
            **self.signer.headers(body, int(started_at.timestamp())),
        }
        status, text = None, ""
        try:
            async with asyncio.timeout(timeout_s):
                response = await self.network.http.post(url, content=body, headers=headers, timeout=timeout_s)
                status, text = response.status_code, response.text[:MAX_SHOWN_BODY]
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            text = type(exc).__name__
        delivery.attempts.append(
            Attempt(
                url=url, headers=headers, started_at=started_at, finished_at=now(), status=status, body=text
            )
        )
        return status


class Callbacks:
    """One leg's events."""

    def __init__(self, courier: Courier, leg: Leg) -> None:
        call = leg.call
        self._courier = courier
        self._leg = leg
        self._queue = CallbackQueue(courier.network, account=call.account, numbers=(call.to, call.from_))

    def post(self, event_type: str, **payload: Any) -> asyncio.Task[None] | None:
        """Send an event with the leg's ids and `payload`; returns at once."""
        leg = self._leg
        now = self._courier.network.clock.now()
        event = {
            "record_type": "event",
            "event_type": event_type,
            "id": new_uuid(),  # the same when it is repeated or tried again
            "occurred_at": stamp(now),
            "payload": {**leg.ids(), **payload},
        }
        leg.record(Event(name=event_type, type="webhook", at=now, metadata=event))
        if leg.application.webhook_api_version != "2":
            return None
        name = FAULT_NAMES.get(event_type, event_type)
        if event_type == "call.hangup" and leg.call.direction is Direction.OUTBOUND_DIAL:
            name = TRANSFER
        return self._queue.post(name, lambda: self._courier.deliver(event, leg))
