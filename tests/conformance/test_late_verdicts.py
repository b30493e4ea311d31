"""What detection finds too late, on each carrier: it is noted, and nobody is hung up on. What it finds in time, though
the carrier is slow to tell it, changes the course of the call."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.scenarios import HANG_UP, LEAVE
from end_to_end.world import CALLEE, Story, World
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.faults import FaultKind

TALK_BEHIND_MS = 4000  # a person is taken for a machine
INTERVIEW = """
agent:
  name: Interview
start: name
steps:
  name:
    ask: Hello, this is a test call. Am I speaking to Jane?
    answers:
      - {words: ["yes"], goto: time}
    no_match: {retries: 5}
    no_reply: {retries: 5}
  time:
    ask: Thank you. I have a few questions for you, and I will be quick. Does that work for you?
    answers:
      - {words: ["yes"], goto: end}
    no_match: {retries: 5}
    no_reply: {retries: 5}
  end:
    say: That is good. Here is what it is all about, so that you know what to expect. It takes a while to tell, but not
      much longer than this sentence does, and then there is one more.
    hang_up: This was the last one, thank you very much for your time. Goodbye.
"""
MONOLOGUE = """
agent:
  name: Monologue
start: one
steps:
  one:
    say: Hello, this is a test call. It goes on for quite a while, and it says nothing that anybody needs to know, so
      that there is plenty of time for everything that may happen meanwhile, and for some more after it has happened.
    hang_up: This was all of it. Goodbye.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """`late_s`: the carrier tells what it found so much later."""

    callee: str
    script: str
    amd: Mapping[str, Any]
    late_s: float
    talk_behind: bool = False
    evidence: str  # of ours


def _answered(policy: Mapping[str, Any]) -> Late:
    amd = {**policy, "max_wait_s": 50}
    return Late(callee="00", script=INTERVIEW, amd=amd, late_s=10, talk_behind=True, evidence="reply")


LATE = {
    "after the deadline": Late(
        callee="11", script=MONOLOGUE, amd={**HANG_UP, "max_wait_s": 5}, late_s=6, talk_behind=True, evidence="deadline"
    ),
    "answered, hang up": _answered(HANG_UP),
    "answered, leave a message": _answered(LEAVE),
}
IN_TIME_LATE_S = 2.0


class Calls:
    def __init__(self) -> None:
        self.stories: dict[tuple[str, CarrierName], Story] = {}


async def play(world: World) -> Calls:
    calls = Calls()

    async def play_on(carrier: CarrierName) -> None:
        for name, late in LATE.items():
            customer = await world.customer(late.script, carrier=carrier)
            if late.talk_behind:
                world.fault(customer, FaultKind.TALK_BEHIND, after_ms=TALK_BEHIND_MS)
            world.fault(customer, FaultKind.VERDICT_LATE, delay_s=late.late_s)
            retry = {"max_attempts": 2, "on": ["machine"], "delays_s": [1]}
            call_id = await customer.place(CALLEE + late.callee, amd=dict(late.amd), retry=retry)
            following.append(asyncio.create_task(follow(customer, call_id, (name, carrier))))
        customer = await world.customer(MONOLOGUE, carrier=carrier)
        world.fault(customer, FaultKind.VERDICT_LATE, delay_s=IN_TIME_LATE_S)
        call_id = await customer.place(CALLEE + "05", amd={"on_machine": "hang_up", "max_wait_s": 20})
        following.append(asyncio.create_task(follow(customer, call_id, ("in time", carrier))))

    async def follow(customer: Any, call_id: str, played: tuple[str, CarrierName]) -> None:
        calls.stories[played] = await customer.follow(call_id, timeout_s=120)

    following: list[asyncio.Task[None]] = []
    await asyncio.gather(*(play_on(carrier) for carrier in CARRIERS))
    await asyncio.gather(*following)
    return calls


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", LATE)
def test_a_machine_that_is_found_too_late_is_noted_and_not_obeyed(outcome: Calls, name: str, carrier: CarrierName):
    story, late = outcome.stories[name, carrier], LATE[name]
    assert (story.end, story.call["error"], len(story.call["attempts"])) == ("completed", None, 1)
    assert story.said("agent").endswith("Goodbye."), "it goes on to its end"
    assert LEAVE["message"] not in story.said("agent")
    who = story.call["answered_by"]
    assert who["category"] == "unknown"
    assert late.evidence in who["evidence"]
    noted = [word for word in who["evidence"] if word.startswith(f"{carrier}:")]
    assert any("machine" in word for word in noted), who["evidence"]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_machine_that_is_found_in_time_is_hung_up_on(outcome: Calls, carrier: CarrierName):
    story = outcome.stories["in time", carrier]
    assert (story.end, story.answered_by) == ("machine", "machine")
    assert "This was all of it." not in story.said("agent")
