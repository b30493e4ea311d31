"""What users do to a call while it lasts, on each carrier: hang up early or late, transfer, press keys."""

import asyncio
from typing import Any

import pytest

from conformance.scenarios import STAYS
from end_to_end.world import CALLEE, PATIENCE_S, TALKATIVE, Customer, Story, World, keys, part_heard
from outdial.carriers.callbacks import TRANSFER_FAILED
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.calls import Call, Direction

SILENT, RINGS_OUT = CALLEE + "11", CALLEE + "04"
DESK, EMPTY_DESK = "+12025550142", CALLEE + "04"  # answered by the human, and by nobody


class Calls:
    def __init__(self) -> None:
        self.stories: dict[tuple[str, CarrierName], Story] = {}
        self.answers: dict[tuple[str, CarrierName], tuple[int, dict[str, Any]]] = {}
        self.phones: dict[tuple[str, CarrierName], Call] = {}
        self.desks: dict[tuple[str, CarrierName], list[Call]] = {}
        self.used_lines = 0
        self.apology = b""


async def play(world: World) -> Calls:
    calls = Calls()
    # Carriers speak at once; the simulator would have to make the sound first, in a thread that has to wait its turn.
    calls.apology = await world.simulator.network.agent_voice.audio(TRANSFER_FAILED)

    async def play_on(carrier: CarrierName) -> None:
        customer = await world.customer(TALKATIVE, carrier=carrier)
        transfers = await world.customer(STAYS, carrier=carrier)
        await asyncio.gather(
            _hung_up(world, calls, carrier, customer, "hung up while ringing", RINGS_OUT),
            _hung_up(world, calls, carrier, customer, "hung up while talking", SILENT),
            _digits(world, calls, carrier, customer),
            _transferred(world, calls, carrier, transfers, "transfer", DESK),
            _transferred(world, calls, carrier, transfers, "transfer to nobody", EMPTY_DESK),
        )
        calls.used_lines += await customer.used_lines() + await transfers.used_lines()

    await asyncio.gather(*(play_on(carrier) for carrier in CARRIERS))
    return calls


def _phone(world: World, call: dict[str, Any]) -> Call:
    phone = world.simulator.network.book.get(call["attempts"][-1]["carrier_call_id"])
    assert phone is not None
    return phone


async def _hung_up(
    world: World, calls: Calls, carrier: CarrierName, customer: Customer, name: str, to: str
) -> None:
    call_id = await customer.place(to, ring_timeout_s=30)
    if to == SILENT:
        await customer.until(call_id, "in_progress")
        await asyncio.sleep(1)
    else:
        await _rings(world, customer, to)
    response = await customer.hang_up(call_id)
    calls.answers[name, carrier] = response.status_code, response.json()
    story = calls.stories[name, carrier] = await customer.follow(call_id)
    calls.phones[name, carrier] = _phone(world, story.call)


async def _rings(world: World, customer: Customer, to: str) -> None:
    """Until the carrier has dialled; not every carrier tells when it rings."""
    async with asyncio.timeout(PATIENCE_S):
        while not any(call.to == to and call.dialled_at for call in world.dials(customer)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _digits(world: World, calls: Calls, carrier: CarrierName, customer: Customer) -> None:
    call_id = await customer.place(SILENT)
    await customer.until(call_id, "in_progress")
    async with asyncio.timeout(PATIENCE_S):  # on a busy machine its audio comes a while after the carrier's word
        while True:
            response = await customer.http.post(f"/v1/calls/{call_id}/digits", json={"digits": "42#"})
            if response.json().get("code") != "call_not_in_progress":
                break
            await asyncio.sleep(0.1)
    calls.answers["digits", carrier] = response.status_code, response.json()
    async with asyncio.timeout(PATIENCE_S):
        async for type_, _ in customer.events(call_id):
            if type_ == "digits_sent":
                break
    await asyncio.sleep(1)  # for the tones to arrive
    await customer.hang_up(call_id)
    calls.stories["digits", carrier] = await customer.follow(call_id)


async def _transferred(
    world: World, calls: Calls, carrier: CarrierName, customer: Customer, name: str, desk: str
) -> None:
    call_id = await customer.place(SILENT)
    await customer.until(call_id, "in_progress")
    await asyncio.sleep(1)
    url = f"/v1/calls/{call_id}/transfer"
    response = await customer.http.post(url, json={"to": desk})
    calls.answers[name, carrier] = response.status_code, response.json()
    story = calls.stories[name, carrier] = await customer.follow(call_id, timeout_s=80)
    calls.desks[name, carrier] = [
        call
        for call in world.simulator.network.book.newest_first()
        if call.direction is Direction.OUTBOUND_DIAL and (call.to, call.from_) == (desk, customer.number)
    ]
    calls.phones[name, carrier] = _phone(world, story.call)
    again = await customer.http.post(url, json={"to": desk})
    calls.answers[f"{name}, again", carrier] = again.status_code, again.json()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_ringing_call_is_hung_up(outcome: Calls, carrier: CarrierName):
    story = outcome.stories["hung up while ringing", carrier]
    assert outcome.answers["hung up while ringing", carrier][0] in (200, 202)
    assert (story.end, story.call["answered_at"], story.call["error"]) == ("canceled", None, None)
    phone = outcome.phones["hung up while ringing", carrier]
    assert phone.status.final
    assert phone.answered_at is None


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_conversation_is_hung_up(outcome: Calls, world: World, carrier: CarrierName):
    story = outcome.stories["hung up while talking", carrier]
    assert (story.end, story.call["error"]) == ("completed", None)
    assert world.heard(story.call).duration_ms < 10_000
    assert outcome.phones["hung up while talking", carrier].status.final


@pytest.mark.parametrize("carrier", CARRIERS)
def test_digits_arrive_at_the_phone(outcome: Calls, world: World, carrier: CarrierName):
    assert outcome.answers["digits", carrier][0] in (200, 202)
    phone = world.heard(outcome.stories["digits", carrier].call)
    assert keys(phone.right) == "42#"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_call_is_transferred(outcome: Calls, carrier: CarrierName):
    status, answer = outcome.answers["transfer", carrier]
    assert status in (200, 202), answer
    story = outcome.stories["transfer", carrier]
    assert (story.end, story.call["error"]) == ("completed", None)
    [desk] = outcome.desks["transfer", carrier]
    assert desk.answered_at is not None
    status, problem = outcome.answers["transfer, again", carrier]
    assert (status, problem["code"]) in ((409, "call_ended"), (409, "call_transferred"))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_whoever_is_transferred_to_nobody_is_told_so(outcome: Calls, world: World, carrier: CarrierName):
    name = "transfer to nobody"
    story = outcome.stories[name, carrier]
    assert (story.end, story.call["error"]) == ("completed", None)
    [desk] = outcome.desks[name, carrier]
    assert (desk.answered_at, desk.status.final) == (None, True)
    phone = outcome.phones[name, carrier]
    assert phone.status.final, "nobody is left on the line"
    assert part_heard(outcome.apology, world.heard(story.call).right) > 0.98, "the sentence is heard to its end"


def test_every_line_is_given_back(outcome: Calls):
    assert outcome.used_lines == 0
