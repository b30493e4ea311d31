"""The server is killed while it has somebody asked to take a callee: neither phone is left up, on any carrier."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from conformance.test_warm_transfers import ASKS
from end_to_end.process import Server
from end_to_end.world import CALLEE, PATIENCE_S, World, connect_customer
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db.engine import create_engine, put_away
from outdial.simulator.calls import Call, Status
from outdial.simulator.server import Simulator, serve
from outdial.workspaces.secrets import SecretBox

SECRET_KEY = "a key for tests"
SILENT = CALLEE + "11"
ENDS_WITHIN_S = 90.0  # of the server's return, which takes over what it held


class Calls:
    def __init__(self) -> None:
        self.legs: dict[CarrierName, list[Call]] = {}    # the callee's and the other's, at the carrier
        self.told: dict[CarrierName, dict[str, Any]] = {}
        self.used_lines = 0


async def play(world: World) -> Calls:
    calls = Calls()
    database_url = world.new_database()
    config = replace(world.config, pace=1.0, ring_s=0.3, setup_s=0.1)
    numbers = {"twilio": config.numbers, "vonage": config.vonage.numbers, "telnyx": config.telnyx.numbers}
    async with (
        serve(config) as simulator,
        Server.up(world.folder / "asking", database_url, SECRET_KEY) as server,
    ):
        engine = create_engine(database_url)
        customers = {
            carrier: await connect_customer(
                engine,
                SecretBox(SECRET_KEY),
                server.base_url,
                carrier_url=simulator.base_url,
                config=config,
                number=numbers[carrier][0],
                script=ASKS.replace("wait_s: 6", "wait_s: 60"),
                lines=2,
                carrier=carrier,
                telnyx_public_key=simulator.telnyx.courier.signer.public_key,
            )
            for carrier in CARRIERS
        }
        try:
            placed = {
                carrier: await customer.place(SILENT, variables={"desk": SILENT}, amd=False)
                for carrier, customer in customers.items()
            }
            for carrier, customer in customers.items():
                calls.legs[carrier] = await _both_up(simulator, customer.number)
            await server.kill()
            await server.start()
            await _all_over(calls)
            for carrier, customer in customers.items():
                await customer.follow(placed[carrier])
                calls.told[carrier] = await _told(customer, placed[carrier])
                calls.used_lines += await customer.used_lines()
        finally:
            await asyncio.gather(*(customer.http.aclose() for customer in customers.values()))
            await put_away(engine)
    return calls


async def _both_up(simulator: Simulator, number: str) -> list[Call]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            legs = [call for call in simulator.network.book.newest_first() if call.from_ == number]
            if len(legs) == 2 and all(call.status is Status.IN_PROGRESS for call in legs):
                return legs
            await asyncio.sleep(0.1)


async def _all_over(calls: Calls) -> None:
    give_up_at = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < give_up_at:
        if all(leg.status.final for legs in calls.legs.values() for leg in legs):
            return
        await asyncio.sleep(0.2)


async def _told(customer: Any, call_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            call = await customer.get(call_id)
            if call["transfers"][0]["result"] is not None:
                return call
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_neither_phone_is_left_up(outcome: Calls, carrier: CarrierName):
    assert [leg.status.final for leg in outcome.legs[carrier]] == [True, True]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_record_says_that_the_call_was_interrupted(outcome: Calls, carrier: CarrierName):
    call = outcome.told[carrier]
    assert (call["end_reason"], call["error"]["code"]) == ("failed", "interrupted")
    [transfer] = call["transfers"]
    assert transfer["result"] in ("no_answer", "declined"), "nobody took it"


def test_every_line_is_given_back(outcome: Calls):
    assert outcome.used_lines == 0
