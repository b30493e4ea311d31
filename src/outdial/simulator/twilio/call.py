"""One Twilio call from dialling to its last callback."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import httpx

from outdial.simulator.callees import Reaction
from outdial.simulator.calls import UNANSWERED, Call, Direction, Notification, Status
from outdial.simulator.detection import Tuning
from outdial.simulator.far_end import far_end
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.line import Line
from outdial.simulator.network import Network
from outdial.simulator.twilio import errors
from outdial.simulator.twilio.callbacks import Callbacks
from outdial.simulator.waiting import run_until

logger = logging.getLogger(__name__)

API_VERSION = "2010-04-01"
MAX_DOCUMENT_BYTES = 64 * 1024
EVENTS = ("initiated", "ringing", "answered", "completed")
GEOGRAPHY = ("City", "State", "Zip", "Country")


class DocumentUnavailable(Exception):
    """The customer's server gave no TwiML, at the URL and at the fallback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Where TwiML comes from: the text itself, or a URL to ask (with a fallback)."""

    twiml: str = ""
    url: str = ""
    method: str = "POST"
    fallback_url: str = ""
    fallback_method: str = "POST"
    facts: Mapping[str, str] = field(default_factory=dict)  # told to the URL with the call's own fields


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCallback:
    url: str = ""
    method: str = "POST"
    events: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    tuning: Tuning
    in_parallel: bool = False  # AsyncAmd: TwiML runs at once, the verdict goes to `url`
    url: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the customer asked for with the call."""

    document: Document = field(default_factory=Document)
    status_callback: StatusCallback = field(default_factory=StatusCallback)
    ring_timeout_s: int = 60
    time_limit_s: int = 14_400
    send_digits: str = ""
    detection: Detection | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shared:
    """What all calls of an account share; `live` holds those that haven't ended, by their sid."""

    network: Network
    auth_token: str
    live: dict[str, "TwilioCall"] = field(default_factory=dict)
    rooms: dict[str, Any] = field(default_factory=dict)  # conferences, by name: see conference.Room


Converse = Callable[["TwilioCall"], Awaitable[None]]


class TwilioCall:
    """`converse` is what happens after the answer; when it returns, the call ends."""

    def __init__(self, shared: Shared, call: Call, wishes: Wishes, converse: Converse) -> None:
        shared.live[call.id] = self
        self.shared = shared
        self.network = shared.network
        self.call = call
        self.wishes = wishes
        self.queue_s = 0.0             # wait before dialling: the account's calls per second
        self.far_end = far_end(shared.network, call, carrier="twilio")
        self.line: Line | None = None  # once answered
        self.dialled = asyncio.Event()
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.first_callback: asyncio.Task[None] | None = None
        self.redirected: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        self.callbacks = Callbacks(
            self.network,
            account=call.account,
            auth_token=shared.auth_token,
            numbers=(call.to, call.from_),
        )
        self._converse = converse
        self._over: asyncio.Future[tuple[Status, int]] = asyncio.get_running_loop().create_future()
        self._limit: asyncio.TimerHandle | None = None
        self._callbacks_sent = 0

    # -- what others may do to a call

    def end(self, status: Status, sip_code: int = 200) -> None:
        """The call is over from now on; the first reason counts."""
        if not self._over.done():
            self._over.set_result((status, sip_code))

    def hang_up(self) -> None:
        """Either side hung up, or the customer did through REST."""
        if self.call.answered_at is None:
            self.end(Status.CANCELED, 487)
        else:
            self.end(Status.COMPLETED)

    def redirect(self, document: Document) -> None:
        """Replace the TwiML that runs."""
        if not self.redirected.done():
            self.redirected.set_result(document)

    def listen_at(self, status_callback: StatusCallback) -> None:
        self.wishes = replace(self.wishes, status_callback=status_callback)

    def limit(self, seconds: int) -> None:
        """A new time limit, counted from the answer or from now."""
        self.wishes = replace(self.wishes, time_limit_s=seconds)
        if self._limit is not None:
            self._limit.cancel()
            self._limit = asyncio.get_running_loop().call_later(seconds, self.end, Status.COMPLETED)

    def note(self, code: int, message: str, *, url: str = "", warning: bool = False) -> None:
        """Record a notification, as Twilio's debugger would show it."""
        logger.info("Call notification recorded", extra={"call_sid": self.call.id, "code": code})
        self.call.notifications.append(
            Notification(code=code, message=message, at=self._now(), request_url=url, warning=warning)
        )

    async def fetch(self, document: Document, **extra: str) -> str:
        """The text of a document. Raises DocumentUnavailable after noting why."""
        extra = {**document.facts, **extra}
        if not document.url:
            return document.twiml
        try:
            return await self._fetch(document.url, document.method, extra)
        except DocumentUnavailable:
            if not document.fallback_url:
                raise
        return await self._fetch(
            document.fallback_url,
            document.fallback_method,
            {**extra, "ErrorCode": str(errors.HTTP_RETRIEVAL_FAILURE), "ErrorUrl": document.url},
        )

    def identity(self) -> dict[str, str]:
        """The fields of every voice request."""
        call = self.call
        form = {
            "AccountSid": call.account,
            "ApiVersion": API_VERSION,
            "CallSid": call.id,
            "From": call.from_,
            "To": call.to,
            "Caller": call.from_,
            "Called": call.to,
            "Direction": call.direction,
        }
        for party in ("From", "To", "Caller", "Called"):
            for fact in GEOGRAPHY:
                form[party + fact] = "US" if fact == "Country" and form[party].startswith("+1") else ""
        form["CallStatus"] = call.status
        if call.parent_id:
            form["ParentCallSid"] = call.parent_id
        return form

    def strikes(self, kind: FaultKind) -> Fault | None:
        call = self.call
        return self.network.faults.strike(kind, account=call.account, numbers=(call.to, call.from_))

    @property
    def phone_line(self) -> Line:
        """The line of an answered call; verbs run on no other."""
        assert self.line is not None
        return self.line

    @property
    def over(self) -> bool:
        """Decided to end; the last callback may still be to come."""
        return self._over.done()

    # -- its life

    async def live(self) -> None:
        """Dial, ring, converse, until one side ends it. Cancelled when the simulator closes."""
        try:
            await run_until(self._dial_and_talk(), self._over)
        except Exception:
            logger.exception("Simulated call failed", extra={"call_sid": self.call.id})
            self.end(Status.COMPLETED if self.answered.is_set() else Status.FAILED, 500)
        finally:
            self._finish()

    async def _dial_and_talk(self) -> None:
        inbound = self.call.direction is Direction.INBOUND
        if inbound:
            self.call.dialled_at = self._now()
            self.call.status = Status.RINGING
        elif not await self._reach():
            return
        self.line = await self.far_end.line(on_hang_up=self.hang_up)
        if not inbound:
            self.pick_up()
        await self._converse(self)
        self.end(Status.COMPLETED)

    async def _reach(self) -> bool:
        """Dial and let it ring; whether somebody answers."""
        call = self.call
        await asyncio.sleep(self.queue_s)
        call.dialled_at = self._now()
        self.first_callback = self._progress(Status.INITIATED, "initiated")
        self.dialled.set()
        reaction = await self.far_end.ring(
            self.wishes.ring_timeout_s, lambda: self._progress(Status.RINGING, "ringing")
        )
        if reaction is not Reaction.ANSWERS:
            self.end(*UNANSWERED[reaction])
            return False
        return True

    def pick_up(self) -> None:
        """The call is answered; an inbound call when its TwiML says so."""
        assert self.line is not None
        if self.answered.is_set():
            return
        self.call.answered_at = self._now()
        self._progress(Status.IN_PROGRESS, "answered")
        self.network.pacer.add(self.line)
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(self.wishes.time_limit_s, self.end, Status.COMPLETED)
        self.answered.set()

    def _finish(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        if self.line is not None:
            self.call.heard_digits = self.line.phone.heard_digits
            self.network.pacer.remove(self.line)
        self.end(Status.COMPLETED if self.answered.is_set() else Status.CANCELED, 487)
        status, sip_code = self._over.result()
        self.call.ended_at = self._now()
        self.call.sip_code = sip_code
        seconds = self.call.duration_s
        self._progress(
            status,
            "completed",
            CallDuration=str(seconds),
            Duration=str(math.ceil(seconds / 60)),
            SipResponseCode=str(sip_code),
        )
        self.far_end.release()
        self.shared.live.pop(self.call.id, None)
        self.ended.set()

    def _progress(self, status: Status, event: str, **facts: str) -> asyncio.Task[None] | None:
        call, wanted = self.call, self.wishes.status_callback
        call.status = status
        call.updated_at = self._now()
        if event not in wanted.events or not wanted.url:
            return None
        form = {
            **self.identity(),
            "Timestamp": format_datetime(call.updated_at),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._callbacks_sent),
            **facts,
        }
        self._callbacks_sent += 1
        return self.callbacks.post(event, wanted.url, wanted.method, form)

    async def _fetch(self, url: str, method: str, extra: dict[str, str]) -> str:
        try:
            response = await self.callbacks.ask(url, method, {**self.identity(), **extra})
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            self.note(errors.HTTP_RETRIEVAL_FAILURE, f"No answer: {type(exc).__name__}", url=url)
            raise DocumentUnavailable from exc
        if response.status_code >= 400 or len(response.content) > MAX_DOCUMENT_BYTES:
            self.note(errors.HTTP_RETRIEVAL_FAILURE, f"HTTP status {response.status_code}", url=url)
            raise DocumentUnavailable
        return response.text

    def _now(self) -> datetime:
        return self.network.clock.now()
