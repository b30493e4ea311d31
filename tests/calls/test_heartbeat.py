"""What a worker says of itself, and how it is asked to drain from elsewhere."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from outdial.calls.heartbeat import Heartbeat, Station, ask_to_drain
from outdial.calls.workers import Worker, forget_dead_workers
from outdial.db.engine import autocommit
from outdial.db.notify import Notifications, notify
from outdial.db.tables import seats, workers
from outdial.draining import Drain
from outdial.history.workers import WorkerState, list_workers
from outdial.refusals import NotFound
from outdial.version import __version__
from seats import give_seats, seats_taken, set_worker
from workspace import until

STATION = Station(
    roles={"media", "api"}, stream_url="wss://one.example", internal_url="http://10.0.0.1", seats=3, lease_s=15.0
)


@pytest.fixture
def drain():
    return Drain()


@pytest.fixture
def heartbeat(engine, worker, drain):
    return Heartbeat(engine, worker.id, STATION, drain, lambda: 2)


async def rows(engine):
    async with engine.connect() as conn:
        return {view.id: view for view in await list_workers(conn)}


async def test_a_worker_says_what_it_is_there_for_and_has_its_seats(engine, worker, heartbeat):
    assert (await rows(engine))[worker.id].state is WorkerState.AWAY
    await heartbeat.beat()
    view = (await rows(engine))[worker.id]
    assert (view.state, view.roles, view.version) == (WorkerState.SERVES, ("api", "media"), __version__)
    assert (view.stream_url, view.internal_url) == ("wss://one.example", "http://10.0.0.1")
    assert (view.seats, view.taken, view.free, view.live) == (3, 0, 3, 2)


async def test_a_worker_that_begins_to_drain_gives_its_seats_up_and_says_so(
    engine, workspace, worker, heartbeat, drain
):
    await set_worker(engine, "worker_seats", seen_at=None)
    await heartbeat.beat()
    claim = await workspace.dialed()
    drain.begin()
    await heartbeat.close()
    view = (await rows(engine))[worker.id]
    assert (view.state, view.taken, view.free) == (WorkerState.DRAINS, 1, 0)
    assert list(await seats_taken(engine)) == [claim.attempt_id]
    await workspace.queue()
    assert await workspace.claim() == []


async def test_a_worker_drains_when_it_is_asked_to_and_takes_calls_again_when_that_is_taken_back(
    engine, workspace, worker, heartbeat, drain
):
    await set_worker(engine, "worker_seats", seen_at=None)
    await heartbeat.beat()
    await ask_to_drain(engine, worker.id, wanted=True)
    await workspace.queue()
    assert await workspace.claim() == []  # before it has heard of it
    await heartbeat.beat()
    assert (drain.has_begun, drain.is_asked_for, drain.stops) == (True, True, False)
    assert (await rows(engine))[worker.id].free == 0
    await ask_to_drain(engine, worker.id, wanted=False)
    await heartbeat.beat()
    await heartbeat.beat()
    assert not drain.has_begun
    assert len(await workspace.claim()) == 1


async def test_who_is_to_stop_goes_on_draining_whatever_others_take_back(engine, worker, heartbeat, drain):
    drain.begin()
    await ask_to_drain(engine, worker.id, wanted=False)
    await heartbeat.beat()
    assert (drain.has_begun, (await rows(engine))[worker.id].state) == (True, WorkerState.DRAINS)


async def test_an_unknown_worker_can_not_be_asked(engine):
    with pytest.raises(NotFound):
        await ask_to_drain(engine, "worker_unknown", wanted=True)


async def test_a_worker_whose_lock_is_free_gives_no_more_seats_at_the_next_beat_of_another(
    engine, database_url, worker, heartbeat, workspace
):
    await set_worker(engine, "worker_seats", seen_at=None)
    async with Worker(engine, database_url) as other:
        await Heartbeat(engine, other.id, STATION, Drain()).beat()
        await heartbeat.beat()
        assert (await rows(engine))[other.id].state is WorkerState.SERVES

    async def is_away():
        await heartbeat.beat()
        return (await rows(engine))[other.id].state is WorkerState.AWAY

    await until(is_away)
    await workspace.queue()
    (claim,) = await workspace.claim()
    assert claim.seat.worker_id == worker.id


async def test_one_that_has_missed_beats_shows_no_free_seat_and_tells_who_waits_when_it_gives_some_again(
    engine, database_url, worker, heartbeat
):
    """Calls that found no seat meanwhile would wait for the next look at all queues."""
    heard = []

    async def is_heard():
        return bool(heard)

    await heartbeat.beat()
    async with Notifications(database_url) as notifications:
        notifications.subscribe("outdial_seat", heard.append)
        await until(is_heard)  # it is listened to
        for missed_s, free, told in ((4, 3, ["end"]), (9, 0, ["", "end"])):
            heard.clear()
            await set_worker(engine, worker.id, seen_at=func.clock_timestamp() - timedelta(seconds=missed_s))
            view = (await rows(engine))[worker.id]
            assert (view.state, view.free) == (WorkerState.SERVES, free)
            await heartbeat.beat()
            async with autocommit(engine) as conn:
                await notify(conn, "outdial_seat", "end")
            await until(lambda: is_the_last(heard))
            assert heard == told
            assert (await rows(engine))[worker.id].free == 3


async def is_the_last(heard):
    return heard[-1:] == ["end"]


async def test_it_beats_in_time_and_at_once_when_it_drains(engine, worker, drain):
    station = Station(roles=(), stream_url="wss://one.example", internal_url=None, seats=2, lease_s=600.0)
    up = asyncio.Event()
    heartbeat = Heartbeat(engine, worker.id, station, drain, after=up)
    running = asyncio.create_task(heartbeat.run())

    async def state():
        return (await rows(engine))[worker.id].state

    await asyncio.sleep(0.05)
    assert await state() is WorkerState.AWAY  # it can't be reached yet
    up.set()

    async def serves():
        return await state() is WorkerState.SERVES

    async def drains():
        return await state() is WorkerState.DRAINS

    await until(serves)
    drain.begin()
    await until(drains)
    running.cancel()


async def test_a_worker_that_is_seen_is_not_forgotten_though_its_lock_is_free(engine, workspace):
    await give_seats(engine, 1, worker_id="worker_gone", seen_at=func.now() - timedelta(days=2))
    await forget_dead_workers(engine)
    async with engine.connect() as conn:
        assert set((await conn.execute(select(workers.c.id))).scalars()) == {"worker_seats"}
        assert await conn.scalar(select(func.count()).where(seats.c.worker_id == "worker_gone")) == 0
