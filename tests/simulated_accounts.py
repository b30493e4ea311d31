"""An account at every carrier, in the simulator, without a socket: what is connected there is really connected."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import httpx

from outdial.carriers.name import CarrierName
from outdial.carriers.numbers import NumberControl
from outdial.carriers.telnyx.account import TelnyxAccount, TelnyxCredentials
from outdial.carriers.telnyx.numbers import TelnyxNumbers
from outdial.carriers.twilio.account import TwilioAccount, TwilioCredentials
from outdial.carriers.twilio.numbers import TwilioNumbers
from outdial.carriers.vonage.account import VonageAccount, VonageCredentials
from outdial.carriers.vonage.numbers import VonageNumbers
from outdial.simulator.server import SimulatorApp, SimulatorConfig, create_app
from outdial.simulator.telnyx.config import TelnyxConfig
from outdial.simulator.vonage.account import VonageConfig

URL = "https://voice.example"  # this server's, as carriers are told
FIRST, SECOND = "+15550000009", "+15550000010"  # numbers of every account; they never meet
VERIFIED = "+15550000019"                       # only a verified caller ID (of Twilio's)


class SimulatedAccounts:
    """`open` is a Connector's open_number_control. `down`: no carrier can be reached.

    All carriers are one simulator, but for the URLs in `regions`, which have one each. `asked` has the URLs opened.
    `more`: numbers that every account has besides.
    """

    def __init__(self, *more: str) -> None:
        numbers = (FIRST, SECOND, *more)
        self.simulated = SimulatorConfig(
            numbers=numbers,
            caller_ids=(VERIFIED,),
            vonage=VonageConfig(numbers=numbers),
            telnyx=TelnyxConfig(numbers=numbers),
        )
        self.regions: dict[str, SimulatorApp] = {}
        self.asked: list[str] = []
        self.config = SimulatorConfig()
        self.down = False
        self.opened = self.closed = 0

    @cached_property
    def app(self) -> SimulatorApp:
        """Made when it is asked for: most tests of the API ask no carrier."""
        return create_app(self.simulated)

    @cached_property
    def credentials(self) -> Mapping[CarrierName, dict[str, str]]:
        config = self.config
        return {
            CarrierName("twilio"): {"account_sid": config.account_sid, "auth_token": config.auth_token},
            CarrierName("vonage"): {
                "api_key": config.vonage.api_key,
                "api_secret": config.vonage.api_secret,
                "signature_secret": config.vonage.signature_secret,
            },
            CarrierName("telnyx"): {
                "api_key": config.telnyx.api_key,
                "public_key": self.app.telnyx.courier.signer.public_key,
            },
        }

    def open(self, carrier: CarrierName, credentials: Mapping[str, str], url: str) -> NumberControl:
        transport = Wire(self, self.regions.get(url, self.app))
        self.asked.append(url)
        self.opened += 1
        at: dict[str, Any] = {"base_url": "http://simulator", "transport": transport}
        match carrier:
            case "twilio":
                return TwilioNumbers(TwilioAccount(TwilioCredentials(**credentials), **at))
            case "vonage":
                return VonageNumbers(VonageAccount(VonageCredentials(**credentials), **at))
            case "telnyx":
                return TelnyxNumbers(TelnyxAccount(TelnyxCredentials(**credentials), **at))

    async def answered_by(self, carrier: CarrierName, number: str, credentials: Mapping[str, str]) -> str:
        """What the carrier's own books say answers a number."""
        client = self.open(carrier, credentials, "http://simulator")
        try:
            there = "https://elsewhere.example"
            return (await client.connection(number, inbound_url=f"{there}/in", callback_url=there)).answered_by
        finally:
            await client.aclose()


class Wire(httpx.AsyncBaseTransport):
    def __init__(self, accounts: SimulatedAccounts, app: SimulatorApp) -> None:
        self._accounts = accounts
        self._transport = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._accounts.down:
            raise httpx.ConnectError("down", request=request)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        self._accounts.closed += 1
