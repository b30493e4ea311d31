"""The accounts of a simulator that runs beside this server: what to connect their numbers with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from outdial.carriers.base import CarrierName
from outdial.simulator.server import SimulatorConfig

SIMULATED = SimulatorConfig()  # the accounts that a simulator has when nobody asks for others


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAccount:
    """The account a running simulator has at one carrier. Its credentials are published, and nobody's secrets."""

    carrier: CarrierName
    numbers: tuple[str, ...]
    credentials: Mapping[str, str]
    base_url: str


async def simulated_accounts(simulator_url: str, *, timeout_s: float = 5.0) -> list[SimulatedAccount]:
    """Of every carrier; two have a key pair that is made anew whenever a simulator starts.

    Raises httpx.HTTPError when there is no simulator.
    """
    async with httpx.AsyncClient(trust_env=False, timeout=timeout_s) as http:
        about: dict[str, dict[str, Any]] = (await http.get(f"{simulator_url}/_simulator")).raise_for_status().json()
    vonage, telnyx = SIMULATED.vonage, SIMULATED.telnyx
    credentials = {
        CarrierName.TWILIO: {"account_sid": SIMULATED.account_sid, "auth_token": SIMULATED.auth_token},
        CarrierName.VONAGE: {
            "api_key": vonage.api_key,
            "api_secret": vonage.api_secret,
            "signature_secret": vonage.signature_secret,
            "application_id": vonage.application_id,
            "private_key": about["vonage"]["private_key"],
        },
        CarrierName.TELNYX: {
            "api_key": telnyx.api_key,
            "public_key": about["telnyx"]["public_key"],
            "connection_id": telnyx.connection_id,
        },
    }
    return [
        SimulatedAccount(
            carrier=carrier,
            numbers=tuple(about[carrier]["numbers"]),
            credentials=credentials[carrier],
            base_url=simulator_url,
        )
        for carrier in credentials
    ]
