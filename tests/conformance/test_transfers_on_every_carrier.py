"""What becomes of a transfer, on each carrier: who was called is busy, declines, doesn't answer, or talks. The record
tells it, and the callee hears a sentence or has the agent back."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.scenarios import CAPABILITIES
from end_to_end.world import CALLEE, HUMAN, Customer, Story, World, sounds
from outdial.carriers.callbacks import TRANSFER_FAILED
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.calls import Call, Direction
from outdial.simulator.faults import FaultKind

SILENT, TALKS = CALLEE + "11", CALLEE + "13"
TARGETS = {"busy": CALLEE + "03", "declined": CALLEE + "02", "no_answer": CALLEE + "04", "failed": CALLEE + "07"}
PUT_THROUGH = """
agent:
  name: Put through
start: greeting
steps:
  greeting:
    - say: Hello, one moment please.
    - set: {asked_for: somebody}
    - transfer: "{desk}"
"""
COMES_BACK = PUT_THROUGH.replace('"{desk}"', '{to: "{desk}", failed: sorry}') + """
  sorry:
    hang_up: Nobody is free right now, {asked_for}. We call you back. Goodbye.
"""
BACK = "Nobody is free right now, somebody."


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """A call that was transferred: as its customer saw it, the phone it rang, and the other party's."""

    story: Story
    phone: Call
    desks: list[Call]

    @property
    def told(self) -> list[tuple[str | None, bool]]:
        """The results its events told, and whether each was the last word."""
        return [(data["result"], data["duration_s"] is not None) for data in self.story.named("transfer")]


class Calls:
    def __init__(self) -> None:
        self.made: dict[tuple[str, CarrierName], Transferred] = {}
        self.used_lines = 0


async def play(world: World) -> Calls:
    calls = Calls()
    # Carriers speak at once; the simulator would have to make the sound first, in a thread that has to wait its turn.
    await world.simulator.network.agent_voice.audio(TRANSFER_FAILED)

    async def play_on(carrier: CarrierName) -> None:
        ends = await world.customer(PUT_THROUGH, carrier=carrier)
        back = await world.customer(COMES_BACK, carrier=carrier)
        lost = await world.customer(COMES_BACK, carrier=carrier)
        for callback in ("completed", "transfer"):
            world.fault(lost, FaultKind.CALLBACK_LOST, callbacks=frozenset({callback}))
        plays = [_play(world, calls, carrier, "answered", ends, HUMAN, TALKS)]
        for result, desk in TARGETS.items():
            plays.append(_play(world, calls, carrier, result, ends, SILENT, desk))
            plays.append(_play(world, calls, carrier, f"{result}, back", back, SILENT, desk))
        plays.append(_play(world, calls, carrier, "lost", lost, SILENT, TARGETS["busy"]))
        await asyncio.gather(*plays)
        for customer in (ends, back, lost):
            calls.used_lines += await customer.used_lines()

    await asyncio.gather(*(play_on(carrier) for carrier in CARRIERS))
    return calls


async def _play(
    world: World, calls: Calls, carrier: CarrierName, name: str, customer: Customer, to: str, desk: str
) -> None:
    call_id = await customer.place(to, variables={"desk": desk}, amd=to == HUMAN)
    story = await customer.follow(call_id)
    if name == "lost":
        story = Story(events=story.events, call=await _until_found_out(customer, call_id))
    phone = world.simulator.network.book.get(story.call["attempts"][-1]["carrier_call_id"])
    assert phone is not None
    desks = [
        call
        for call in world.simulator.network.book.newest_first()
        if call.direction is Direction.OUTBOUND_DIAL and (call.to, call.from_) == (desk, customer.number)
    ]
    calls.made[name, carrier] = Transferred(story=story, phone=phone, desks=desks)


async def _until_found_out(customer: Customer, call_id: str) -> dict[str, Any]:
    """Once the call has ended, too, its transfer doesn't stay open."""
    async with asyncio.timeout(60):
        while True:
            call = await customer.get(call_id)
            if all(transfer["result"] is not None for transfer in call["transfers"]):
                return call
            await asyncio.sleep(0.5)


def results(result: str, carrier: CarrierName) -> set[str]:
    """How a transfer may be told: who declines may pass for busy where the carrier can't tell them apart."""
    return {"declined", "busy"} if result == "declined" and not CAPABILITIES[carrier].declined else {result}


def the_transfer(made: Transferred) -> dict[str, Any]:
    [transfer] = made.story.call["transfers"]
    return transfer


@pytest.mark.parametrize("result", TARGETS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_record_tells_that_nobody_took_a_transfer_and_why(outcome: Calls, carrier: CarrierName, result: str):
    made = outcome.made[result, carrier]
    transfer = the_transfer(made)
    assert transfer["result"] in results(result, carrier)
    assert (transfer["to"], transfer["duration_s"]) == (TARGETS[result], None)
    assert (transfer["error"] is not None) == (result == "failed")
    told = made.told  # a carrier may be more exact in its second word
    assert (told[0], told[-1], len(told) <= 3) == ((None, False), (transfer["result"], False), True)
    assert (made.story.end, made.story.call["error"]) == ("completed", None)


@pytest.mark.parametrize("result", TARGETS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_without_another_step_the_callee_hears_a_sentence(
    outcome: Calls, world: World, carrier: CarrierName, result: str
):
    made = outcome.made[result, carrier]
    assert made.phone.status.final, "nobody is left on the line"
    [*_, (start, end)] = sounds(world.heard(made.story.call).right)
    assert end - start > 2500


@pytest.mark.parametrize("result", TARGETS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_agent_goes_on_where_the_script_says(outcome: Calls, world: World, carrier: CarrierName, result: str):
    made = outcome.made[f"{result}, back", carrier]
    call = made.story.call
    assert the_transfer(made)["result"] in results(result, carrier)
    assert "Hello, one moment please." in made.story.said("agent")
    assert BACK in made.story.said("agent")
    assert (made.story.end, call["error"], len(call["attempts"])) == ("completed", None, 1)
    assert made.story.states == ["queued", "dialing", *made.story.states[2:-2], "in_progress", "ended"]
    assert len(made.desks) == 1, "nobody is called twice"
    recorded = [turn["text"] for turn in call["transcript"] if turn["recorded"]]
    assert any(BACK in text for text in recorded)
    last = sounds(world.heard(call).right)[-3:]  # in one stretch, but where a busy computer makes pauses
    assert sum(end - start for start, end in last) > 2500, "the whole sentence, and not its beginning"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_transfer_that_is_answered_is_told_with_its_duration(outcome: Calls, carrier: CarrierName):
    made = outcome.made["answered", carrier]
    transfer = the_transfer(made)
    assert (transfer["result"], transfer["error"]) == ("answered", None)
    [desk] = made.desks
    assert transfer["duration_s"] == pytest.approx(desk.duration_s, abs=2)
    assert made.told[0] == (None, False)
    assert made.told[-1] == ("answered", True)
    assert (made.story.end, made.story.call["error"]) == ("completed", None)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_the_carrier_fails_to_tell_is_found_out(outcome: Calls, carrier: CarrierName):
    """Where the call goes on without the answer to it, its agent is back all the same."""
    made = outcome.made["lost", carrier]
    assert the_transfer(made)["result"] == "busy"
    assert made.phone.status.final


def test_every_line_is_given_back(outcome: Calls):
    assert outcome.used_lines == 0
