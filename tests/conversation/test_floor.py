"""Who has the floor, without anybody who would speak."""

import asyncio

import pytest

from outdial.conversation.floor import INSISTING_S, Floor
from outdial.conversation.turns import TurnEvent, TurnState
from outdial.conversation.verb_results import CallEnded


@pytest.fixture
async def floor():
    return Floor()


@pytest.fixture
async def now():
    """Seconds since the test began."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return lambda: loop.time() - began


async def agent(floor, said, *, says_s=1.0, times=1):
    for _ in range(times):
        async with floor.verb():
            said.append("agent")
            await asyncio.sleep(says_s)


async def outsider(floor, said, name="outside", *, interrupt=False, says_s=1.0):
    async with floor.step_in(interrupt=interrupt):
        said.append(name)
        await asyncio.sleep(says_s)


async def listen(floor, said, *, callee_speaks=lambda: False, until_s=10.0):
    """As Listening does: waits, and makes way for who wants to step in."""
    loop = asyncio.get_running_loop()
    async with floor.verb():
        floor.move(TurnEvent.LISTEN)
        while loop.time() < until_s:
            if floor.is_wanted(callee_speaks=callee_speaks()):
                said.append("makes way")
                await floor.make_way()
                floor.move(TurnEvent.LISTEN)
                said.append("listens again")
            await floor.wait(100)
        floor.move(TurnEvent.NO_REPLY)


async def test_words_from_outside_wait_for_the_agents_and_come_before_its_next(floor, now):
    said = []
    async with asyncio.TaskGroup() as group:
        group.create_task(agent(floor, said, times=2))
        await asyncio.sleep(0.5)
        await group.create_task(outsider(floor, said))
        assert now() == pytest.approx(2.0)
    assert said == ["agent", "outside", "agent"]


async def test_who_waits_longest_from_outside_is_next(floor):
    said = []
    async with asyncio.TaskGroup() as group:
        group.create_task(agent(floor, said))
        await asyncio.sleep(0)
        for name in "abc":
            group.create_task(outsider(floor, said, name))
            await asyncio.sleep(0.1)
    assert said == ["agent", "a", "b", "c"]


async def test_an_agent_that_listens_makes_way_and_listens_again(floor, now):
    said = []
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen(floor, said, until_s=3.0))
        await asyncio.sleep(0.5)
        await group.create_task(outsider(floor, said))
        assert now() == pytest.approx(1.5), "at once"
        assert not listening.done()
    assert said == ["makes way", "outside", "listens again"]
    assert floor.turn is TurnState.THINKING


@pytest.mark.parametrize("interrupt", [False, True])
async def test_a_callee_who_speaks_is_let_finish_unless_interrupted(floor, now, interrupt):
    said = []
    async with asyncio.TaskGroup() as group:
        group.create_task(listen(floor, said, callee_speaks=lambda: now() < 1.95, until_s=4.0))
        await asyncio.sleep(0.5)
        await group.create_task(outsider(floor, said, interrupt=interrupt))
        assert now() == pytest.approx(1.5 if interrupt else 3.0)


async def test_nobody_outside_wants_it_once_they_have_it_or_gave_up(floor):
    said = []
    async with floor.verb():
        waiting = asyncio.create_task(outsider(floor, said, interrupt=True))
        await asyncio.sleep(0)
        assert floor.is_wanted(callee_speaks=True)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert not floor.is_wanted(callee_speaks=False)
    await outsider(floor, said)
    assert not floor.is_wanted(callee_speaks=False)


async def test_one_verb_at_a_time(floor):
    async with floor.verb():
        with pytest.raises(ValueError, match="another one"):
            async with floor.verb():
                pass
    async with floor.verb():
        pass


async def test_a_verb_that_fails_gives_the_floor_back(floor):
    with pytest.raises(ZeroDivisionError):
        async with floor.verb():
            raise ZeroDivisionError
    said = []
    await outsider(floor, said)
    assert said == ["outside"]


async def test_a_verb_that_is_cancelled_while_it_waits_gives_nothing_back(floor):
    said = []
    stepped_in = asyncio.create_task(outsider(floor, said))
    await asyncio.sleep(0)
    verb = asyncio.create_task(agent(floor, said))
    await asyncio.sleep(0.5)
    verb.cancel()
    await asyncio.wait({verb})
    assert floor._lock.locked(), "somebody outside still speaks"
    await stepped_in
    await agent(floor, said)
    assert said == ["outside", "agent"]


async def test_the_end_is_told_to_the_verb_that_waits_and_to_every_later_one(floor, now):
    future = asyncio.get_running_loop().create_future()

    async def waits():
        async with floor.verb():
            await floor.wait_for(future, timeout_ms=60_000)

    verb = asyncio.create_task(waits())
    await asyncio.sleep(0.5)
    floor.end()
    with pytest.raises(CallEnded):
        await verb
    assert now() == 0.5
    assert not future.done(), "whose recognition goes on"
    with pytest.raises(CallEnded):
        async with floor.verb():
            pass
    assert now() == pytest.approx(0.5 + INSISTING_S), "who insists is slowed down"


async def test_the_end_wakes_who_waits_for_something_to_happen(floor, now):
    asyncio.get_running_loop().call_later(0.2, floor.wake)
    await floor.wait(1000)
    assert now() == pytest.approx(0.2)
    await floor.wait(300)
    assert now() == pytest.approx(0.5)
    asyncio.get_running_loop().call_later(0.1, floor.end)
    with pytest.raises(CallEnded):
        await floor.wait(1000)
    assert now() == pytest.approx(0.6)
    floor.end()
    assert floor.has_ended


async def test_an_agent_whose_call_ends_while_somebody_outside_speaks_does_not_get_the_floor(floor):
    said = []
    stepped_in = asyncio.create_task(outsider(floor, said))
    await asyncio.sleep(0)
    verb = asyncio.create_task(agent(floor, said))
    await asyncio.sleep(0.5)
    floor.end()
    await stepped_in
    with pytest.raises(CallEnded):
        await verb
    assert said == ["outside"]
    assert not floor._lock.locked()
