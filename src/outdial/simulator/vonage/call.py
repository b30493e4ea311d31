"""One phone's part in a Vonage call, from dialling to its last event."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from outdial.simulator.callees import Reaction
from outdial.simulator.calls import Call, Direction, Notification
from outdial.simulator.far_end import far_end
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.line import Line
from outdial.simulator.network import Network
from outdial.simulator.vonage import events
from outdial.simulator.vonage.applications import Application
from outdial.simulator.vonage.audio import LegAudio
from outdial.simulator.vonage.legs import Leg, LegStatus, digits, new_conversation
from outdial.simulator.vonage.ncco import AdvancedDetection, Ncco
from outdial.simulator.vonage.webhooks import Callbacks, NoAnswer, Webhook
from outdial.simulator.waiting import run_until

logger = logging.getLogger(__name__)

USER, PLATFORM = "user", "platform"
NETWORK_GIVES_UP_S = 90  # ringing longer than this ends as unanswered, not as timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Standard detection neither waits nor listens for a beep; the advanced modes differ in both."""

    waits: bool = False  # the NCCO runs when it is decided who answered
    beep: bool = False   # a machine's beep is reported, too
    hang_up: bool = False
    beep_timeout_s: int = 45


def detection(standard: str | None, advanced: AdvancedDetection | None) -> Detection | None:
    """The advanced one wins."""
    if advanced is not None:
        return Detection(
            waits=advanced.mode != "default",
            beep=advanced.mode != "detect",
            hang_up=advanced.behavior == "hangup",
            beep_timeout_s=advanced.beep_timeout,
        )
    return Detection(hang_up=standard == "hangup") if standard else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the customer asked for with the call."""

    answer: Webhook | Ncco | None = None
    event: Webhook | None = None
    asks: bool = False  # when nobody answers, the reply to that event counts
    ring_timeout_s: int = 60
    time_limit_s: int = 7200
    send_digits: str = ""
    detection: Detection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    status: LegStatus
    sip_code: int | None = None
    detail: str = ""
    by: str = ""

    def facts(self) -> dict[str, Any]:
        """Those that its event tells."""
        facts = {"detail": self.detail, "sip_code": self.sip_code, "disconnected_by": self.by}
        return {name: value for name, value in facts.items() if value}


INVALID_NUMBER = Ending(status=LegStatus.REJECTED, detail="invalid_number", by=PLATFORM)
NO_ROUTE = Ending(status=LegStatus.FAILED, sip_code=404, detail="cannot_route", by=PLATFORM)
CARRIER_TIMEOUT = Ending(status=LegStatus.UNANSWERED, sip_code=480, detail="carrier_timeout", by=USER)
NOT_REACHED = {
    Reaction.NO_SUCH_NUMBER: Ending(
        status=LegStatus.FAILED, sip_code=404, detail="number_out_of_service", by=PLATFORM
    ),
    Reaction.BUSY: Ending(status=LegStatus.BUSY, sip_code=486, by=USER),
    Reaction.DECLINES: Ending(status=LegStatus.REJECTED, sip_code=603, detail="declined", by=USER),
    Reaction.RINGS_OUT: Ending(status=LegStatus.TIMEOUT),
    Reaction.UNREACHABLE: Ending(status=LegStatus.UNANSWERED, sip_code=480, detail="unavailable", by=USER),
}

Converse = Callable[["PhoneLeg"], Awaitable[None]]


class WebSocketLeg(Protocol):
    """A websocket that is connected to a phone."""

    leg: Leg

    def hang_up(self) -> None: ...


class PhoneLeg:
    """`converse` is what happens after the answer; when it returns, the call ends."""

    def __init__(
        self,
        network: Network,
        application: Application,
        leg: Leg,
        call: Call,
        wishes: Wishes,
        callbacks: Callbacks,
        *,
        converse: Converse,
        on_end: Callable[[], None],
    ) -> None:
        self.application = application  # also when it has been deleted since
        self.network = network
        self.leg = leg
        self.call = call
        self.wishes = wishes
        self.callbacks = callbacks
        self.far_end = far_end(network, call, carrier="vonage")
        self.audio = LegAudio()
        self.line: Line | None = None  # once answered
        self.dialled = asyncio.Event()
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.first_callback: asyncio.Task[None] | None = None
        self.redirected: asyncio.Future[Webhook | Ncco] = asyncio.get_running_loop().create_future()
        self.listening: Callable[[str], None] | None = None  # a DTMF listener set through REST
        self.unreported: dict[str, Any] | None = None  # the last event, left to whoever asks
        self.sound: asyncio.Task[None] | None = None  # started through REST
        self._converse = converse
        self._on_end = on_end
        self._over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._limit: asyncio.TimerHandle | None = None

    # -- what others may do to a call

    def end(self, ending: Ending) -> None:
        """The call is over from now on; the first reason counts."""
        if not self._over.done():
            self._over.set_result(ending)

    def hang_up(self, by: str = PLATFORM) -> None:
        """`by` is USER for the phone itself."""
        if self.answered.is_set():
            self.end(Ending(status=LegStatus.COMPLETED, sip_code=200, by=by))
        elif self.call.direction is Direction.INBOUND and by != USER:
            self.end(Ending(status=LegStatus.REJECTED, sip_code=603, by=by))
        else:
            self.end(Ending(status=LegStatus.CANCELLED, by=by))

    def redirect(self, source: Webhook | Ncco) -> None:
        """Move to a conversation of its own and run another NCCO there."""
        if self.redirected.done():
            return
        self.move(new_conversation())
        self.redirected.set_result(source)

    def move(self, conversation_uuid: str) -> None:
        before, self.leg.conversation_uuid = self.leg.conversation_uuid, conversation_uuid
        self.post(events.OTHER, events.transferred(self.leg, self.now(), before=before))

    def post(
        self, name: str, body: dict[str, Any], webhook: Webhook | None = None
    ) -> asyncio.Task[None] | None:
        """Report an event to `webhook`, or to where the call's events go."""
        return self.callbacks.post(name, webhook or self.wishes.event, body)

    async def ask(self, webhook: Webhook, body: dict[str, Any], kind: str, *, name: str = "") -> bytes | None:
        """The reply, of the fallback if need be; None without one. `name`: as in faults.Fault.callbacks."""
        try:
            return await self.callbacks.ask(webhook, body, kind, name=name)
        except NoAnswer as exc:
            self.note(f"No usable reply: {exc}", webhook.url)
            return None

    def complain(self, reason: str, url: str = "") -> None:
        """Send an error event."""
        self.note(reason, url)
        self.post(events.OTHER, events.error(self.leg, self.now(), reason))

    def note(self, message: str, url: str = "") -> None:
        logger.info("Call notification recorded", extra={"call_uuid": self.leg.uuid})
        self.call.notifications.append(Notification(code=0, message=message, at=self.now(), request_url=url))

    def strikes(self, kind: FaultKind) -> Fault | None:
        call = self.call
        return self.network.faults.strike(kind, account=call.account, numbers=(call.to, call.from_))

    def now(self) -> datetime:
        return self.network.clock.now()

    @property
    def phone_line(self) -> Line:
        """The line of an answered call; actions run on no other."""
        assert self.line is not None
        return self.line

    @property
    def over(self) -> bool:
        """Decided to end; the last event may still be to come."""
        return self._over.done()

    # -- its life

    async def live(self) -> None:
        """Dial, ring, converse, until one side ends it. Cancelled when the simulator closes."""
        try:
            await run_until(self._dial_and_talk(), self._over)
        except Exception:
            logger.exception("Simulated call failed", extra={"call_uuid": self.leg.uuid})
            self.end(Ending(status=LegStatus.COMPLETED, by=PLATFORM) if self.answered.is_set() else NO_ROUTE)
        finally:
            self._finish()

    async def _dial_and_talk(self) -> None:
        inbound = self.call.direction is Direction.INBOUND
        if not await (self._arrive() if inbound else self._reach()):
            return
        self.line = await self.far_end.line(on_hang_up=lambda: self.hang_up(USER))
        self.line.peer = self.audio
        if not inbound:
            self.pick_up()
        await self._converse(self)
        self.hang_up()

    async def _arrive(self) -> bool:
        """A call from outside rings until an NCCO answers it."""
        self.call.dialled_at = self.now()
        self._progress(LegStatus.STARTED)
        self._progress(LegStatus.RINGING)
        return True

    async def _reach(self) -> bool:
        """Dial and let it ring; whether somebody answers."""
        self.call.dialled_at = self.now()
        self.first_callback = self._progress(LegStatus.STARTED)
        self.dialled.set()
        number = digits(self.call.to)
        if number.startswith("0") or len(number) < 8:
            self.end(INVALID_NUMBER)
            return False
        patience_s = min(self.wishes.ring_timeout_s, NETWORK_GIVES_UP_S)
        reaction = await self.far_end.ring(patience_s, lambda: self._progress(LegStatus.RINGING))
        if reaction is Reaction.ANSWERS:
            return True
        gave_up = reaction is Reaction.RINGS_OUT and patience_s < self.wishes.ring_timeout_s
        self.end(CARRIER_TIMEOUT if gave_up else NOT_REACHED[reaction])
        return False

    def pick_up(self) -> None:
        """The call is answered; an inbound call when its NCCO is there."""
        if self.answered.is_set():
            return
        self.call.answered_at = self.leg.answered_at = self.now()
        self._progress(LegStatus.ANSWERED)
        self.network.pacer.add(self.phone_line)
        self._limit = asyncio.get_running_loop().call_later(self.wishes.time_limit_s, self.hang_up)
        self.answered.set()

    def _progress(self, status: LegStatus) -> asyncio.Task[None] | None:
        self._set_status(status)
        make = events.answered if status is LegStatus.ANSWERED else events.progress
        return self.post(events.name_of(status), make(self.leg, self.now()))

    def _finish(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        if self.line is not None:
            self.call.heard_digits = self.line.phone.heard_digits
            self.network.pacer.remove(self.line)
        self.hang_up()
        ending = self._over.result()
        self.call.ended_at = self.leg.ended_at = self.now()
        self.call.sip_code = ending.sip_code
        self.leg.detail = ending.detail
        self._set_status(ending.status)
        if ending.status is LegStatus.COMPLETED:
            body = events.completed(self.leg, self.now(), disconnected_by=ending.by)
        else:
            body = events.progress(self.leg, self.now(), **ending.facts())
        if self.wishes.asks and ending.status not in (LegStatus.COMPLETED, LegStatus.CANCELLED):
            self.unreported = body
        else:
            self.post(events.ENDED, body)
        self.far_end.release()
        self._on_end()
        self.ended.set()

    def _set_status(self, status: LegStatus) -> None:
        self.leg.status = status
        self.call.status = status.call_status
        self.call.updated_at = self.now()
