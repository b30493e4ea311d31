"""The accounts of a simulator that runs beside this server: what to connect their numbers with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS


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
    return [
        SimulatedAccount(
            carrier=carrier,
            numbers=tuple(about[carrier]["numbers"]),
            credentials=about[carrier]["credentials"],
            base_url=simulator_url,
        )
        for carrier in CARRIERS
        if carrier in about
    ]
