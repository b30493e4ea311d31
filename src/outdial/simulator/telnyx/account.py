"""One simulated Telnyx account: its key, applications, profiles, numbers, its calls and their limits."""

import asyncio
import hmac
from collections import deque
from typing import Any

from outdial.simulator.calls import KEPT_CALLS, Call, Direction, Subscriber
from outdial.simulator.carrier import CannotCallIn
from outdial.simulator.network import Network
from outdial.simulator.telnyx import errors, ids
from outdial.simulator.telnyx.call import TelnyxCall
from outdial.simulator.telnyx.callbacks import Courier
from outdial.simulator.telnyx.config import TelnyxConfig
from outdial.simulator.telnyx.destinations import countries_of
from outdial.simulator.telnyx.inventory import Application, Number, OutboundVoiceProfile
from outdial.simulator.telnyx.leg import Leg
from outdial.simulator.telnyx.parameters import Dial, Hooks
from outdial.simulator.telnyx.party import Shared
from outdial.simulator.telnyx.signature import Signer

DIALS_WINDOW_S = 5


class TelnyxAccount:
    name = "telnyx"

    def __init__(self, network: Network, config: TelnyxConfig) -> None:
        now = network.clock.now()
        self.network = network
        self.config = config
        self.courier = Courier(
            network=network, signer=Signer(config.private_key), retry_delays_s=config.retry_delays_s
        )
        self.profiles = {
            config.outbound_voice_profile_id: OutboundVoiceProfile(
                id=config.outbound_voice_profile_id, name="Default", created_at=now, updated_at=now
            )
        }
        self.applications = {
            config.connection_id: Application(
                id=config.connection_id,
                name="simulator",
                webhook_event_url=config.webhook_event_url,
                webhook_api_version="2",
                outbound_voice_profile_id=config.outbound_voice_profile_id,
                created_at=now,
                updated_at=now,
            )
        }
        self.numbers: dict[str, Number] = {}
        for phone_number in config.numbers:
            id_ = ids.resource_id()
            self.numbers[id_] = Number(id=id_, phone_number=phone_number, created_at=now, updated_at=now)
        self.verified_numbers = dict.fromkeys(config.verified_numbers, now)
        self.live: dict[str, TelnyxCall] = {}
        self.legs: dict[str, Leg] = {}  # the newest, by call_control_id
        self._shared = Shared(network=network, config=config, courier=self.courier)
        self._dials: deque[float] = deque()

    @property
    def account_id(self) -> str:
        return self.config.user_id

    def about(self) -> dict[str, Any]:
        return {
            "user_id": self.account_id,
            "public_key": self.courier.signer.public_key,
            "connection_id": self.config.connection_id,
            "outbound_voice_profile_id": self.config.outbound_voice_profile_id,
            "numbers": [number.phone_number for number in self.numbers.values()],
            "verified_numbers": list(self.verified_numbers),
            "credentials": {
                "api_key": self.config.api_key,
                "public_key": self.courier.signer.public_key,
                "connection_id": self.config.connection_id,
            },
        }

    def admits(self, api_key: str) -> bool:
        return hmac.compare_digest(api_key.encode(), self.config.api_key.encode())

    def number_at(self, phone_number: str) -> Number | None:
        return next((n for n in self.numbers.values() if n.phone_number == phone_number), None)

    # -- calls

    def leg(self, call_control_id: str) -> Leg:
        """Raises ApiError 90015 for one that never was, or ended long ago."""
        leg = self.legs.get(call_control_id)
        if leg is None:
            raise errors.unknown_call()
        ended_at = leg.call.ended_at
        if ended_at and (self.network.clock.now() - ended_at).total_seconds() > self.config.status_kept_s:
            raise errors.unknown_call()
        return leg

    def prepare(self, application: Application, dial: Dial, *, session_id: str = "") -> TelnyxCall:
        """A new outbound leg; nothing is dialled before `start`. Raises ApiError when a limit is reached."""
        self._check_channels(application)
        self._check_pace()
        direction = Direction.OUTBOUND_DIAL if session_id else Direction.OUTBOUND_API
        callee = self.network.subscriber_at(dial.to)
        call = self._call(to=dial.to, from_=dial.from_, direction=direction, callee=callee)
        leg = self._leg(call, application, dial.hooks, dial.client_state, session_id)
        return self._live(leg, dial, self._refusal(application, dial))

    def start(self, live: TelnyxCall) -> asyncio.Task[None]:
        return self.network.start(live.live())

    def call_in(self, to: str, *, from_: str, callee: Subscriber) -> Call | None:
        number = self.number_at(to)
        if number is None:
            return None
        application = self.applications.get(number.connection_id or "")
        if application is None:
            raise CannotCallIn("this number is not connected to an application")
        if application.webhook_api_version != "2":
            raise CannotCallIn("this number's application has webhook_api_version 1, which is not simulated")
        call = self._call(to=to, from_=from_, direction=Direction.INBOUND, callee=callee)
        self.start(self._live(self._leg(call, application, Hooks(), "", ""), None, ""))
        return call

    def _live(self, leg: Leg, dial: Dial | None, refusal: str) -> TelnyxCall:
        id_ = leg.call.id

        def forget() -> None:
            self.live.pop(id_, None)

        self.live[id_] = live = TelnyxCall(self._shared, leg, dial, refusal=refusal, on_end=forget)
        return live

    def _call(self, *, to: str, from_: str, direction: Direction, callee: Subscriber) -> Call:
        now = self.network.clock.now()
        call = Call(
            id=ids.call_control_id(),
            account=self.account_id,
            to=to,
            from_=from_,
            direction=direction,
            callee=callee,
            created_at=now,
            updated_at=now,
        )
        self.network.book.add(call)
        return call

    def _leg(
        self, call: Call, application: Application, hooks: Hooks, client_state: str, session_id: str
    ) -> Leg:
        leg = Leg(
            call=call,
            leg_id=ids.new_uuid(),
            session_id=session_id or ids.new_uuid(),
            application=application,
            client_state=client_state,
            hooks=hooks,
        )
        self.legs[call.id] = leg
        if len(self.legs) > KEPT_CALLS:
            oldest = next(id_ for id_, old in self.legs.items() if old.call.ended_at or id_ == call.id)
            del self.legs[oldest]
        return leg

    def _check_pace(self) -> None:
        """Counts the dial that is about to be made."""
        limit = self.config.dials_per_second * DIALS_WINDOW_S
        now = asyncio.get_running_loop().time()
        while self._dials and self._dials[0] <= now - DIALS_WINDOW_S:
            self._dials.popleft()
        if limit and len(self._dials) >= limit:
            raise errors.dials_per_second()
        self._dials.append(now)

    def _check_channels(self, application: Application) -> None:
        profile = self.profiles.get(application.outbound_voice_profile_id)
        outgoing = [live.leg for live in self.live.values() if not live.leg.incoming]
        of_application = [leg for leg in outgoing if leg.application is application]
        of_profile = [
            leg
            for leg in outgoing
            if leg.application.outbound_voice_profile_id == application.outbound_voice_profile_id
        ]
        for code, of, used, limit in (
            ("90041", "account", len(self.live), self.config.channel_limit),
            ("90042", "outbound profile", len(of_profile), profile.concurrent_call_limit if profile else None),
            ("90043", "connection", len(of_application), application.outbound_channel_limit),
        ):
            if limit is not None and used >= limit:
                raise errors.channel_limit(code, of)

    def _refusal(self, application: Application, dial: Dial) -> str:
        """Why the network refuses the call after it was accepted, with Telnyx's SIP code; "" when it doesn't."""
        profile = self.profiles.get(application.outbound_voice_profile_id)
        if profile is None:
            return "D38: the application has no outbound voice profile"
        if not profile.enabled:
            return "The outbound voice profile is disabled"
        if self.number_at(dial.from_) is None and dial.from_ not in self.verified_numbers:
            return "D51: the account neither owns nor has verified the caller number"
        if not countries_of(dial.to) & set(profile.whitelisted_destinations):
            return "The destination is not among the profile's whitelisted_destinations"
        return ""
