"""Each carrier out of reach for a while, and back: one dial, the true end, and every line given back."""

import asyncio

import httpx
import pytest

from conformance.gate import Gate
from end_to_end.world import HUMAN, SHORT, TALKATIVE, Customer, Story, World
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import Simulator, serve


class Calls:
    def __init__(self) -> None:
        self.placed: dict[CarrierName, Story] = {}     # while the carrier was out of reach
        self.talking: dict[CarrierName, Story] = {}    # when it began to be, and it lost its books
        self.used_lines: dict[CarrierName, int] = {}
        self.dials: dict[CarrierName, list[int]] = {}


async def play(world: World) -> Calls:
    calls = Calls()
    async with serve(world.config) as simulator:
        gate = Gate(simulator.base_url)
        await gate.open()
        at = {"simulator": simulator, "carrier_url": gate.url}
        talking = {carrier: await world.customer(TALKATIVE, carrier=carrier, **at) for carrier in CARRIERS}
        placing = {carrier: await world.customer(SHORT, carrier=carrier, **at) for carrier in CARRIERS}
        simulator.network.faults.add(Fault(kind=FaultKind.CALLBACK_LOST, callbacks=frozenset({"completed"})))
        on_the_line = {carrier: await customer.place(HUMAN) for carrier, customer in talking.items()}
        await asyncio.gather(*(talking[carrier].until(on_the_line[carrier], "in_progress") for carrier in CARRIERS))
        await asyncio.sleep(1)
        dials = {carrier: [len(world.dials(talking[carrier], simulator))] for carrier in CARRIERS}
        await gate.shut()
        await _forget(simulator)
        simulator.network.faults.clear()
        waiting = {carrier: await customer.place(HUMAN) for carrier, customer in placing.items()}
        await asyncio.gather(*(_deferred(placing[carrier], waiting[carrier]) for carrier in CARRIERS))
        await gate.open()
        for carrier in CARRIERS:
            calls.talking[carrier] = await talking[carrier].follow(on_the_line[carrier])
            calls.placed[carrier] = await placing[carrier].follow(waiting[carrier])
            dials[carrier] += [len(world.dials(side[carrier], simulator)) for side in (talking, placing)]
            calls.used_lines[carrier] = await talking[carrier].used_lines() + await placing[carrier].used_lines()
        calls.dials = dials
        await gate.shut()
    return calls


async def _forget(simulator: Simulator) -> None:
    """Its calls end, and it knows nothing of them any more."""
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.delete(f"{simulator.base_url}/_simulator/calls")


async def _deferred(customer: Customer, call_id: str) -> None:
    """Until it is told that the call will be tried later."""
    async for _, data in customer.events(call_id):
        if data.get("next_attempt_at"):
            return


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_call_waits_for_its_carrier(outcome: Calls, carrier: CarrierName):
    story = outcome.placed[carrier]
    assert story.states[:3] == ["queued", "dialing", "queued"]
    assert (story.end, story.call["error"]) == ("completed", None)
    assert "this is a test call. Goodbye." in story.said("agent")


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_conversation_ends_with_a_carrier_that_forgot_it(outcome: Calls, carrier: CarrierName):
    story = outcome.talking[carrier]
    assert (story.states[-1], story.end) == ("ended", "completed")
    assert story.call["recording_url"]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_each_is_dialled_once_and_gives_its_line_back(outcome: Calls, carrier: CarrierName):
    """The books are empty from the moment the carrier forgot them."""
    assert outcome.dials[carrier] == [1, 0, 1]
    assert outcome.used_lines[carrier] == 0
