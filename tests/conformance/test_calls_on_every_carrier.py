"""The same calls through each carrier: the same states, the same ends, the same verdicts, one dial each."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from conformance.scenarios import CAPABILITIES, SCENARIOS, Scenario, answered_by, ends
from end_to_end.world import CALLEE, Customer, Story, World, sounds
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.telephony.state import CallState
from outdial.telephony.verdict import DetectedBy

LASTS_S = 60
AT_ONCE = 8  # calls: they, their callees and their carriers have one thread
APART_S = 0.25  # begins one after the other
STOP_CALLING = "stop calling"

PLAYED = [
    (name, carrier)
    for name, scenario in SCENARIOS.items()
    for carrier in CARRIERS
    if scenario.only in (None, carrier)
]


class Calls:
    def __init__(self) -> None:
        self.stories: dict[tuple[str, CarrierName], Story] = {}
        self.dials: dict[tuple[str, CarrierName], int] = {}
        self.used_lines: dict[tuple[str, CarrierName], int] = {}
        self.carrier_found: dict[tuple[str, CarrierName], str | None] = {}  # of who answered, where it looked
        self.verdicts: dict[tuple[str, CarrierName], list[dict[str, Any]]] = {}  # where both detectors are asked
        self.asked_again: dict[CarrierName, tuple[int, str]] = {}  # for whoever wants no more calls: status and code

    def of(self, name: str, carrier: CarrierName) -> Story:
        return self.stories[name, carrier]


async def play(world: World) -> Calls:
    calls = Calls()
    at_once = asyncio.Semaphore(AT_ONCE)
    # A carrier's account is read, changed and written when a number is connected: one number after the other.
    connecting: dict[CarrierName, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def call(place: int, name: str, carrier: CarrierName) -> None:
        await asyncio.sleep(place * APART_S)
        async with at_once:
            scenario = SCENARIOS[name]
            async with connecting[carrier]:
                customer = await world.customer(scenario.script, carrier=carrier)
            await _call(world, customer, scenario, calls, (name, carrier))

    await asyncio.gather(*(call(place, *played) for place, played in enumerate(PLAYED)))
    return calls


async def _call(
    world: World, customer: Customer, scenario: Scenario, calls: Calls, played: tuple[str, CarrierName]
) -> None:
    for kind, details in scenario.faults:
        world.fault(customer, kind, **details)
    body: dict[str, Any] = {} if scenario.amd is None else {"amd": scenario.amd}
    if not scenario.answered:  # who is to answer has the time that this computer takes
        body["ring_timeout_s"] = 5
    call_id = await customer.place(CALLEE + scenario.callee, **body)
    try:
        calls.stories[played] = await customer.follow(call_id, timeout_s=60)
    except TimeoutError:
        return  # the tests miss it
    dials = world.dials(customer)
    calls.dials[played] = len(dials)
    calls.carrier_found[played] = next((dial.answered_by for dial in dials), None)
    if scenario.detected_by is DetectedBy.BOTH:
        calls.verdicts[played] = (await customer.http.get(f"/v1/calls/{call_id}/verdicts")).json()["verdicts"]
    calls.used_lines[played] = await customer.used_lines()
    if played[0] == STOP_CALLING:
        answer = await customer.ask(CALLEE + scenario.callee)
        calls.asked_again[played[1]] = answer.status_code, answer.json().get("code")


def every(names: list[str] | None = None):
    """Parametrizes a test with these scenarios on each carrier."""
    chosen = [(name, carrier) for name, carrier in PLAYED if names is None or name in names]
    return pytest.mark.parametrize(("name", "carrier"), chosen)


def those(**wanted: object) -> list[str]:
    """The names of the scenarios with these values."""
    return [
        name
        for name, scenario in SCENARIOS.items()
        if all(getattr(scenario, field) == value for field, value in wanted.items())
    ]


@every()
def test_a_call_ends_once_and_says_why(outcome: Calls, name: str, carrier: CarrierName):
    story, scenario = outcome.of(name, carrier), SCENARIOS[name]
    assert story.end in ends(scenario, carrier)
    assert story.states.count("ended") == 1
    assert (story.states[0], story.states[-1]) == ("queued", "ended")
    error = story.call["error"]
    if scenario.came_of_it is not None:
        assert (story.call["ended_by"], story.call["outcome"]) == scenario.came_of_it
    if scenario.error:
        assert error["code"] == scenario.error
    elif scenario.end == "failed":
        assert error["message"]
    else:
        assert error is None


@every()
def test_a_person_is_dialled_once_and_the_line_given_back(outcome: Calls, name: str, carrier: CarrierName):
    assert (outcome.dials[name, carrier], outcome.used_lines[name, carrier]) == (1, 0)


@every([STOP_CALLING])
def test_who_wants_no_more_calls_is_called_no_more(outcome: Calls, name: str, carrier: CarrierName):
    assert outcome.asked_again[carrier] == (409, "do_not_call")


@every(those(tried_again=True))
def test_a_dial_that_was_not_made_is_made_later(outcome: Calls, name: str, carrier: CarrierName):
    states = outcome.of(name, carrier).states
    assert states[:3] == ["queued", "dialing", "queued"]


@every([name for name in SCENARIOS if name in ("reply lost", "reply and callbacks lost", "error after dialling")])
def test_a_dial_of_unknown_outcome_is_never_dialled_again(outcome: Calls, name: str, carrier: CarrierName):
    [attempt] = outcome.of(name, carrier).call["attempts"]
    assert attempt["carrier_call_id"] is not None


@every([name for name, scenario in SCENARIOS.items() if scenario.faults and not scenario.tried_again])
def test_a_call_only_moves_forward(outcome: Calls, name: str, carrier: CarrierName):
    states = outcome.of(name, carrier).states
    if "queued" not in states[1:]:  # a dial that was not made, after all
        assert states == [state for state in CallState if state in states]


@every(["stream cut"])
def test_a_cut_call_is_recorded_as_far_as_it_goes(outcome: Calls, name: str, carrier: CarrierName):
    assert outcome.of(name, carrier).call["recording_url"]


@every(those(faults=(), answered=True))
def test_the_feed_tells_each_state(outcome: Calls, name: str, carrier: CarrierName):
    states = [state for state in outcome.of(name, carrier).states if state != "ringing"]
    assert states == ["queued", "dialing", "in_progress", "ended"]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_ringing_is_told_where_the_carrier_tells_it(outcome: Calls, carrier: CarrierName):
    """Of most calls: on a busy computer the answer may overtake it."""
    stories = [outcome.of(name, carrier) for name in those(faults=()) if name != "no such number"]
    told = ["ringing" in story.states for story in stories]
    assert sum(told) > len(told) / 2 if CAPABILITIES[carrier].ringing_event else not any(told)


@every(those(faults=(), answered=False))
def test_an_unanswered_call_was_never_in_progress(outcome: Calls, name: str, carrier: CarrierName):
    story = outcome.of(name, carrier)
    assert [state for state in story.states if state != "ringing"] == ["queued", "dialing", "ended"]
    assert (story.call["transcript"], story.call["recording_url"], story.call["answered_at"]) == ([], None, None)


@every()
def test_a_call_says_who_answered(outcome: Calls, name: str, carrier: CarrierName):
    assert outcome.of(name, carrier).answered_by == answered_by(SCENARIOS[name], carrier)


@every([name for name, scenario in SCENARIOS.items() if scenario.says or scenario.hears])
def test_each_side_hears_the_other(outcome: Calls, name: str, carrier: CarrierName):
    story, scenario = outcome.of(name, carrier), SCENARIOS[name]
    assert scenario.says in story.said("agent")
    assert scenario.hears in story.said("callee")
    assert story.call["recording_url"]


@every()
def test_a_message_is_delivered_where_one_was_to_be_left(outcome: Calls, name: str, carrier: CarrierName):
    assert outcome.of(name, carrier).call["message_delivered"] is SCENARIOS[name].delivered


@every(those(delivered=True))
def test_a_message_begins_when_the_machine_is_silent(outcome: Calls, world: World, name: str, carrier: CarrierName):
    phone = world.heard(outcome.of(name, carrier).call)
    [*_, (_, machine_end)] = sounds(phone.left, pause_ms=1000)
    # Until the verdict is here the agent may still be talking to what it takes for a person.
    [(start, end)] = sounds(phone.right[(machine_end + 300) * 8 :], pause_ms=1000)
    assert end - start > 1500  # all of it


@every(those(left_again=True))
def test_a_message_that_was_begun_too_early_is_left_once_more(
    outcome: Calls, world: World, name: str, carrier: CarrierName
):
    story = outcome.of(name, carrier)
    phone = world.heard(story.call)
    (_, first_beep_end), *_ = sounds(phone.left, pause_ms=1000)
    if SCENARIOS[name].detected_by is not DetectedBy.LOCAL:
        # The end of this voice's greeting is so soft that our own detector may take it for somebody further away.
        assert sounds(phone.right)[0][0] > first_beep_end
    *too_early, whole = [turn for turn in story.turns if turn.speaker == "agent"]
    assert too_early
    assert all(turn.interrupted for turn in too_early)
    assert (whole.interrupted, whole.text) == (False, SCENARIOS[name].says)


@every(those(detected_by=DetectedBy.LOCAL))
def test_our_own_detector_says_why_and_the_carrier_is_not_asked(outcome: Calls, name: str, carrier: CarrierName):
    evidence = outcome.of(name, carrier).call["answered_by"]["evidence"]
    assert any(SCENARIOS[name].evidence in told for told in evidence), evidence
    assert outcome.carrier_found[name, carrier] is None


@every(those(detected_by=DetectedBy.BOTH))
def test_of_two_detectors_each_is_told(outcome: Calls, name: str, carrier: CarrierName):
    found = {verdict["by"]: verdict["category"] for verdict in outcome.verdicts[name, carrier]}
    assert found == {"local": "human", "carrier": "human"}


@every(["interrupts"])
def test_an_interrupted_agent_falls_silent(outcome: Calls, world: World, name: str, carrier: CarrierName):
    story = outcome.of(name, carrier)
    assert any(turn.interrupted for turn in story.turns if turn.speaker == "agent")
    phone = world.heard(story.call)
    objection = next(start for start, _ in sounds(phone.left, pause_ms=1000) if start > 1500)
    falls_silent = next(end for _, end in sounds(phone.right, pause_ms=200) if end > objection)
    assert falls_silent - objection < 2000  # what the carrier had buffered was dropped, too
