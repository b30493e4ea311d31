"""One simulated Vonage account: credentials, applications, numbers, its calls, its limits a second."""

import asyncio
import hmac
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from outdial.simulator.callback_queue import CallbackQueue
from outdial.simulator.calls import Call, Direction, Status, Subscriber
from outdial.simulator.carrier import CannotCallIn
from outdial.simulator.network import Network
from outdial.simulator.vonage import tokens
from outdial.simulator.vonage.applications import Application, signed_by_default
from outdial.simulator.vonage.call import Converse, PhoneLeg, WebSocketLeg, Wishes
from outdial.simulator.vonage.conferences import Conferences
from outdial.simulator.vonage.config import VonageConfig
from outdial.simulator.vonage.legs import Leg, Legs, digits, new_conversation, new_uuid
from outdial.simulator.vonage.webhooks import Callbacks, Signer

KEPT_RECORDINGS = 50


@dataclass(slots=True, kw_only=True, eq=False)
class Number:
    msisdn: str  # without +
    country: str = "US"
    app_id: str = ""
    callback_type: str = ""  # sip, tel: these win over the application
    callback_value: str = ""


@dataclass(slots=True, eq=False)
class RollingSecond:
    limit: int  # 0: none
    _times: deque[float] = field(default_factory=deque)

    def admits(self, now: float) -> bool:
        """Whether one more is within the limit; counts it if so."""
        while self._times and self._times[0] <= now - 1:
            self._times.popleft()
        if self.limit and len(self._times) >= self.limit:
            return False
        self._times.append(now)
        return True


ConverseAt = Callable[["VonageAccount", PhoneLeg], Awaitable[None]]


class VonageAccount:
    name = "vonage"

    def __init__(self, network: Network, config: VonageConfig, converse: ConverseAt) -> None:
        """`converse` is what a call does after the answer."""
        self.network = network
        self.config = config
        self.private_key, public_key = tokens.process_key_pair()
        if config.private_key:
            self.private_key, public_key = config.private_key, tokens.public_part(config.private_key)
        first = signed_by_default(public_key, config.application_id)
        self.applications: dict[str, Application] = {first.id: first}
        self.numbers = {digits(number): Number(msisdn=digits(number)) for number in config.numbers}
        self.legs = Legs(network.book)
        self.conferences = Conferences()
        self.recordings: dict[str, bytes] = {}  # WAV files by id
        self.region_url = ""  # where the customer has reached us
        self.new_calls = RollingSecond(config.calls_per_second)
        self.requests = RollingSecond(config.requests_per_second)
        self.sockets: dict[str, WebSocketLeg] = {}  # that are up, by uuid
        self._converse = converse
        self.live: dict[str, PhoneLeg] = {}  # phone legs that haven't ended, by uuid

    @property
    def account_id(self) -> str:
        return self.config.api_key

    def about(self) -> dict[str, Any]:
        return {
            "api_key": self.config.api_key,
            "application_id": self.config.application_id,
            "private_key": self.private_key,
            "numbers": [f"+{number}" for number in self.numbers],
            "credentials": {
                "api_key": self.config.api_key,
                "api_secret": self.config.api_secret,
                "signature_secret": self.config.signature_secret,
                "application_id": self.config.application_id,
                "private_key": self.private_key,
            },
        }

    def admits(self, api_key: str, api_secret: str) -> bool:
        config = self.config
        return hmac.compare_digest(api_key.encode(), config.api_key.encode()) and hmac.compare_digest(
            api_secret.encode(), config.api_secret.encode()
        )

    def public_key(self, application_id: str) -> str | None:
        application = self.applications.get(application_id)
        return application.public_key if application is not None else None

    def may_dial(self) -> bool:
        """Whether a new call is within the account's calls per second; counts it if so."""
        return self.new_calls.admits(asyncio.get_running_loop().time())

    def keep_recording(self, wav: bytes) -> str:
        """The id under which it can be downloaded."""
        id_ = new_uuid()
        self.recordings[id_] = wav
        while len(self.recordings) > KEPT_RECORDINGS:
            del self.recordings[next(iter(self.recordings))]
        return id_

    # -- calls

    def place(
        self,
        *,
        to: str,
        from_: str,
        application: Application,
        wishes: Wishes,
        converse: Converse | None = None,
        parent: PhoneLeg | None = None,
    ) -> PhoneLeg:
        """A call in the books; nothing is dialled before `start`. Numbers are E.164.

        A call that an NCCO connects joins its `parent`'s conversation.
        """
        return self._leg(
            to=to,
            from_=from_,
            direction=Direction.OUTBOUND_DIAL if parent else Direction.OUTBOUND_API,
            callee=self.network.subscriber_at(to),
            application=application,
            wishes=wishes,
            converse=converse,
            parent=parent,
        )

    async def converse(self, live: PhoneLeg) -> None:
        """What a call does after the answer."""
        await self._converse(self, live)

    def start(self, live: PhoneLeg) -> asyncio.Task[None]:
        return self.network.start(live.live())

    def call_in(self, to: str, *, from_: str, callee: Subscriber) -> Call | None:
        number = self.numbers.get(digits(to))
        if number is None:
            return None
        application = self.applications.get(number.app_id)
        answer = application.webhook("answer_url") if application is not None else None
        if application is None or answer is None or number.callback_type in ("sip", "tel"):
            raise CannotCallIn("this number is linked to no application with an answer_url")
        wishes = Wishes(answer=answer, event=application.webhook("event_url"))
        live = self._leg(
            to=to, from_=from_, direction=Direction.INBOUND, callee=callee, application=application, wishes=wishes
        )
        self.start(live)
        return live.call

    def _leg(
        self,
        *,
        to: str,
        from_: str,
        direction: Direction,
        callee: Subscriber,
        application: Application,
        wishes: Wishes,
        converse: Converse | None = None,
        parent: PhoneLeg | None = None,
    ) -> PhoneLeg:
        now = self.network.clock.now()
        call = Call(
            id=new_uuid(),
            account=self.account_id,
            to=to,
            from_=from_,
            direction=direction,
            callee=callee,
            created_at=now,
            updated_at=now,
            status=Status.QUEUED,
            parent_id=parent.call.id if parent else None,
        )
        leg = Leg(
            uuid=call.id,
            call_id=call.id,
            conversation_uuid=parent.leg.conversation_uuid if parent else new_conversation(),
            application_id=application.id,
            to={"type": "phone", "number": digits(to)},
            from_={"type": "phone", "number": digits(from_)},
            direction="inbound" if direction is Direction.INBOUND else "outbound",
            created_at=now,
        )
        self.network.book.add(call)
        self.legs.add(leg)
        callbacks = Callbacks(
            network=self.network,
            signer=self._signer(application),
            queue=CallbackQueue(self.network, account=self.account_id, numbers=(to, from_)),
            fallback=application.webhook("fallback_answer_url"),
            retry_delay_s=self.config.event_retry_delay_s,
        )

        def forget() -> None:
            self.live.pop(leg.uuid, None)

        self.live[leg.uuid] = live = PhoneLeg(
            self.network,
            application,
            leg,
            call,
            wishes,
            callbacks,
            converse=converse or self.converse,
            on_end=forget,
        )
        return live

    def _signer(self, application: Application) -> Signer | None:
        return self.signer(application) if application.signed_callbacks else None

    def signer(self, application: Application) -> Signer:
        return Signer(
            api_key=self.config.api_key, secret=self.config.signature_secret, application_id=application.id
        )
