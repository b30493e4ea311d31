import asyncio
import logging

import pytest

from dispatch.silence import ago, due, talked, unknown
from outdial.calls.workers import Worker
from outdial.db.notify import Notifications
from outdial.dispatch.sweep import Sweep
from outdial.lines.audit import give_leaked_seats_back
from outdial.lines.seats import take_seat
from outdial.telephony.state import CallState
from seats import an_older_worker, seats_taken
from workspace import CALLEE, CALLER, OWNER, until

# -- seats ---------------------------------------------------------------------------------------------------


async def test_seats_of_calls_that_an_older_process_has_ended_come_back_with_every_sweep(workspace, sweep, caplog):
    """It knows of no seats. Else a leaked seat is a fault, and looked for once a minute."""
    caplog.set_level(logging.INFO)

    async def leak() -> None:
        async with workspace.engine.begin() as conn:
            assert await take_seat(conn, "att_that_has_ended")

    async def leaked() -> bool:
        return "att_that_has_ended" in await seats_taken(workspace.engine)

    await sweep.sweep()
    async with an_older_worker(workspace.engine):
        for _ in range(2):
            await leak()
            await sweep.sweep()
            assert not await leaked()
        await leak()
    await sweep.sweep()  # the last it has left
    assert not await leaked()
    await leak()
    await sweep.sweep()
    assert await leaked()
    assert {record.levelname for record in caplog.records if record.message.startswith("Seats given")} == {"INFO"}
    await give_leaked_seats_back(workspace.engine, expected=True)


# -- hang-ups ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason"),
    [(CallState.DIALING, "canceled"), (CallState.RINGING, "canceled"), (CallState.IN_PROGRESS, "completed")],
)
async def test_a_hang_up_asked_for_is_done_at_once(workspace, database_url, state, reason):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", state)
    async with Notifications(database_url) as notifications:
        sweep = Sweep(workspace.engine, workspace.settings, notifications, workspace.open_carrier, owner="worker_sweep")
        running = asyncio.create_task(sweep.run())
        await until(lambda: connected(notifications))
        await workspace.ask_hang_up(claim.call_id)
        await workspace.tell("outdial_control", claim.call_id)

        async def ended():
            return (await workspace.call(claim.call_id)).state == "ended"

        await until(ended)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (await workspace.call(claim.call_id)).end_reason == reason
    assert set(workspace.carrier.hung_up) == {"CA1"}  # asked again on a machine that takes long to write it down


async def test_a_dial_of_unknown_outcome_is_looked_for_at_once_when_its_end_is_asked_for(workspace, database_url):
    claim = await unknown(workspace, since=31)
    await workspace.set_attempt(claim.attempt_id, check_at=ago(-60), look_ups=8)
    async with Notifications(database_url) as notifications:
        sweep = Sweep(workspace.engine, workspace.settings, notifications, workspace.open_carrier, owner="worker_sweep")
        running = asyncio.create_task(sweep.run())
        await until(lambda: connected(notifications))
        await asyncio.sleep(0.1)
        await workspace.ask_hang_up(claim.call_id)

        async def ended():
            return (await workspace.call(claim.call_id)).state == "ended"

        await until(ended)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (await workspace.call(claim.call_id)).end_reason == "canceled"


async def connected(notifications):
    return notifications.connected


async def test_a_transferred_call_is_hung_up_at_once_too(workspace, sweep):
    """Its conversation is over, but it holds its line until the carrier ends it."""
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, **talked(5), owner=None)
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.ask_hang_up(claim.call_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "completed", "operator")


async def test_a_call_in_conversation_is_left_to_its_conversation(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, **talked(5))
    await workspace.ask_hang_up(claim.call_id)
    await sweep.sweep()
    assert workspace.carrier.hung_up == []


# -- dead workers --------------------------------------------------------------------------------------------


async def lost_lease(workspace, owner, **columns):
    """A claim whose worker has not been heard of for longer than its lease."""
    await workspace.queue()
    (claim,) = await workspace.claim(owner=owner)
    await due(workspace, claim.attempt_id, lease_until=ago(60), created_at=ago(75), **columns)
    return claim


async def test_a_dead_workers_dial_is_asked_for_and_queued_again(workspace, sweep):
    claim = await lost_lease(workspace, OWNER)
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.state) == ("worker_sweep", "dialing")
    assert attempt.unknown_since > ago(10)  # the books may still be behind
    await due(workspace, claim.attempt_id, unknown_since=ago(31))
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_a_dead_workers_dial_that_was_placed_is_found_and_not_repeated(workspace, sweep):
    claim = await lost_lease(workspace, OWNER)
    workspace.carrier.place("CA1", to=CALLEE, from_=CALLER)
    await sweep.sweep()
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.carrier_call_id, attempt.state) == ("CA1", "dialing")
    assert await workspace.claim() == []


async def test_a_frozen_workers_dial_is_never_taken_over(workspace, sweep, database_url):
    """Its lease has expired long ago, but it holds its lock: it may wake up and take the dial back."""
    async with Worker(workspace.engine, database_url) as frozen:
        claim = await lost_lease(workspace, frozen.id)
        for _ in range(3):
            await sweep.sweep()
            await due(workspace, claim.attempt_id)
        attempt = await workspace.attempt(claim.attempt_id)
        assert (attempt.owner, attempt.state, attempt.unknown_since) == (frozen.id, "dialing", None)
        await workspace.dial(claim)
    assert workspace.carrier.dialed == []
    assert (await workspace.call(claim.call_id)).state == "queued"
    assert await workspace.attempts(claim.call_id) == []


async def test_a_workers_own_dial_that_takes_long_is_left_alone(workspace, database_url):
    async with Worker(workspace.engine, database_url) as worker:
        sweep = Sweep(
            workspace.engine, workspace.settings, Notifications(database_url), workspace.open_carrier, owner=worker.id
        )
        claim = await lost_lease(workspace, worker.id)
        await sweep.sweep()
        assert (await workspace.attempt(claim.attempt_id)).unknown_since is None


async def test_a_lease_that_still_runs_is_respected_even_when_the_worker_is_dead(workspace, sweep):
    await workspace.queue()
    (claim,) = await workspace.claim()
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).owner == OWNER


async def test_a_conversation_whose_worker_died_is_hung_up_and_says_so(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await due(workspace, claim.attempt_id, lease_until=ago(60), stream_opened_at=ago(90))
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "interrupted")
    assert workspace.carrier.hung_up == ["CA1"]


async def test_a_ringing_call_outlives_the_worker_that_dialled_it(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.RINGING)
    await due(workspace, claim.attempt_id, lease_until=ago(60))
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.owner, attempt.unknown_since) == ("ringing", "worker_sweep", None)


# -- the queue and the lines ---------------------------------------------------------------------------------


async def test_a_call_expires_while_no_line_is_free(make_workspace, database_url):
    workspace = await make_workspace(lines=1)
    await workspace.dialed()
    waiting = await workspace.queue(expires_at=ago(1))
    sweep = Sweep(workspace.engine, workspace.settings, Notifications(database_url), workspace.open_carrier, owner="w")
    await sweep.sweep()
    assert (await workspace.call(waiting)).end_reason == "expired"


async def test_nobody_is_taken_over_from_while_a_free_lock_proves_nothing(workspace, database_url):
    """Right after an outage every lock is free, and those who talk are taking theirs anew."""
    may_take_over = False
    sweep = Sweep(
        workspace.engine,
        workspace.settings,
        Notifications(database_url),
        workspace.open_carrier,
        owner="worker_sweep",
        may_take_over=lambda: may_take_over,
    )
    claim = await lost_lease(workspace, "worker_dead")
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).owner == "worker_dead"
    may_take_over = True
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).owner == "worker_sweep"
