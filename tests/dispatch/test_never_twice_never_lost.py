"""The promise, under a hail of deaths: workers are killed in the middle of whatever they do."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from sqlalchemy import func, select, update

from fake_carrier import FakeCarrier
from outdial.carriers.errors import CarrierThrottled, CarrierUncertain, CarrierUnreachable
from outdial.db.notify import Notifications
from outdial.db.tables import attempts, call_events, calls
from outdial.dispatch.dispatcher import Dispatcher
from outdial.dispatch.sweep import Sweep
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import STEPS, CallState, EndReason
from workspace import Agents

PAST = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALLS = 16


class MoodyCarrier(FakeCarrier):
    """Refuses some requests, loses some before they arrive and some replies, and takes its time over all of them."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.asked = asyncio.Event()

    async def place_call(self, request):
        self.asked.set()
        await self._dawdle()
        match self.chance.random():
            case x if x < 0.1:
                raise CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "The carrier could not be reached.")
            case x if x < 0.2:
                raise CarrierThrottled(FailureCode.THROTTLED, "Too many calls.", retry_after_s=0.01)
            case x if x < 0.3:
                raise CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "The carrier did not answer.")
        call = await super().place_call(request)
        await self._dawdle()
        if self.chance.random() < 0.2:
            raise CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "The carrier did not answer.")
        return call

    async def _dawdle(self) -> None:
        await asyncio.sleep(self.chance.random() / 50)


async def kill(dispatcher, running):
    """As far as one process can be its own murderer: no task of it gets to finish what it does."""
    running.cancel()
    for task in (running, *dispatcher._under_way._tasks):
        task.cancel()
    await asyncio.wait({running, *dispatcher._under_way._tasks})


async def states_of_calls(engine):
    """What each call's events say it went through since it was queued."""
    told = select(call_events.c.call_id, call_events.c.data).where(call_events.c.type == "state")
    states = {}
    async with engine.connect() as conn:
        for call_id, data in await conn.execute(told.order_by(call_events.c.id)):
            states.setdefault(call_id, [CallState.QUEUED]).append(CallState(data["state"]))
    return states


async def time_passes(engine):
    """Leases run out, waits are over, everything is due for a look."""
    async with engine.begin() as conn:
        await conn.execute(update(attempts).values(lease_until=PAST, check_at=PAST))
        await conn.execute(update(calls).values(due_at=PAST))


@pytest.mark.parametrize("seed", range(3))
async def test_however_often_workers_die_every_call_is_placed_exactly_once(
    make_workspace, database_url, seed
):
    workspace = await make_workspace(lines=7)
    workspace.carrier = carrier = MoodyCarrier(seed)
    workspace.settings = workspace.settings.model_copy(update={"settle_s": 0, "sweep_every_s": 0.05})
    sweep = Sweep(
        workspace.engine,
        workspace.settings,
        Notifications(database_url),
        workspace.open_carrier,
        owner="worker_sweep",
    )
    for number in range(CALLS):
        await workspace.queue(to=f"+155512300{number:02}")
    chance = random.Random(seed)
    async with Notifications(database_url) as notifications, asyncio.timeout(120):
        for generation in range(100):
            dispatcher = Dispatcher(
                workspace.engine,
                workspace.settings,
                notifications,
                workspace.open_carrier,
                Agents(),
                owner=f"worker_{generation}",  # not in `workers`: dead as soon as its leases are over
            )
            running = asyncio.create_task(dispatcher.run())
            with suppress(TimeoutError):  # every line may be taken
                await asyncio.wait_for(carrier.asked.wait(), 2)  # else a slow machine gets nothing done before it dies
            carrier.asked.clear()
            await asyncio.sleep(chance.random() / 20)
            await kill(dispatcher, running)
            await workspace.recount()
            await time_passes(workspace.engine)
            for _ in range(2):  # the first marks what is unknown, the second resolves it
                await sweep.sweep()
                await time_passes(workspace.engine)
            await end_some(workspace, chance)
            if not await waiting(workspace.engine):
                break
        for _ in range(3):
            await sweep.sweep()
            await time_passes(workspace.engine)
    placed = Counter(to for to, _ in carrier.numbers.values())
    assert placed == {f"+155512300{number:02}": 1 for number in range(CALLS)}
    assert not await waiting(workspace.engine)
    async with workspace.engine.connect() as conn:
        unresolved = select(func.count()).where(attempts.c.state != "ended", attempts.c.carrier_call_id.is_(None))
        assert await conn.scalar(unresolved) == 0
    for states in (await states_of_calls(workspace.engine)).values():
        assert all(after in STEPS[before] for before, after in pairwise(states)), states


async def end_some(workspace, chance):
    """Some conversations are over: lines become free."""
    async with workspace.engine.connect() as conn:
        query = select(attempts.c.id, attempts.c.carrier_call_id).where(
            attempts.c.state != "ended", attempts.c.carrier_call_id.is_not(None)
        )
        for attempt_id, carrier_call_id in (await conn.execute(query)).all():
            if chance.random() < 0.7:
                workspace.carrier.now_is(carrier_call_id, CallState.ENDED, EndReason.NO_ANSWER)
                await workspace.hears(attempt_id, CallState.ENDED, EndReason.NO_ANSWER)


async def waiting(engine):
    async with engine.connect() as conn:
        return await conn.scalar(select(func.count()).where(calls.c.state == "queued"))
