"""Every change of a call: attempt, call, line, event and the words to whoever waits for it, in one statement."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from outdial.calls.changes import change_attempt, end_call, move_on, queue_again
from outdial.calls.records import CALL_COLUMNS, CallRecord, lock_attempt, read_held
from outdial.db.notify import Notifications
from outdial.db.tables import calls
from outdial.lines.seats import audit_seats
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, Ending, EndReason
from workspace import until

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NO_ROUTE = CallError(code=FailureCode.NO_ROUTE, message="No route.", carrier_code="13224")
FAILED = Ending(end_reason=EndReason.FAILED, error=NO_ROUTE)


class Told:
    """What was notified, by channel."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.queues: list[str] = []


@pytest.fixture
async def told(database_url):
    told = Told()
    async with Notifications(database_url) as notifications:
        notifications.subscribe("outdial_call", told.calls.append)
        notifications.subscribe("outdial_queue", told.queues.append)

        async def heard() -> bool:
            return notifications.connected

        await until(heard)
        told.calls.clear()
        told.queues.clear()
        yield told


async def all_told(workspace, told):
    """Everything notified so far has been heard."""
    await workspace.tell("outdial_call", "last")
    await until(lambda: has(told.calls, "last"))
    told.calls.remove("last")


async def has(heard, payload):
    return payload in heard


async def live(workspace, direction):
    """A call that holds a line, and its attempt."""
    claim = await workspace.dialed()
    if direction == "inbound":
        await workspace.set_call(claim.call_id, direction=direction)
        await workspace.set_pool(used_outbound=0, used_inbound=1)
    return claim


@asynccontextmanager
async def locked(workspace, claim):
    async with workspace.engine.begin() as conn:
        held = await lock_attempt(conn, claim.attempt_id)
        yield conn, held.call, held.attempt


async def ended(workspace, claim, *, with_attempt=True):
    async with locked(workspace, claim) as (conn, call, attempt):
        await end_call(conn, call, FAILED, ended_at=NOW, attempt=attempt if with_attempt else None)


async def ended_alone(workspace, claim):
    await ended(workspace, claim, with_attempt=False)


async def queued(workspace, claim):
    async with locked(workspace, claim) as (conn, call, attempt):
        await queue_again(conn, call, attempt, NOW, why={"error": None})


# -- lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
@pytest.mark.parametrize("over", [ended, ended_alone, queued])
async def test_a_line_is_given_back_once_however_often_its_call_is_over(workspace, direction, over):
    await workspace.dialed()  # another outbound call
    claim = await live(workspace, direction)
    await workspace.set_pool(used_outbound=2 if direction == "outbound" else 1)
    for _ in range(2):
        await over(workspace, claim)
        pool = await workspace.pool()
        assert (pool.used_outbound, pool.used_inbound) == (1, 0)
        assert not (await workspace.call(claim.call_id)).holds_line
    await workspace.set_attempt(claim.attempt_id, state="ended")  # for the count of attempts
    async with workspace.engine.begin() as conn:
        assert await audit_seats(conn) == (over is ended_alone)  # a seat is the attempt's


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
async def test_a_call_that_moves_on_keeps_its_line(workspace, direction):
    claim = await live(workspace, direction)
    async with locked(workspace, claim) as (conn, call, attempt):
        await move_on(conn, call, moved(attempt, CallState.RINGING), at=NOW, check_in_s=20)
    pool = await workspace.pool()
    assert pool.used_outbound + pool.used_inbound == 1
    assert (await workspace.call(claim.call_id)).holds_line
    if direction == "inbound":
        await ended(workspace, claim)


async def test_a_call_that_waits_has_no_line_to_give_back(workspace):
    await workspace.dialed()
    waiting = await workspace.queue()
    async with workspace.engine.begin() as conn:
        call = await the_call(conn, waiting)
        await end_call(conn, call, Ending(end_reason=EndReason.CANCELED), ended_at=NOW)
    assert (await workspace.pool()).used_outbound == 1


async def the_call(conn, call_id):
    return CallRecord.of((await conn.execute(select(*CALL_COLUMNS).where(calls.c.id == call_id))).mappings().one())


# -- who is told -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pool", "direction", "wakes"),
    [
        ({"lines": 5}, "outbound", False),
        ({"lines": 1}, "outbound", True),
        ({"lines": 1}, "inbound", True),
        ({"lines": 3, "reserved_inbound": 2}, "outbound", True),
        ({"lines": 4, "reserved_inbound": 2}, "outbound", False),
        ({"lines": 0}, "outbound", True),  # made fewer while it was up
    ],
)
async def test_the_end_of_a_call_wakes_the_dispatchers_where_no_line_was_free(workspace, told, pool, direction, wakes):
    claim = await live(workspace, direction)
    await all_told(workspace, told)
    told.calls.clear()
    told.queues.clear()
    await workspace.set_pool(**pool)
    await ended(workspace, claim)
    await all_told(workspace, told)
    assert told.calls == [claim.call_id]
    assert told.queues == ([workspace.id] if wakes else [])
    await workspace.set_attempt(claim.attempt_id, state="ended")


async def test_a_call_that_waits_again_always_wakes_the_dispatchers(workspace, told):
    """It is due at an instant of its own."""
    claim = await live(workspace, "outbound")
    await all_told(workspace, told)
    told.queues.clear()
    await queued(workspace, claim)
    await all_told(workspace, told)
    assert told.queues == [workspace.id]
    await workspace.set_attempt(claim.attempt_id, state="ended")


async def test_nothing_is_told_of_a_change_that_was_rolled_back(workspace, told):
    claim = await live(workspace, "outbound")
    await all_told(workspace, told)
    told.calls.clear()
    async with workspace.engine.connect() as conn:
        held = await lock_attempt(conn, claim.attempt_id)
        await end_call(conn, held.call, FAILED, ended_at=NOW, attempt=held.attempt)
        await conn.rollback()
    await all_told(workspace, told)
    assert told.calls == []
    assert (await workspace.pool()).used_outbound == 1
    assert len(await workspace.events(claim.call_id)) == 1


# -- what is on record -----------------------------------------------------------------------------------------


def moved(attempt, state, **facts):
    return replace(attempt, state=state, **facts)


async def test_a_call_follows_its_attempt(workspace):
    claim = await workspace.dialed()
    answered = NOW + timedelta(seconds=4)
    async with locked(workspace, claim) as (conn, call, attempt):
        ringing = moved(attempt, CallState.RINGING, ringing_at=NOW)
        assert await move_on(conn, call, ringing, at=NOW, check_in_s=20) is CallState.RINGING
    async with locked(workspace, claim) as (conn, call, attempt):
        talking = moved(attempt, CallState.IN_PROGRESS, answered_at=answered)
        await move_on(conn, call, talking, at=answered, check_in_s=20)
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (call.state, call.answered_at) == ("in_progress", answered)
    assert (attempt.state, attempt.ringing_at, attempt.answered_at) == ("in_progress", NOW, answered)
    assert (await workspace.events(claim.call_id, "state"))[1:] == [
        {"state": "ringing", "attempt": 1, "at": NOW.isoformat()},
        {"state": "in_progress", "attempt": 1, "at": answered.isoformat()},
    ]


async def test_a_call_ends_with_its_last_attempt(workspace):
    claim = await workspace.dialed()
    async with locked(workspace, claim) as (conn, call, attempt):
        over = moved(
            attempt,
            CallState.ENDED,
            answered_at=NOW,
            ended_at=NOW + timedelta(seconds=9),
            end_reason=EndReason.FAILED,
            error=NO_ROUTE,
        )
        await end_call(conn, call, FAILED, ended_at=over.ended_at, attempt=over)
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    for row in (call, attempt):
        assert (row.state, row.end_reason, row.error) == ("ended", "failed", NO_ROUTE.to_json())
        assert (row.answered_at, row.ended_at) == (NOW, NOW + timedelta(seconds=9))
    assert attempt.price_due_at > datetime.now(UTC) + timedelta(seconds=170)
    assert (await workspace.events(claim.call_id, "state"))[-1] == {
        "state": "ended",
        "end_reason": "failed",
        "ended_by": "carrier",
        "outcome": None,
        "attempt": 1,
        "error": NO_ROUTE.to_json(),
    }


async def test_a_call_that_waits_again_forgets_who_answered(workspace):
    claim = await workspace.dialed()
    await workspace.set_call(claim.call_id, answered_at=NOW, answered_by={"category": "machine", "evidence": []})
    async with locked(workspace, claim) as (conn, call, attempt):
        over = moved(attempt, CallState.ENDED, ended_at=NOW, end_reason=EndReason.MACHINE)
        due_at = NOW + timedelta(minutes=5)
        await queue_again(conn, call, over, due_at, why={"attempt_end_reason": EndReason.MACHINE, "error": None})
    call = await workspace.call(claim.call_id)
    assert (call.state, call.due_at, call.answered_at, call.answered_by) == ("queued", due_at, None, None)
    assert (await workspace.events(claim.call_id, "state"))[-1] == {
        "state": "queued",
        "attempt": 1,
        "attempt_end_reason": "machine",
        "error": None,
        "next_attempt_at": due_at.isoformat(),
    }


async def test_a_change_of_the_attempt_alone_is_no_event(workspace):
    claim = await workspace.dialed()
    async with locked(workspace, claim) as (conn, _, attempt):
        call = CarrierCall(id="CA1", refs={"call_leg_id": "leg-1"})
        await change_attempt(conn, moved(attempt, attempt.state, carrier_call=call), check_in_s=60)
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.carrier_refs == {"call_leg_id": "leg-1"}
    assert attempt.check_at > datetime.now(UTC) + timedelta(seconds=50)
    assert len(await workspace.events(claim.call_id)) == 1


async def test_two_ends_at_once_give_one_line_back(workspace):
    claim = await workspace.dialed()
    await workspace.dialed()
    await asyncio.gather(*(ended(workspace, claim) for _ in range(4)))
    assert (await workspace.pool()).used_outbound == 1
    assert (await read_held(workspace.engine, claim.attempt_id)).call.holds_line is False
    await workspace.set_attempt(claim.attempt_id, state="ended")
