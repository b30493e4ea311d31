"""Seats: which are taken, that they come back, and who waits for one."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from outdial.calls.claim import claim_due_calls
from outdial.db.notify import Notifications
from outdial.db.tables import calls, seats
from outdial.db.wake import Wake
from outdial.dispatch.dispatcher import Dispatcher
from outdial.history.views import get_call
from outdial.history.waiting import WaitReason
from outdial.lines.audit import give_leaked_seats_back
from outdial.lines.seats import Seat, close_seats, open_seats, seat_of, seat_to_return_to, take_seat
from outdial.telephony.state import CallState, EndReason
from seats import give_seats, seats_taken, set_worker
from workspace import Agents, logged, until

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def only(engine, workspace):
    """Makes workers with so many seats each; there are no others."""

    async def only(**many):
        await set_worker(engine, "worker_seats", seen_at=None)
        for worker_id, number in many.items():
            await give_seats(engine, number, worker_id=worker_id, stream_url=f"wss://{worker_id}.example")

    return only


@pytest.fixture
def by_hand(workspace):
    """Seats are taken for attempts that there are none of."""
    workspace.is_as_it_came = False


async def take(engine, attempt_id):
    async with engine.begin() as conn:
        return await take_seat(conn, attempt_id)


def places(taken):
    return sorted(taken.values())


# -- which -----------------------------------------------------------------------------------------------------


async def test_a_call_sits_where_most_seats_are_free_and_its_audio_goes_there(workspace, only):
    await only(one=2, two=4)
    for _ in range(5):
        await workspace.queue()
    claims = await workspace.claim()
    assert places(await seats_taken(workspace.engine)) == ["one", "one", "two", "two", "two"]
    assert [claim.seat.worker_id for claim in claims[:2]] == ["two", "two"]
    for claim in claims:
        assert claim.seat.stream_url == f"wss://{claim.seat.worker_id}.example"
    assert await seats_taken(workspace.engine) == {claim.attempt_id: claim.seat.worker_id for claim in claims}
    await workspace.dial(claims[0])
    (request,) = workspace.carrier.dialed
    host = f"wss://{claims[0].seat.worker_id}.example"
    assert request.stream_url == f"{host}/media/twilio/{claims[0].attempt_id}/{claims[0].stream_token}"


async def test_seats_are_taken_one_by_one_the_same_way(engine, only, by_hand):
    await only(one=1, two=3)
    assert [(await take(engine, f"att_{n}")).worker_id for n in range(2)] == ["two", "two"]
    assert {(await take(engine, f"att_{n}")).worker_id for n in range(2, 4)} == {"one", "two"}
    assert await take(engine, "att_5") is None


@pytest.mark.parametrize(
    "unwell",
    [
        {"seen_at": None},
        {"seen_at": LONG_AGO},
        {"seen_at": func.now() - timedelta(seconds=8), "lease_s": 15.0},
        {"draining": True},
        {"drain_requested_at": LONG_AGO},
        {"stream_url": None},
    ],
    ids=lambda columns: " ".join(columns),
)
async def test_a_worker_that_is_not_seen_or_drains_gives_no_seat(workspace, engine, only, unwell):
    await only(one=2, two=50)
    await set_worker(engine, "two", **unwell)
    for _ in range(3):
        await workspace.queue()
    assert [claim.seat.worker_id for claim in await workspace.claim()] == ["one", "one"]


async def test_no_more_calls_sit_than_there_are_seats_however_many_claim_at_once(make_workspace, engine, only):
    workspaces = [await make_workspace(lines=10) for _ in range(3)]
    await only(one=4, two=3)
    for each in workspaces:
        for _ in range(6):
            await each.queue()
    for _ in range(4):  # whoever found those that are left locked looks again
        await asyncio.gather(*(each.claim() for each in workspaces))
    assert places(await seats_taken(engine)) == ["one"] * 4 + ["two"] * 3
    for each in workspaces:
        held = select(func.count()).where(calls.c.workspace_id == each.id, calls.c.holds_line)
        async with engine.connect() as conn:
            assert (await each.pool()).used_outbound == await conn.scalar(held)


async def test_who_is_taking_the_last_seat_is_not_waited_for(workspace, engine, only):
    await only(one=2)
    await workspace.queue()
    async with engine.connect() as conn, asyncio.timeout(5):
        await conn.execute(select(seats).with_for_update())
        claimed = await claim_due_calls(engine, workspace.id, owner="worker_1", lease_s=15)
        assert (claimed.claims, claimed.without_seat) == ([], True)
        assert claimed.look_again_in_s is not None  # perhaps they take none after all
        await conn.rollback()
    assert len(await workspace.claim()) == 1
    assert (await workspace.pool()).used_outbound == 1


# -- waiting ---------------------------------------------------------------------------------------------------


async def test_without_a_free_seat_a_call_waits_and_says_so(workspace, engine, only):
    await only(one=1)
    first, second = await workspace.queue(), await workspace.queue()
    assert len(await workspace.claim()) == 1
    claimed = await claim_due_calls(engine, workspace.id, owner="worker_1", lease_s=15)
    assert (claimed.claims, claimed.look_again_in_s, claimed.without_seat) == ([], None, True)
    assert (await workspace.pool()).used_outbound == 1
    async with engine.connect() as conn:
        views = [await get_call(conn, workspace.id, call_id, base_url="") for call_id in (first, second)]
    (waits,) = [view["waiting_for"] for view in views if view["state"] == "queued"]
    assert (waits["reason"], waits["position"], waits["expected_at"]) == (WaitReason.SEAT, 1, None)


async def test_a_freed_seat_wakes_whoever_waits_one_workspace_after_the_other(
    make_workspace, engine, only, database_url
):
    """They are woken by the seat alone: none of them is looked at in vain."""
    workspaces = [await make_workspace(lines=5) for _ in range(3)]
    await only(one=1)
    (busy, *others) = workspaces
    claim = await busy.dialed()
    for each in others:
        await each.queue()
    settings = busy.settings.model_copy(update={"sweep_every_s": 600.0})
    async with Notifications(database_url) as notifications:
        dispatcher = Dispatcher(engine, settings, notifications, busy.open_carrier, Agents(), owner="worker_1")
        running = asyncio.create_task(dispatcher.run())

        async def all_wait():
            return len(dispatcher._without_seat) == len(others)

        await until(all_wait)
        await busy.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
        for number in range(2, 4):

            async def is_dialed(number=number):
                return len(busy.carrier.dialed) == number

            await until(is_dialed)
            ref = busy.carrier.dialed[-1].ref
            await busy.hears(ref, CallState.ENDED, EndReason.BUSY)
        running.cancel()
        await asyncio.wait({running})


async def test_who_gives_back_a_seat_that_others_are_free_beside_wakes_nobody(workspace, engine, only, database_url):
    await only(one=2)
    claim = await workspace.dialed()
    async with Notifications(database_url) as notifications:
        wake = Wake(lambda payload: True)
        with wake.listening(notifications, "outdial_seat"):
            await wake.wait(5)
            await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
            await workspace.dialed()
            last = await workspace.dialed()
            assert await wake.wait(0.3) == {""}  # nothing was told
            told = asyncio.create_task(wake.wait(5))
            await workspace.hears(last.attempt_id, CallState.ENDED, EndReason.BUSY)
            assert await told == {""}


# -- given back ------------------------------------------------------------------------------------------------


async def test_a_seat_is_given_back_with_the_line(workspace, engine):
    ended, refused = await workspace.dialed(), await workspace.dialed()
    assert len(await seats_taken(engine)) == 2
    await workspace.hears(ended.attempt_id, CallState.IN_PROGRESS)
    assert len(await seats_taken(engine)) == 2
    await workspace.hears(ended.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await workspace.hears(refused.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert await seats_taken(engine) == {}


async def test_a_seat_that_leaked_comes_back_and_that_of_a_live_call_stays(workspace, engine, caplog):
    claim = await workspace.dialed()
    async with engine.begin() as conn:
        await take_seat(conn, "att_that_never_was")
    await give_leaked_seats_back(engine)
    assert list(await seats_taken(engine)) == [claim.attempt_id]
    assert await logged(caplog, "Seats given back: their calls are over")


async def test_a_worker_that_drains_has_no_free_seat_once_those_being_taken_are_taken(engine, only, by_hand):
    await only(one=3)
    async with engine.begin() as taking:
        seat = await take_seat(taking, "att_1")

        async def close():
            async with engine.begin() as conn:
                await close_seats(conn, "one")

        closing = asyncio.create_task(close())
        await asyncio.sleep(0.05)
        assert not closing.done()
    await closing
    assert seat == Seat(worker_id="one", stream_url="wss://one.example")
    async with engine.begin() as conn:
        ours = select(func.count()).where(seats.c.worker_id == "one")
        assert await conn.scalar(ours) == 1
        await open_seats(conn, "one", 3)
        assert await conn.scalar(ours.where(seats.c.attempt_id.is_(None))) == 2


# -- returns from a transfer -----------------------------------------------------------------------------------


async def test_a_call_comes_back_to_its_seat_or_to_another_where_its_worker_gives_no_more(engine, only, by_hand):
    await only(one=2, two=1)
    await take(engine, "att_1")

    async def returns_to():
        async with engine.begin() as conn:
            seat = await seat_to_return_to(conn, "att_1")
            assert seat is None or seat == await seat_of(conn, "att_1")
            return seat and seat.worker_id

    assert await returns_to() == "one"
    await set_worker(engine, "one", draining=True)
    assert await returns_to() == "two"
    assert places(await seats_taken(engine)) == ["two"]
    await set_worker(engine, "two", draining=True)
    assert await returns_to() == "two"  # it lives, and there is no other
    await set_worker(engine, "two", seen_at=None)
    assert await returns_to() is None


async def test_a_call_without_a_seat_gets_one_when_it_comes_back(engine, by_hand):
    async with engine.begin() as conn:
        seat = await seat_to_return_to(conn, "att_1")
    assert seat.worker_id == "worker_seats"
    assert await seats_taken(engine) == {"att_1": "worker_seats"}


async def test_seats_go_with_their_worker(engine, workspace, only):
    await only(one=2)
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM workers WHERE id = 'one'"))
        assert await conn.scalar(select(func.count()).where(seats.c.worker_id == "one")) == 0
