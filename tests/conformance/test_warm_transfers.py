"""Warm transfers on each carrier: somebody is rung and asked first, the callee hears music meanwhile, and is connected
with who takes it or has the agent back."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from end_to_end.world import CALLEE, PATIENCE_S, Customer, Story, World, part_heard, sounds
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.calls import Call

SILENT, LEAVES = CALLEE + "11", CALLEE + "19"
TAKES = {"key": CALLEE + "16", "words": CALLEE + "17"}
DOES_NOT = {
    "declined": CALLEE + "18",
    "busy": CALLEE + "03",
    "no_answer": CALLEE + "04",
    "voicemail": CALLEE + "06",
}
BRIEF = "Jane Miller would like to move her appointment."
BACK = "Nobody is free right now."
LONG_ENOUGH_S = 15  # for an answer to be understood on a busy computer; who gives one is never waited for that long
ASKS = f"""
agent:
  name: Asks first
start: greeting
steps:
  greeting:
    - say: Hello, one moment please.
    - transfer:
        to: "{{desk}}"
        warm: {{brief: "{BRIEF}", wait_s: {LONG_ENOUGH_S}}}
        failed: sorry
  sorry:
    hang_up: {BACK} We call you back. Goodbye.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call for which somebody was asked: as its customer saw it, the callee's phone, and the others that rang."""

    story: Story
    phone: Call
    desks: list[Call]


class Calls:
    def __init__(self) -> None:
        self.made: dict[tuple[str, CarrierName], Asked] = {}
        self.used_lines = 0


async def play(world: World) -> Calls:
    calls = Calls()

    async def play_on(carrier: CarrierName) -> None:
        customer = await world.customer(ASKS, carrier=carrier)
        named = {**TAKES, **DOES_NOT}
        plays = [_play(world, calls, carrier, name, customer, SILENT, desk) for name, desk in named.items()]
        other = await world.customer(ASKS.replace(f"wait_s: {LONG_ENOUGH_S}", "wait_s: 60"), carrier=carrier)
        plays.append(_play(world, calls, carrier, "callee leaves", other, LEAVES, SILENT))
        await asyncio.gather(*plays)
        calls.used_lines += await customer.used_lines()

    await asyncio.gather(*(play_on(carrier) for carrier in CARRIERS))
    return calls


async def _play(
    world: World, calls: Calls, carrier: CarrierName, name: str, customer: Customer, to: str, desk: str
) -> None:
    story = await customer.follow(await customer.place(to, variables={"desk": desk}, amd=False))
    async with asyncio.timeout(PATIENCE_S):
        while any(transfer["result"] is None for transfer in story.call["transfers"]) or any(
            not call.status.final for call in _to(world, customer, desk)
        ):
            await asyncio.sleep(0.2)
            story = Story(events=story.events, call=await customer.get(story.call["id"]))
    phone = world.simulator.network.book.get(story.call["attempts"][-1]["carrier_call_id"])
    assert phone is not None
    calls.made[name, carrier] = Asked(story=story, phone=phone, desks=_to(world, customer, desk))


def _to(world: World, customer: Customer, desk: str) -> list[Call]:
    book = world.simulator.network.book.newest_first()
    return [call for call in book if (call.to, call.from_) == (desk, customer.number)]


def the_transfer(asked: Asked) -> dict[str, Any]:
    [transfer] = asked.story.call["transfers"]
    return transfer


@pytest.mark.parametrize("how", TAKES)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_who_takes_the_call_is_connected_with_the_callee(outcome: Calls, world: World, carrier: CarrierName, how: str):
    asked = outcome.made[how, carrier]
    transfer = the_transfer(asked)
    assert (transfer["result"], transfer["warm"], transfer["accepted_by"]) == ("answered", True, how)
    assert transfer["duration_s"] > 3
    assert len(asked.desks) == 1
    assert (asked.story.end, asked.story.call["error"]) == ("completed", None)
    assert asked.phone.status.final, "the callee isn't left alone by who has taken it"
    desk, callee = world.heard_by(asked.desks[0].id), world.heard(asked.story.call)
    [*_, (start, end), _] = sounds(desk.left, pause_ms=1500)  # "Hello, this is Sales. How can I help you?", "Goodbye."
    assert end - start > 1000
    assert part_heard(desk.left[start * 8 : end * 8].tobytes(), callee.right) > 0.8


@pytest.mark.parametrize("result", DOES_NOT)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_agent_goes_on_with_the_callee_when_nobody_takes_it(outcome: Calls, carrier: CarrierName, result: str):
    asked = outcome.made[result, carrier]
    transfer = the_transfer(asked)
    assert (transfer["result"], transfer["warm"], transfer["accepted_by"]) == (result, True, None)
    assert transfer["duration_s"] is None
    assert BACK in asked.story.said("agent")
    assert (asked.story.end, asked.story.call["error"]) == ("completed", None)
    assert len(asked.desks) == 1, "nobody is called twice"
    assert all(desk.status.final for desk in asked.desks)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_nobody_is_asked_any_more_when_the_callee_leaves(outcome: Calls, carrier: CarrierName):
    asked = outcome.made["callee leaves", carrier]
    assert the_transfer(asked)["result"] == "no_answer"
    assert asked.story.call["ended_by"] == "callee"
    assert all(desk.status.final for desk in asked.desks)
    [desk], ended_at = asked.desks, asked.phone.ended_at
    assert desk.ended_at is not None
    assert ended_at is not None
    assert (desk.ended_at - ended_at).total_seconds() < 30, "long before they would be given up"


@pytest.mark.parametrize("name", DOES_NOT)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_callee_who_waits_never_hears_silence_for_long(
    outcome: Calls, world: World, carrier: CarrierName, name: str
):
    heard = sounds(world.heard(outcome.made[name, carrier].story.call).right)
    assert all(after[0] - before[1] < 4000 for before, after in pairwise(heard))


def test_every_line_is_given_back(outcome: Calls):
    assert outcome.used_lines == 0
