import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from outdial.agents.script.model import ScriptError
from outdial.calls.advance import apply
from outdial.calls.claim import Claimed
from outdial.calls.pace import MOST_OF_ACCOUNT
from outdial.calls.records import lock_attempt
from outdial.carriers.errors import (
    CarrierRefused,
)
from outdial.db.notify import Notifications
from outdial.db.tables import calls, pools
from outdial.dispatch.dispatcher import AT_ONCE, Dispatcher
from outdial.dispatch.under_way import MOST_TO_SEND
from outdial.draining import Drain
from outdial.policy.pauses import pause, resume
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, EndReason, Progress
from outdial.workspaces.audit import COMMAND_LINE
from workspace import CALLER, Agents, logged, until

HELD = "+12025550177"


@asynccontextmanager
async def dispatching(workspace, database_url, *, open_carrier=None, agents=None, drain=None, lock=None):
    async with Notifications(database_url) as notifications:
        dispatcher = Dispatcher(
            workspace.engine,
            workspace.settings,
            notifications,
            open_carrier or workspace.open_carrier,
            agents or Agents(),
            owner="worker_1",
            drain=drain,
            lock=lock,
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def all_calls_are(workspace, state):
    async def check():
        async with workspace.engine.connect() as conn:
            return set((await conn.execute(select(calls.c.state))).scalars()) == {state}

    return check


async def test_calls_that_waited_before_the_start_are_dialled(workspace, database_url):
    await workspace.queue()
    async with dispatching(workspace, database_url):
        await until(lambda: has_dialed(workspace, 1))


async def has_dialed(workspace, times):
    return len(workspace.carrier.dialed) == times


async def test_a_new_call_is_dialled_at_its_notification(workspace, database_url):
    async with dispatching(workspace, database_url):
        await asyncio.sleep(0.1)
        await workspace.queue()
        await workspace.tell("outdial_queue", workspace.id)
        await until(lambda: has_dialed(workspace, 1))


async def test_a_call_is_dialled_when_its_time_has_come(workspace, database_url):
    await workspace.queue(due_at=datetime.now(UTC) + timedelta(seconds=0.3))
    async with dispatching(workspace, database_url):
        await until(lambda: has_dialed(workspace, 1))


async def test_a_queue_longer_than_the_lines_is_worked_through(make_workspace, database_url):
    workspace = await make_workspace(lines=2)

    async def ends(request, carrier_call_id):
        await workspace.hears(request.ref, CallState.ENDED, EndReason.BUSY, carrier_call_id=carrier_call_id)

    workspace.carrier.before_reply = ends
    for _ in range(9):
        await workspace.queue()
    async with dispatching(workspace, database_url):
        await until(all_calls_are(workspace, "ended"))
    assert len(workspace.carrier.dialed) == 9


async def test_a_call_whose_notification_was_lost_is_found_by_looking(workspace, database_url):
    workspace.settings = workspace.settings.model_copy(update={"sweep_every_s": 0.1})
    async with dispatching(workspace, database_url):
        await asyncio.sleep(0.1)
        await workspace.queue()
        await until(lambda: has_dialed(workspace, 1))


async def test_an_account_that_can_not_be_opened_fails_the_call(workspace, database_url):
    async def removed(account_id):
        raise CarrierRefused(FailureCode.ACCOUNT_REMOVED, "The carrier account of this number was removed.")

    await workspace.queue()
    async with dispatching(workspace, database_url, open_carrier=removed):
        await until(all_calls_are(workspace, "ended"))
    assert (await workspace.pool()).used_outbound == 0


@pytest.mark.parametrize("fault", [LookupError("agent version not found"), ScriptError("not a script")])
async def test_a_call_whose_agent_can_not_be_read_fails_at_once(workspace, database_url, fault, caplog):
    class Unreadable:
        async def agent(self, agent_id, version):
            raise fault

    call_id = await workspace.queue()
    async with dispatching(workspace, database_url, agents=Unreadable()):
        await until(all_calls_are(workspace, "ended"))
    call = await workspace.call(call_id)
    assert (call.end_reason, call.error["code"], call.deferrals) == ("failed", "agent_failed", 0)
    assert not call.holds_line
    assert workspace.carrier.dialed == []
    assert "Agent not read" in caplog.messages


async def test_a_call_that_can_not_be_prepared_now_is_dialled_later(workspace, database_url, caplog):
    class NoDatabase:
        async def agent(self, agent_id, version):
            raise ConnectionError("the database is away")

    call_id = await workspace.queue()
    async with dispatching(workspace, database_url, agents=NoDatabase()):

        async def deferred():
            return (await workspace.call(call_id)).deferrals == 1

        await until(deferred)
    assert workspace.carrier.dialed == []
    assert "Dial not prepared" in caplog.messages


async def test_at_the_end_dials_under_way_are_finished(workspace, database_url):
    asked, may_reply = asyncio.Event(), asyncio.Event()

    async def waits(request, carrier_call_id):
        asked.set()
        await may_reply.wait()

    workspace.carrier.before_reply = waits
    call_id = await workspace.queue()
    async with dispatching(workspace, database_url) as running, asyncio.timeout(30):
        await asked.wait()
        running.cancel()
        await asyncio.sleep(0.05)
        assert not running.done()
        may_reply.set()
        await asyncio.wait({running})
    (attempt,) = await workspace.attempts(call_id)
    assert attempt.carrier_call_id == "CA1"


@pytest.mark.parametrize("turns", range(0, 60, 6))
async def test_whenever_it_is_stopped_what_it_has_claimed_is_dialled(workspace, database_url, turns):
    """Cancelled between the claim's commit and the dial, it must not forget what it took."""
    for _ in range(2):
        await workspace.queue()
    async with dispatching(workspace, database_url) as running:
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.sleep(turns / 3000)
        running.cancel()
        await asyncio.wait({running})
    assert len(workspace.carrier.dialed) == (await workspace.pool()).used_outbound


async def test_a_database_that_is_away_does_not_end_the_dispatcher(workspace, database_url, caplog):
    workspace.settings = workspace.settings.model_copy(update={"sweep_every_s": 0.1})
    async with workspace.engine.begin() as conn:
        await conn.execute(text("ALTER TABLE numbers RENAME TO numbers_away"))
    async with dispatching(workspace, database_url) as running:
        await until(lambda: logged(caplog, "Queues not read; trying again"))
        assert not running.done()
        async with workspace.engine.begin() as conn:
            await conn.execute(text("ALTER TABLE numbers_away RENAME TO numbers"))
        await workspace.queue()
        await until(lambda: has_dialed(workspace, 1))


async def test_a_process_that_drains_claims_nothing_and_leaves_it_to_another(workspace, database_url):
    drain = Drain()
    async with dispatching(workspace, database_url, drain=drain):
        await workspace.queue()
        await workspace.tell("outdial_queue", workspace.id)
        await until(lambda: has_dialed(workspace, 1))
        await asyncio.sleep(0.2)  # a look that is under way claims what it finds
        drain.begin()
        call_id = await workspace.queue()
        await workspace.tell("outdial_queue", workspace.id)
        await asyncio.sleep(0.2)
        assert (await workspace.call(call_id)).state == "queued"
        async with dispatching(workspace, database_url):
            await until(lambda: has_dialed(workspace, 2))


class Lock:
    """Of a worker: held or not, as the test says."""

    def __init__(self, *, holds_lock=True):
        self.holds_lock = holds_lock

    async def holds_lock_before(self, deadline):
        return self.holds_lock


async def test_nothing_is_claimed_without_the_workers_lock(workspace, database_url):
    lock = Lock(holds_lock=False)
    call_id = await workspace.queue()
    async with dispatching(workspace, database_url, lock=lock):
        await workspace.tell("outdial_queue", workspace.id)
        await asyncio.sleep(0.5)
        assert await workspace.attempts(call_id) == []
        lock.holds_lock = True
        await workspace.tell("outdial_queue", workspace.id)
        await until(lambda: has_dialed(workspace, 1))


async def test_what_was_claimed_is_not_dialled_once_the_lock_is_lost(workspace, database_url):
    lock = Lock()
    call_id = await workspace.queue()

    async def lose_it(account_id):
        lock.holds_lock = False
        return workspace.carrier

    async with dispatching(workspace, database_url, open_carrier=lose_it, lock=lock):

        async def held_back():
            return any(told.get("held_back") == "too_late" for told in await workspace.events(call_id))

        await until(held_back)
    assert workspace.carrier.dialed == []
    assert (await workspace.call(call_id)).state == "queued"


@pytest.mark.parametrize("of_number", [True, False])
async def test_a_pause_between_claim_and_dial_holds_the_dial_back_until_it_is_resumed(
    workspace, database_url, of_number
):
    subject = (workspace.id, workspace.number_id if of_number else None)
    call_id = await workspace.queue()

    async def pause_it(account_id):
        if await workspace.events(call_id, "state") != [{"state": "dialing", "attempt": 1}]:
            return workspace.carrier
        await pause(workspace.engine, *subject, reason=None, by=COMMAND_LINE)
        return workspace.carrier

    async with dispatching(workspace, database_url, open_carrier=pause_it):

        async def held_back():
            return any(told.get("held_back") == "paused" for told in await workspace.events(call_id))

        await until(held_back)
        await workspace.tell("outdial_queue", workspace.id)
        await asyncio.sleep(0.5)
        assert workspace.carrier.dialed == []
        assert ((await workspace.call(call_id)).state, (await workspace.pool()).used_outbound) == ("queued", 0)
        assert await workspace.attempts(call_id) == []
        await workspace.recount()
        await resume(workspace.engine, *subject, by=COMMAND_LINE)
        await until(lambda: has_dialed(workspace, 1))
    await workspace.recount()


# -- several workspaces --------------------------------------------------------------------------------------


async def test_a_pool_that_somebody_has_keeps_no_other_workspaces_calls_waiting(make_workspace, database_url):
    """And its own calls are dialled as soon as it is free, though nobody tells."""
    held = [await make_workspace() for _ in range(AT_ONCE + 2)]
    other = await make_workspace()
    async with dispatching(other, database_url):
        async with other.engine.begin() as conn:
            ids = [workspace.id for workspace in held]
            await conn.execute(select(pools).where(pools.c.workspace_id.in_(ids)).with_for_update())
            for workspace in held:
                await workspace.queue(to=HELD)
                await workspace.tell("outdial_queue", workspace.id)
            await asyncio.sleep(0.3)  # all of them are being looked at
            for times in range(1, 4):
                await other.queue()
                await other.tell("outdial_queue", other.id)
                async with asyncio.timeout(3):
                    await until(lambda times=times: has_dialed(other, times))
        async with asyncio.timeout(5):
            await until(lambda: has_dialed(other, 3 + len(held)))
    assert [request.to for request in other.carrier.dialed].count(HELD) == len(held)


async def test_who_sees_every_line_taken_just_before_one_is_given_back_is_woken(make_workspace, database_url):
    """The look comes after the change and before its commit, so it sees the pool as it was."""
    workspace = await make_workspace(lines=1)
    first = await workspace.dialed()
    async with dispatching(workspace, database_url):
        async with workspace.engine.begin() as conn:
            held = await lock_attempt(conn, first.attempt_id)
            ended = Progress(state=CallState.ENDED, end_reason=EndReason.BUSY, at=datetime.now(UTC))
            await apply(conn, held, ended, check_in_s=20)
            await workspace.queue()
            await workspace.tell("outdial_queue", workspace.id)
            await asyncio.sleep(0.3)
            assert await has_dialed(workspace, 1)
        await until(lambda: has_dialed(workspace, 2))


async def test_who_is_told_of_while_it_is_looked_at_is_looked_at_once_more(workspace, database_url, monkeypatch):
    """What is looked at may be what was there before."""
    looks, may_go_on = [], asyncio.Event()

    async def claim(engine, workspace_id, **kwargs):
        looks.append(workspace_id)
        await may_go_on.wait()
        return Claimed(claims=[], look_again_in_s=None)

    monkeypatch.setattr("outdial.dispatch.dispatcher.claim_due_calls", claim)
    async with dispatching(workspace, database_url):
        await asyncio.sleep(0.2)
        await workspace.tell("outdial_queue", workspace.id)
        await until(lambda: looked(looks, 1))
        await workspace.tell("outdial_queue", workspace.id)
        await asyncio.sleep(0.2)
        assert looks == [workspace.id]
        may_go_on.set()
        await until(lambda: looked(looks, 2))


async def looked(looks, times):
    return len(looks) == times


# -- no more than can be sent soon -------------------------------------------------------------------------------


async def test_a_slow_carrier_has_no_more_than_so_many_dials_under_way_and_keeps_no_other_account_waiting(
    make_workspace, database_url
):
    workspace = await make_workspace(lines=500)
    _, other_number = await workspace.add_account(e164="+15551230009")
    may_reply = asyncio.Event()

    async def waits(request, carrier_call_id):
        if request.from_ == CALLER:
            await may_reply.wait()

    workspace.carrier.before_reply = waits
    for number in range(MOST_OF_ACCOUNT + 20):
        await workspace.queue(due_at=datetime.now(UTC) - timedelta(seconds=100 - number))
    async with dispatching(workspace, database_url):
        await until(lambda: has_dialed(workspace, MOST_OF_ACCOUNT))
        await workspace.queue(number_id=other_number, from_="+15551230009")
        await workspace.tell("outdial_queue", workspace.id)
        await until(lambda: has_dialed(workspace, MOST_OF_ACCOUNT + 1))
        await asyncio.sleep(0.2)
        assert (await workspace.pool()).used_outbound == MOST_OF_ACCOUNT + 1
        may_reply.set()
        await until(lambda: has_dialed(workspace, MOST_OF_ACCOUNT + 21))


async def test_what_an_account_had_no_room_for_is_dialled_as_soon_as_there_is_some(make_workspace, database_url):
    """Also where the claim that filled it took all that it asked for, and saw nothing more."""
    workspace = await make_workspace(lines=500)
    may_reply = asyncio.Event()

    async def waits(request, carrier_call_id):
        await may_reply.wait()

    workspace.carrier.before_reply = waits
    for _ in range(MOST_OF_ACCOUNT - 5):
        await workspace.queue()
    workspace.settings = workspace.settings.model_copy(update={"sweep_every_s": 600.0})
    async with dispatching(workspace, database_url):
        await until(lambda: has_dialed(workspace, MOST_OF_ACCOUNT - 5))
        for _ in range(10):
            await workspace.queue()
        await workspace.tell("outdial_queue", workspace.id)
        await until(lambda: has_dialed(workspace, MOST_OF_ACCOUNT))
        may_reply.set()
        await until(lambda: has_dialed(workspace, MOST_OF_ACCOUNT + 5))


async def test_a_process_that_can_not_send_leaves_lines_and_calls_to_others(make_workspace, database_url):
    workspace = await make_workspace(lines=500)
    stuck = asyncio.Event()

    class Stuck(Agents):
        async def agent(self, agent_id, version):
            await stuck.wait()
            return await super().agent(agent_id, version)

    accounts = [await workspace.add_account(e164=f"+1555123000{last}") for last in (8, 9)]
    numbers = [workspace.number_id, *(number_id for _, number_id in accounts)]
    for number in range(MOST_TO_SEND + 10):
        await workspace.queue(number_id=numbers[number % 3])
    async with dispatching(workspace, database_url, agents=Stuck()):

        async def claimed():
            return (await workspace.pool()).used_outbound == MOST_TO_SEND

        await until(claimed)
        async with dispatching(workspace, database_url):
            await until(lambda: has_dialed(workspace, 10))
        stuck.set()
        await until(lambda: has_dialed(workspace, MOST_TO_SEND + 10))


async def test_calls_claimed_too_late_fail_nothing_and_a_process_that_is_late_does_not_spin(workspace, database_url):
    """Its lease is over each time before it can dial. Another process dials the call meanwhile."""
    asked = 0

    class Slow(Agents):
        async def agent(self, agent_id, version):
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.05)
            return await super().agent(agent_id, version)

    call_id = await workspace.queue()
    in_time = workspace.settings
    workspace.settings = in_time.model_copy(update={"lease_s": 0.02})
    async with dispatching(workspace, database_url, agents=Slow()):
        await asyncio.sleep(1.5)
        assert 1 <= asked <= 4
        assert (await workspace.call(call_id)).deferrals == 0
        workspace.settings = in_time
        async with dispatching(workspace, database_url):
            await until(lambda: has_dialed(workspace, 1))
