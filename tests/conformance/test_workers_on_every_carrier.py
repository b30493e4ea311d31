"""Several workers, on every carrier: calls meet the worker that has their seat, are steered from another one, and a
rolling deploy loses none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from conversation.peers import Recogniser, Voice
from end_to_end.world import HUMAN, PATIENCE_S, SHORT, TALKATIVE, Customer, Story, World, connect_customer
from outdial.app import Running, running
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db.tables import attempts
from outdial.roles import Role
from outdial.serving import drained
from outdial.settings import Settings
from outdial.speech.engines import Speech

LASTS_S = 30
ROLLED = 12   # calls, one after the other, while three processes are replaced
APART_S = 0.4


@dataclass
class Played:
    """By carrier: who had the audio of a call that was dialled, and of one that came in; what an order from elsewhere
    was answered with. And what became of the calls of the rolling deploy."""

    owners: dict[tuple[str, CarrierName], tuple[str | None, str]] = field(default_factory=dict)
    orders: dict[CarrierName, dict[str, Any]] = field(default_factory=dict)
    steered: dict[CarrierName, Story] = field(default_factory=dict)
    rolled: list[Story] = field(default_factory=list)
    rolled_dials: int = 0
    replaced: list[int] = field(default_factory=list)  # calls that were left when each was told to stop


@asynccontextmanager
async def worker(settings: Settings, roles: set[Role], **changes: Any) -> AsyncIterator[Running]:
    speech = Speech(to_text=Recogniser(), from_text=Voice())
    async with running(settings.model_copy(update=changes), roles=roles, speech=speech) as outdial:
        yield outdial


async def play(world: World) -> Played:
    settings = Settings(
        database_url=SecretStr(world.new_database()),
        data_dir=world.folder / "workers",
        port=0,
        secret_key=SecretStr("one key for all workers"),
    )
    played = Played()
    async with AsyncExitStack() as stack:
        front = await stack.enter_async_context(worker(settings, {Role.API, Role.DISPATCH}))
        told = settings.model_copy(update={"public_url": front.base_url})
        async with media(told) as host:
            await asyncio.gather(*(_talk(world, front, host, carrier, played) for carrier in CARRIERS))
        await _roll(world, front, told, played)
    return played


@asynccontextmanager
async def media(settings: Settings, *roles: Role) -> AsyncIterator[Running]:
    """A worker that talks, at an address of its own."""
    from outdial.api.server import listen

    listener = listen(settings)
    own = settings.model_copy(update={"stream_url": f"ws://127.0.0.1:{listener.getsockname()[1]}"})
    speech = Speech(to_text=Recogniser(), from_text=Voice())
    async with running(own, roles={Role.MEDIA, *roles}, speech=speech, listeners=[listener]) as outdial:
        await outdial.heartbeat.beat()
        yield outdial


async def _customer(world: World, front: Running, carrier: CarrierName, script: str) -> Customer:
    customer = await connect_customer(
        front.services.engine,
        front.services.secret_box,
        front.base_url,
        carrier_url=world.simulator.base_url,
        config=world.config,
        number=next(world._numbers[carrier]),
        script=script,
        carrier=carrier,
        telnyx_public_key=world.simulator.telnyx.courier.signer.public_key,
    )
    world.customers.append(customer)
    return customer


async def _talk(world: World, front: Running, host: Running, carrier: CarrierName, played: Played) -> None:
    customer = await _customer(world, front, carrier, TALKATIVE)
    call_id = await customer.place(HUMAN)
    await customer.until(call_id, "in_progress")
    await customer.until_something_is_said(call_id)
    answer = await customer.http.post(f"/v1/calls/{call_id}/say", json={"text": "One more thing.", "interrupt": True})
    played.orders[carrier] = answer.json()
    played.owners["dialled", carrier] = await _owner(front, call_id), host.worker_id
    assert (await customer.hang_up(call_id)).is_success
    played.steered[carrier] = await customer.follow(call_id)
    await world.call_in(customer)
    call = await _inbound(customer)
    played.owners["came in", carrier] = await _owner(front, call["id"]), host.worker_id
    await customer.hang_up(call["id"])
    await customer.follow(call["id"])


async def _inbound(customer: Customer) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = (await customer.http.get("/v1/calls", params={"direction": "inbound"})).json()["calls"]
            if found and found[0]["state"] == "in_progress":
                return found[0]
            await asyncio.sleep(0.05)


async def _owner(front: Running, call_id: str) -> str | None:
    async with front.services.engine.connect() as conn:
        owner: str | None = await conn.scalar(select(attempts.c.owner).where(attempts.c.call_id == call_id))
    return owner


# -- a rolling deploy ------------------------------------------------------------------------------------------


async def _roll(world: World, front: Running, settings: Settings, played: Played) -> None:
    """Three workers that dial and talk, each replaced by a new one, while calls are placed."""
    customer = await _customer(world, front, CarrierName("twilio"), SHORT)

    async def call(place: int) -> Story:
        await asyncio.sleep(place * APART_S)
        return await customer.call(HUMAN)

    async with AsyncExitStack() as stack:
        old = []
        for _ in range(3):
            one = AsyncExitStack()
            old.append((one, await one.enter_async_context(media(settings, Role.DISPATCH))))
        calls = [asyncio.create_task(call(place)) for place in range(ROLLED)]
        for one, outdial in old:
            await asyncio.sleep(ROLLED * APART_S / 4)
            await stack.enter_async_context(media(settings, Role.DISPATCH))
            await outdial.give_no_more_seats()
            played.replaced.append(await outdial.calls_left())
            await drained(outdial, lambda line: None)
            await one.aclose()
        played.rolled = list(await asyncio.gather(*calls))
    played.rolled_dials = len(world.dials(customer))


# -- what must hold --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", ["dialled", "came in"])
def test_the_audio_of_a_call_comes_to_the_worker_that_has_its_seat(outcome, way, carrier):
    owner, host = outcome.owners[way, carrier]
    assert owner == host


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_call_is_steered_and_followed_from_another_worker(outcome, carrier):
    assert (outcome.orders[carrier].get("status"), "result" in outcome.orders[carrier]) == ("done", True)
    story = outcome.steered[carrier]
    assert (story.end, story.call["ended_by"]) == ("completed", "operator")
    assert "One more thing." in story.said("agent")


def test_a_rolling_deploy_loses_no_call_and_cuts_none(outcome):
    assert [story.end for story in outcome.rolled] == ["completed"] * ROLLED
    assert outcome.rolled_dials == ROLLED
    assert sum(outcome.replaced) > 0, "no worker had a call when it was to stop: nothing was tried"
