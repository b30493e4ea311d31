"""A host whose wall clock jumps by an hour does the others' calls no harm, nor its own."""

import asyncio
import time

import pytest
from sqlalchemy import func, select

from dispatch.silence import ago, due, talked
from outdial import clock
from outdial.calls.workers import Worker
from outdial.clock import Clock
from outdial.db.tables import attempts
from outdial.dispatch.sweep import Sweep
from outdial.telephony.state import CallState
from workspace import until

HOUR_S = 3600.0


class Wall:
    """A wall clock that is so far ahead of the true time."""

    ahead_s = 0.0

    def time(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(clock, "HOUSE", Clock(wall.time))
    return wall


async def swept(workspace) -> None:
    await Sweep(workspace.engine, workspace.settings, None, workspace.open_carrier, owner="worker_sweep").sweep()


async def looked_at_in_s(workspace, attempt_id: str) -> float:
    async with workspace.engine.connect() as conn:
        left = func.extract("epoch", attempts.c.check_at - func.now())
        return float(await conn.scalar(select(left).where(attempts.c.id == attempt_id)))


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
async def test_a_talk_goes_on_and_is_looked_at_when_it_was_to_be(workspace, wall, ahead_s):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, check_at=ago(-15), **talked(5))
    wall.ahead_s = ahead_s
    await swept(workspace)
    assert workspace.carrier.looked_up == []
    await due(workspace, claim.attempt_id, **talked(5))
    await swept(workspace)
    assert workspace.carrier.looked_up == ["CA1"]
    assert workspace.carrier.hung_up == []
    assert (await workspace.call(claim.call_id)).state == "in_progress"
    assert 0 < await looked_at_in_s(workspace, claim.attempt_id) <= 60


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
async def test_a_call_that_is_placed_meanwhile_is_looked_at_in_time(workspace, wall, ahead_s):
    wall.ahead_s = ahead_s
    claim = await workspace.dialed()
    assert 0 < await looked_at_in_s(workspace, claim.attempt_id) <= 60


async def test_a_process_learns_the_time_from_its_database(engine, database_url, wall, caplog):
    wall.ahead_s = HOUR_S
    clock.HOUSE.set(wall.time(), clock.since_boot())  # it has been wrong from the beginning

    async def is_right() -> bool:
        return abs(clock.time() - time.time()) < 2

    assert not await is_right()
    async with Worker(engine, database_url) as worker:
        watching = asyncio.create_task(worker.watch(every_s=0.02))
        await until(is_right)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert "Clock of this computer is wrong" in caplog.messages
