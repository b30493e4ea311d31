"""Somebody calls one of our numbers, on every carrier: answered, steered from outside, turned away."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update

from end_to_end.world import CALLEE, PATIENCE_S, SHORT, TALKATIVE, Customer, Story, World, loud
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db.tables import agent_versions, agents

CALLER = "+12025550199"
NEWS = "One moment please, the doctor is on her way."


class Calls:
    def __init__(self) -> None:
        self.answered: dict[CarrierName, Story] = {}
        self.steered: dict[CarrierName, Story] = {}
        self.answers: dict[CarrierName, dict[str, Any]] = {}
        self.turned_away: dict[CarrierName, Story] = {}
        self.phones: dict[tuple[str, CarrierName], str] = {}  # the callers', by what came of their calls
        self.unassigned: dict[CarrierName, Story] = {}
        self.unreadable: dict[CarrierName, tuple[Story, Story]] = {}  # of an agent: called, and calling
        self.restored: dict[CarrierName, dict[str, Any]] = {}
        self.used_lines: int = 0


async def play(world: World) -> Calls:
    calls = Calls()
    customers: list[Customer] = []

    async def customer(carrier: CarrierName, script: str, lines: int) -> Customer:
        customers.append(await world.customer(script, lines=lines, carrier=carrier))
        return customers[-1]

    async def play_on(carrier: CarrierName) -> None:
        # One after the other: they share the carrier's account, whose applications are read, changed and written.
        talkative = await customer(carrier, TALKATIVE, 1)
        short = await customer(carrier, SHORT, 2)
        unassigned = await customer(carrier, SHORT, 2)
        unreadable = await customer(carrier, SHORT, 2)
        await asyncio.gather(
            _answered(world, calls, carrier, short),
            _steered(world, calls, carrier, talkative),
            _unassigned(world, calls, carrier, unassigned),
            _unreadable(world, calls, carrier, unreadable),
        )
        calls.restored[carrier] = (await short.http.delete(f"/v1/phone-numbers/{short.number_id}")).json()

    for carrier in CARRIERS:  # there is no hurry: other modules talk for longer
        await play_on(carrier)
    calls.used_lines = sum([await each.used_lines() for each in customers])
    return calls


async def _call_in(world: World, customer: Customer) -> tuple[str, str]:
    """A new call to the customer's number: our id of it, and the caller's phone."""
    known = {call["id"] for call in await _inbound(customer)}
    phone = await world.call_in(customer, from_=CALLER)
    async with asyncio.timeout(PATIENCE_S):
        while not (new := [call["id"] for call in await _inbound(customer) if call["id"] not in known]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return new[0], phone


async def _inbound(customer: Customer) -> list[dict[str, Any]]:
    return (await customer.http.get("/v1/calls", params={"direction": "inbound"})).json()["calls"]


async def _answered(world: World, calls: Calls, carrier: CarrierName, customer: Customer) -> None:
    call_id, calls.phones["answered", carrier] = await _call_in(world, customer)
    calls.answered[carrier] = await customer.follow(call_id)


async def _steered(world: World, calls: Calls, carrier: CarrierName, customer: Customer) -> None:
    """On the only line, so that the next caller is turned away meanwhile."""
    call_id, _ = await _call_in(world, customer)
    await customer.until(call_id, "in_progress")
    second, calls.phones["turned away", carrier] = await _call_in(world, customer)
    answers = calls.answers[carrier] = {}

    async def ask(what: str, method: str = "POST", **body: Any) -> None:
        response = await customer.http.request(method, f"/v1/calls/{call_id}/{what}", json=body)
        answers[what] = response.status_code, response.json()

    await ask("say", text=NEWS, interrupt=True)
    await ask("variables", "PATCH", plan="Premium")
    await ask("digits", digits="1")
    calls.turned_away[carrier] = await customer.follow(second)
    await customer.hang_up(call_id)
    calls.steered[carrier] = await customer.follow(call_id)
    await ask("transfer", to=CALLEE + "00")


async def _unassigned(world: World, calls: Calls, carrier: CarrierName, customer: Customer) -> None:
    await customer.http.patch(f"/v1/phone-numbers/{customer.number_id}", json={"agent_id": None})
    call_id, calls.phones["unassigned", carrier] = await _call_in(world, customer)
    calls.unassigned[carrier] = await customer.follow(call_id)


async def _unreadable(world: World, calls: Calls, carrier: CarrierName, customer: Customer) -> None:
    """The agent's published version can't be read, here or by any other process."""
    of_customer = select(agents.c.id).where(agents.c.workspace_id == customer.workspace_id)
    async with world.outdial.services.engine.begin() as conn:
        broken = update(agent_versions).where(agent_versions.c.agent_id.in_(of_customer)).values(source="steps: [")
        await conn.execute(broken)
    call_id, calls.phones["unreadable", carrier] = await _call_in(world, customer)
    calls.unreadable[carrier] = await customer.follow(call_id), await customer.call()
    assert world.dials(customer) == [], "nobody is called for silence"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_call_to_a_number_is_answered_by_its_agent(outcome: Calls, world: World, carrier):
    story = outcome.answered[carrier]
    assert (story.call["direction"], story.end) == ("inbound", "completed")
    assert (story.call["from"], story.call["error"]) == (CALLER, None)
    assert story.states == ["ringing", "in_progress", "ended"]
    assert "this is a test call" in story.said("agent")
    assert _heard_ms(world, outcome, "answered", carrier) > 1500
    [attempt] = story.call["attempts"]
    assert attempt["carrier"] == carrier
    assert story.call["answered_at"] is not None


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_live_call_does_what_it_is_told_from_outside(outcome: Calls, carrier):
    story, answers = outcome.steered[carrier], outcome.answers[carrier]
    assert {what: status for what, (status, _) in answers.items() if what != "transfer"}.items() <= {
        ("say", 200),
        ("say", 202),
        ("variables", 200),
        ("digits", 200),
        ("digits", 202),
    }
    assert NEWS in [turn.text for turn in story.turns]
    assert story.call["noted"]["plan"] == "Premium"
    assert story.named("digits_sent")
    status, problem = answers["transfer"]
    assert (status, problem["code"]) == (409, "call_ended")


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_caller_for_whom_there_is_no_line_hears_so_and_is_on_record(outcome: Calls, world: World, carrier):
    story = outcome.turned_away[carrier]
    assert (story.end, story.call["error"]["code"]) == ("declined", "pool_full")
    assert story.states == ["ended"]
    assert _heard_ms(world, outcome, "turned away", carrier) > 1500


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_number_without_an_agent_declines_and_the_call_is_on_record(outcome: Calls, world: World, carrier):
    story = outcome.unassigned[carrier]
    assert (story.end, story.call["error"]["code"]) == ("declined", "number_has_no_agent")
    assert _heard_ms(world, outcome, "unassigned", carrier) > 1500


@pytest.mark.parametrize("carrier", CARRIERS)
def test_an_agent_that_can_not_be_read_answers_nobody_and_calls_nobody(outcome: Calls, world: World, carrier):
    called, calling = outcome.unreadable[carrier]
    assert (called.end, called.call["error"]["code"], called.states[-1]) == ("declined", "agent_failed", "ended")
    assert _heard_ms(world, outcome, "unreadable", carrier) > 1500, "the caller hears a sentence"
    assert (calling.end, calling.call["error"]["code"]) == ("failed", "agent_failed")
    assert calling.states == ["queued", "dialing", "ended"], "at once"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_removed_number_is_at_its_carrier_as_it_was_before(outcome: Calls, carrier):
    assert (outcome.restored[carrier]["carrier"], outcome.restored[carrier]["message"]) == ("restored", None)


def test_every_line_of_an_inbound_call_is_given_back(outcome: Calls):
    assert outcome.used_lines == 0


def _heard_ms(world: World, outcome: Calls, what: str, carrier: CarrierName) -> int:
    """How much of sound came out of the caller's phone."""
    return int(loud(world.heard_by(outcome.phones[what, carrier]).right).sum()) * 20
