"""One simulated Twilio account: credentials, numbers, its calls, its calls per second."""

import asyncio
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outdial.simulator.calls import Call, Direction, Subscriber
from outdial.simulator.carrier import CannotCallIn
from outdial.simulator.network import Network
from outdial.simulator.twilio import verbs
from outdial.simulator.twilio.call import Document, Shared, StatusCallback, TwilioCall, Wishes
from outdial.simulator.twilio.config import TwilioConfig
from outdial.simulator.twilio.ids import new_sid


@dataclass(slots=True, kw_only=True, eq=False)
class Number:
    """A phone number the account owns, and what Twilio does when it is called."""

    sid: str
    phone_number: str
    friendly_name: str
    created_at: datetime
    updated_at: datetime
    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    voice_application_sid: str | None = None
    trunk_sid: str | None = None


class TwilioAccount:
    name = "twilio"

    def __init__(self, network: Network, config: TwilioConfig) -> None:
        self.network = network
        self.sid = config.account_sid
        self.created_at = network.clock.now()
        self.numbers: dict[str, Number] = {}
        self.caller_ids = {new_sid("PN"): number for number in config.caller_ids}
        self._shared = Shared(network=network, auth_token=config.auth_token)
        self._secrets = {**config.api_keys, config.account_sid: config.auth_token}
        self._interval_s = 1 / config.calls_per_second if config.calls_per_second else 0.0
        self._next_dial_at = 0.0
        for number in config.numbers:
            self.add_number(number)

    @property
    def account_id(self) -> str:
        return self.sid

    def about(self) -> dict[str, Any]:
        return {
            "account_sid": self.sid,
            "numbers": [number.phone_number for number in self.numbers.values()],
            "caller_ids": list(self.caller_ids.values()),
            "credentials": {"account_sid": self.sid, "auth_token": self._shared.auth_token},
        }

    def admits(self, username: str, password: str) -> bool:
        secret = self._secrets.get(username, "")
        return bool(secret) and hmac.compare_digest(secret.encode(), password.encode())

    def add_number(self, phone_number: str) -> Number:
        now = self.network.clock.now()
        number = Number(
            sid=new_sid("PN"),
            phone_number=phone_number,
            friendly_name=phone_number,
            created_at=now,
            updated_at=now,
        )
        self.numbers[number.sid] = number
        return number

    def number_at(self, phone_number: str) -> Number | None:
        return next((n for n in self.numbers.values() if n.phone_number == phone_number), None)

    def may_call_from(self, phone_number: str) -> bool:
        return self.number_at(phone_number) is not None or phone_number in self.caller_ids.values()

    # -- calls

    @property
    def live(self) -> dict[str, TwilioCall]:
        """Calls that haven't ended."""
        return self._shared.live

    def prepare(self, *, to: str, from_: str, wishes: Wishes) -> TwilioCall:
        """A call in the book, with its place in the queue; nothing is dialled before `start`."""
        call = self._call(to=to, from_=from_, direction=Direction.OUTBOUND_API, callee=self.network.subscriber_at(to))
        live = TwilioCall(self._shared, call, wishes, verbs.converse)
        now = asyncio.get_running_loop().time()
        dial_at = max(now, self._next_dial_at)
        self._next_dial_at = dial_at + self._interval_s
        live.queue_s = dial_at - now
        call.queue_ms = round(live.queue_s * 1000)
        return live

    def start(self, live: TwilioCall) -> None:
        self.network.start(live.live())

    def call_in(self, to: str, *, from_: str, callee: Subscriber) -> Call | None:
        number = self.number_at(to)
        if number is None:
            return None
        if not number.voice_url or number.voice_application_sid or number.trunk_sid:
            raise CannotCallIn("this number has no VoiceUrl that takes effect")
        call = self._call(to=number.phone_number, from_=from_, direction=Direction.INBOUND, callee=callee)
        wishes = Wishes(
            document=Document(
                url=number.voice_url,
                method=number.voice_method,
                fallback_url=number.voice_fallback_url,
                fallback_method=number.voice_fallback_method,
            ),
            status_callback=StatusCallback(url=number.status_callback, method=number.status_callback_method),
        )
        live = TwilioCall(self._shared, call, wishes, verbs.converse)
        self.start(live)
        return call

    def calls(self) -> list[Call]:
        """Newest first."""
        return [call for call in self.network.book.newest_first() if call.account == self.sid]

    def call(self, sid: str) -> Call | None:
        call = self.network.book.get(sid)
        return call if call is not None and call.account == self.sid else None

    def _call(self, *, to: str, from_: str, direction: Direction, callee: Subscriber) -> Call:
        now = self.network.clock.now()
        call = Call(
            id=new_sid("CA"),
            account=self.sid,
            to=to,
            from_=from_,
            direction=direction,
            callee=callee,
            created_at=now,
            updated_at=now,
        )
        self.network.book.add(call)
        return call
