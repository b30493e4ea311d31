"""What strangers send to a call that is up, on each carrier: nothing of it is believed, and the genuine thing is."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from end_to_end.world import CALLEE, TALKATIVE, Story, World
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.telnyx.signature import Signer as TelnyxSigner
from outdial.simulator.twilio.signature import sign as twilio_signature
from outdial.simulator.vonage import tokens
from outdial.simulator.vonage.webhooks import Signer as VonageSigner

SILENT = CALLEE + "11"
HOUR_S = 3600


class Sender(ABC):
    """Makes callbacks of one call, as its carrier would and otherwise. `id` is the carrier's of the call."""

    type = "application/json"

    def __init__(self, world: World, id_: str) -> None:
        self.world = world
        self.id = id_

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the carrier was told to send them."""

    @abstractmethod
    def ended(self) -> bytes:
        """A callback that says that the call is over; each one is another."""

    @abstractmethod
    def signed(self, body: bytes, *, age_s: int = 0) -> dict[str, str]:
        """Headers of a genuine callback, made so long ago."""

    @abstractmethod
    def forged(self, body: bytes) -> dict[str, str]:
        """The same with a key of one's own."""


class TwilioSender(Sender):
    type = "application/x-www-form-urlencoded"

    @property
    def url(self) -> str:
        return self.world.simulator.account.live[self.id].wishes.status_callback.url

    def ended(self) -> bytes:
        return urlencode(self._form).encode()

    def signed(self, body: bytes, *, age_s: int = 0) -> dict[str, str]:
        return {"X-Twilio-Signature": twilio_signature(self.world.config.auth_token, self.url, self._form.items())}

    def forged(self, body: bytes) -> dict[str, str]:
        return {"X-Twilio-Signature": twilio_signature("another token", self.url, self._form.items())}

    @property
    def _form(self) -> dict[str, str]:
        return {
            "AccountSid": self.world.config.account_sid,
            "CallSid": self.id,
            "CallStatus": "completed",
            "CallDuration": "1",
        }


class VonageSender(Sender):
    @property
    def url(self) -> str:
        return self.world.simulator.vonage.live[self.id].wishes.event.url

    def ended(self) -> bytes:
        now = datetime.now(UTC).isoformat()
        return json.dumps(
            {"uuid": self.id, "status": "completed", "timestamp": now, "end_time": now, "duration": "1"}
        ).encode()

    def signed(self, body: bytes, *, age_s: int = 0) -> dict[str, str]:
        signer = self._signer
        if not age_s:
            return {"Authorization": signer.bearer(body)}
        token = signer.bearer(body).removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        claims["iat"] -= age_s
        return {"Authorization": f"Bearer {tokens.sign(claims, signer.secret)}"}

    def forged(self, body: bytes) -> dict[str, str]:
        signer = self._signer
        other = VonageSigner(api_key=signer.api_key, secret="another secret", application_id=signer.application_id)
        return {"Authorization": other.bearer(body)}

    @property
    def _signer(self) -> VonageSigner:
        account = self.world.simulator.vonage
        return account.signer(account.live[self.id].application)


class TelnyxSender(Sender):
    @property
    def url(self) -> str:
        return self.world.simulator.telnyx.leg(self.id).hooks.url

    def ended(self) -> bytes:
        payload = {"call_control_id": self.id, "hangup_cause": "normal_clearing", "hangup_source": "callee"}
        data = {
            "record_type": "event",
            "id": str(uuid4()),
            "event_type": "call.hangup",
            "occurred_at": datetime.now(UTC).isoformat(),
            "payload": payload,
        }
        return json.dumps({"data": data}).encode()

    def signed(self, body: bytes, *, age_s: int = 0) -> dict[str, str]:
        signer = self.world.simulator.telnyx.courier.signer
        return signer.headers(body, int(time.time()) - age_s)

    def forged(self, body: bytes) -> dict[str, str]:
        return TelnyxSigner().headers(body, int(time.time()))


SENDERS: dict[CarrierName, type[Sender]] = {
    CarrierName("twilio"): TwilioSender,
    CarrierName("vonage"): VonageSender,
    CarrierName("telnyx"): TelnyxSender,
}
TIMED = [CarrierName("vonage"), CarrierName("telnyx")]  # who signs the time, too


class Calls:
    def __init__(self) -> None:
        self.refused: dict[CarrierName, dict[str, int]] = {}
        self.handshakes: dict[CarrierName, int] = {}
        self.before: dict[CarrierName, dict[str, Any]] = {}
        self.after: dict[CarrierName, dict[str, Any]] = {}
        self.genuine: dict[CarrierName, tuple[int, int]] = {}  # the first time, and again
        self.elsewhere: dict[CarrierName, tuple[int, dict[str, Any]]] = {}  # sent again to another call's URL
        self.stories: dict[CarrierName, Story] = {}


async def play(world: World) -> Calls:
    calls = Calls()
    await asyncio.gather(*(_play_on(world, calls, carrier) for carrier in CARRIERS))
    return calls


async def _play_on(world: World, calls: Calls, carrier: CarrierName) -> None:
    customer = await world.customer(TALKATIVE, carrier=carrier)
    call_id, other_id = await customer.place(SILENT), await customer.place(SILENT)
    await asyncio.gather(customer.until(call_id, "in_progress"), customer.until(other_id, "in_progress"))
    calls.before[carrier] = before = await customer.get(call_id)
    sender = SENDERS[carrier](world, before["attempts"][0]["carrier_call_id"])
    url = sender.url
    async with httpx.AsyncClient(trust_env=False) as http:

        async def post(body: bytes, headers: dict[str, str]) -> int:
            response = await http.post(url, content=body, headers={"Content-Type": sender.type, **headers})
            return response.status_code

        body = sender.ended()
        genuine = sender.signed(body)
        calls.refused[carrier] = refused = {
            "unsigned": await post(body, {}),
            "garbage": await post(body, dict.fromkeys(genuine, "AAAA")),
            "another key": await post(body, sender.forged(body)),
            "another body": await post(body.replace(b"completed", b"busy").replace(b"normal", b"other"), genuine),
        }
        if carrier in TIMED:
            refused["an hour old"] = await post(body, sender.signed(body, age_s=HOUR_S))
            refused["of the future"] = await post(body, sender.signed(body, age_s=-HOUR_S))
        stream = world.base_url.replace("http", "ws") + f"/media/{carrier}/{_attempt(url)}/{'x' * 43}"
        calls.handshakes[carrier] = await _handshake(stream)
        await world.settle()
        calls.after[carrier] = await customer.get(call_id)
        calls.genuine[carrier] = await post(body, genuine), await post(body, genuine)
        other = (await customer.get(other_id))["attempts"][0]["carrier_call_id"]
        url = SENDERS[carrier](world, other).url
        status = await post(body, genuine)
        await world.settle()
        calls.elsewhere[carrier] = status, await customer.get(other_id)
    calls.stories[carrier] = await customer.follow(call_id)
    await customer.hang_up(other_id)
    await customer.follow(other_id)


def _attempt(url: str) -> str:
    return next(part for part in url.split("/") if part.startswith("att_"))


async def _handshake(url: str) -> int:
    try:
        async with connect(url, proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_the_carrier_did_not_sign_is_refused(outcome: Calls, carrier: CarrierName):
    assert set(outcome.refused[carrier].values()) == {403}
    assert ("an hour old" in outcome.refused[carrier]) == (carrier in TIMED)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_strangers_change_nothing(outcome: Calls, carrier: CarrierName):
    before, after = outcome.before[carrier], outcome.after[carrier]
    assert after["state"] == "in_progress"
    assert [attempt["state"] for attempt in after["attempts"]] == [attempt["state"] for attempt in before["attempts"]]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_no_audio_connection_without_its_token(outcome: Calls, carrier: CarrierName):
    assert outcome.handshakes[carrier] in (403, 404)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_genuine_callback_ends_the_call_once(outcome: Calls, carrier: CarrierName):
    assert all(200 <= status < 300 for status in outcome.genuine[carrier])
    story = outcome.stories[carrier]
    assert (story.end, story.states.count("ended")) == ("completed", 1)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_genuine_callback_sent_to_another_call_changes_nothing(outcome: Calls, carrier: CarrierName):
    """Not every carrier signs the URL; what the callback says about whose it is decides."""
    status, other = outcome.elsewhere[carrier]
    assert status == 403 if carrier not in TIMED else 200 <= status < 300
    assert other["state"] == "in_progress"
