"""Each carrier when it can't be asked how a call is, knows nothing of it any more, or takes no dial: calls come to an
end all the same, and give their lines back."""

import asyncio
from typing import Any

import pytest

from end_to_end.world import CALLEE, PATIENCE_S, Customer, Story, World
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.calls import Call, Status
from outdial.simulator.faults import FaultKind

RINGS_OUT, HUMAN = CALLEE + "04", CALLEE + "00"
LOOK_UP_ERROR: dict[FaultKind, dict[str, Any]] = {FaultKind.LOOK_UP_ERROR: {}}
HUNG_UP = {  # while the phone rings
    "look-ups fail": LOOK_UP_ERROR,
    "hang-ups fail at first": LOOK_UP_ERROR | {FaultKind.HANG_UP_ERROR: {"count": 2, "delay_s": 1.0}},
    "forgotten": {FaultKind.FORGOTTEN: {}, FaultKind.CALLBACK_LOST: {}},
}
REFUSED = {
    "an error for every dial": FaultKind.ERROR_BEFORE_DIALLING,
    "another address for every dial": FaultKind.REDIRECTED,
}
RING_S = 30   # of the calls that are hung up; all that come to their end by themselves have the least
LEAST_RING_S = 5
LASTS_S = 60

every_carrier = pytest.mark.parametrize("carrier", CARRIERS)


class Calls:
    def __init__(self) -> None:
        self.stories: dict[tuple[str, CarrierName], Story] = {}
        self.phones: dict[tuple[str, CarrierName], Call] = {}
        self.dials: dict[tuple[str, CarrierName], int] = {}
        self.used_lines: dict[tuple[str, CarrierName], int] = {}


async def play(world: World) -> Calls:
    calls = Calls()
    await asyncio.gather(*(_play_on(world, calls, carrier) for carrier in CARRIERS))
    return calls


async def _play_on(world: World, calls: Calls, carrier: CarrierName) -> None:
    async with asyncio.TaskGroup() as tasks:
        for name in HUNG_UP:
            tasks.create_task(_hung_up(world, calls, carrier, name))
        for name in REFUSED:
            tasks.create_task(_refused(world, calls, carrier, name))
        tasks.create_task(_forgotten(world, calls, carrier))
        tasks.create_task(_comes_in_and_is_forgotten(world, calls, carrier))


async def _hung_up(world: World, calls: Calls, carrier: CarrierName, name: str) -> None:
    customer = await world.customer(carrier=carrier)
    call_id = await customer.place(RINGS_OUT, ring_timeout_s=RING_S)
    phone = calls.phones[name, carrier] = await _ringing(world, customer)
    for kind, details in HUNG_UP[name].items():
        world.fault(customer, kind, **details)
    await customer.hang_up(call_id)
    await _end(calls, carrier, name, customer, call_id)
    if FaultKind.FORGOTTEN not in HUNG_UP[name]:
        async with asyncio.timeout(PATIENCE_S):
            while not phone.status.final:  # noqa: ASYNC110 - the simulator has no event for it
                await asyncio.sleep(0.05)


async def _refused(world: World, calls: Calls, carrier: CarrierName, name: str) -> None:
    customer = await world.customer(carrier=carrier)
    world.fault(customer, REFUSED[name])
    await _end(calls, carrier, name, customer, await customer.place(HUMAN))
    calls.dials[name, carrier] = len(world.dials(customer))


async def _forgotten(world: World, calls: Calls, carrier: CarrierName) -> None:
    """Nobody asks for its end."""
    customer = await world.customer(carrier=carrier)
    call_id = await customer.place(RINGS_OUT, ring_timeout_s=LEAST_RING_S)
    await _ringing(world, customer)
    world.fault(customer, FaultKind.CALLBACK_LOST)
    world.fault(customer, FaultKind.FORGOTTEN)
    await _end(calls, carrier, "nobody asks", customer, call_id)


async def _comes_in_and_is_forgotten(world: World, calls: Calls, carrier: CarrierName) -> None:
    customer = await world.customer(carrier=carrier)
    world.fault(customer, FaultKind.STREAM_NEVER_STARTED)
    phone = world.simulator.network.book.get(await world.call_in(customer))
    assert phone is not None
    async with asyncio.timeout(PATIENCE_S):
        while phone.answered_at is None:  # noqa: ASYNC110 - the simulator has no event for it
            await asyncio.sleep(0.02)
    [call] = (await customer.http.get("/v1/calls")).json()["calls"]
    world.fault(customer, FaultKind.CALLBACK_LOST)
    world.fault(customer, FaultKind.FORGOTTEN)
    await _end(calls, carrier, "comes in", customer, call["id"])


async def _ringing(world: World, customer: Customer) -> Call:
    """The phone, once it rings."""
    async with asyncio.timeout(PATIENCE_S):
        while not (phones := [call for call in world.dials(customer) if call.status is Status.RINGING]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return phones[0]


async def _end(calls: Calls, carrier: CarrierName, name: str, customer: Customer, call_id: str) -> None:
    calls.stories[name, carrier] = await customer.follow(call_id)
    calls.used_lines[name, carrier] = await customer.used_lines()


@pytest.mark.parametrize("name", ["look-ups fail", "hang-ups fail at first"])
@every_carrier
def test_a_ringing_phone_is_silent_after_a_hang_up_whatever_look_ups_say(
    outcome: Calls, carrier: CarrierName, name: str
):
    story = outcome.stories[name, carrier]
    assert (story.end, story.call["answered_at"], story.call["error"]) == ("canceled", None, None)
    assert outcome.phones[name, carrier].status is Status.CANCELED


@every_carrier
def test_a_hang_up_frees_the_line_of_a_call_its_carrier_forgot(outcome: Calls, carrier: CarrierName):
    story = outcome.stories["forgotten", carrier]
    assert (story.end, story.call["error"]) == ("canceled", None)


@every_carrier
def test_a_call_its_carrier_forgot_is_over_with_its_ring_time(outcome: Calls, carrier: CarrierName):
    story = outcome.stories["nobody asks", carrier]
    assert (story.end, story.call["error"]["code"]) == ("failed", "not_known_there")


@every_carrier
def test_a_call_that_came_in_and_was_forgotten_is_over_soon(outcome: Calls, carrier: CarrierName):
    story = outcome.stories["comes in", carrier]
    assert (story.end, story.call["error"]["code"]) == ("failed", "no_media")


@pytest.mark.parametrize("name", REFUSED)
@every_carrier
def test_a_dial_that_is_never_placed_is_made_three_times(outcome: Calls, carrier: CarrierName, name: str):
    story = outcome.stories[name, carrier]
    assert (story.end, story.call["error"]["code"]) == ("failed", "never_placed")
    assert [attempt["error"]["code"] for attempt in story.call["attempts"]] == ["never_placed"] * 3
    assert outcome.dials[name, carrier] == 0


def test_every_line_is_given_back(outcome: Calls):
    assert set(outcome.used_lines.values()) == {0}
    assert len(outcome.used_lines) == len(CARRIERS) * (len(HUNG_UP) + len(REFUSED) + 2)
