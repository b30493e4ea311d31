"""Several processes at one inbox: each callback handled by one of them, each attempt's in order, whatever happens."""

import asyncio
from base64 import b64encode
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from callbacks.told import BOX, CALL_SID, CONTROL_ID, receive, stored, telnyx_says
from outdial.accounts.genuine import Genuine
from outdial.callbacks.inbox import _LEFT, AT_ONCE, Inbox
from outdial.calls.dial_outcome import defer
from outdial.carriers.callbacks import TRANSFER_FAILED
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import attempts, callbacks, pools
from outdial.telephony.failures import CallError, FailureCode
from workspace import logged, until

NOT_SENT = CallError(code=FailureCode.CARRIER_UNREACHABLE, message="The carrier could not be reached.")


class Watched(Inbox):
    """It remembers what it handled."""

    def __init__(self, workspace, engine) -> None:
        super().__init__(engine, workspace.settings, Genuine(engine, BOX), workspace.open_carrier)
        self.engine = engine
        self.handled: list[int] = []

    async def _handle(self, conn, held, stored):
        self.handled.append(stored.id)
        return await super()._handle(conn, held, stored)


@pytest.fixture
async def processes(workspace, inbox, database_url):
    """Three, each with connections of its own."""
    engines = [create_engine(database_url) for _ in range(3)]
    yield [Watched(workspace, engine) for engine in engines]
    for engine in engines:
        await put_away(engine)


@asynccontextmanager
async def running(*inboxes):
    """What they have begun is finished at the end."""
    tasks = [asyncio.create_task(inbox.run()) for inbox in inboxes]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def all_handled(workspace, at_least=1):
    async def check():
        rows = await stored(workspace)
        return len(rows) >= at_least and all(row.handled_at is not None for row in rows)

    return check


async def claimed(workspace):
    await workspace.queue()
    (claim,) = await workspace.claim()
    return claim


def sid(number):
    return f"CA{number:032d}"


# -- one callback, three processes -----------------------------------------------------------------------------


async def test_every_callback_is_handled_by_one_process_and_each_attempts_in_order(workspace, processes):
    await workspace.set_pool(lines=12)
    claims = [await claimed(workspace) for _ in range(12)]
    said = ("initiated", "ringing", "in-progress", "completed")
    async with running(*processes):
        for status in said:
            for number, claim in enumerate(claims):
                told = processes[(number + said.index(status)) % 3]
                await receive(told, claim.attempt_id, CallSid=sid(number), CallStatus=status, CallDuration="3")
        await until(all_handled(workspace, len(claims) * len(said)))
    handled = Counter(id_ for process in processes for id_ in process.handled)
    assert set(handled.values()) == {1}
    assert len(handled) == len(claims) * len(said)
    for claim in claims:
        assert [event["state"] for event in await workspace.events(claim.call_id, "state")] == [
            "dialing", "ringing", "in_progress", "ended",
        ]  # fmt: skip
        assert await order_of(workspace, claim) == sorted(await order_of(workspace, claim))
    assert (await workspace.pool()).used_outbound == 0


async def order_of(workspace, claim):
    """The transactions that handled an attempt's callbacks, by the order in which these came."""
    query = select(text("xmin::text::bigint")).select_from(callbacks).where(callbacks.c.attempt_id == claim.attempt_id)
    async with workspace.engine.connect() as conn:
        return list((await conn.execute(query.order_by(callbacks.c.id))).scalars())


async def test_what_came_to_three_processes_at_once_is_handled_once(workspace, processes, claim):
    """A carrier that got no answer from one asks the next."""
    async with running(*processes):
        await asyncio.gather(*(receive(each, claim.attempt_id, CallStatus="busy") for each in processes))
        await until(all_handled(workspace))
    assert sum(len(each.handled) for each in processes) == 1
    assert (await workspace.pool()).used_outbound == 0


async def test_a_failed_transfer_is_apologised_for_once(workspace, telnyx_inbox, processes, claim):
    state = b64encode(f"transfer:{CONTROL_ID}".encode()).decode()
    other_leg = {"call_control_id": "v3:other", "client_state": state, "hangup_cause": "user_busy"}
    async with running(*processes):
        for each in processes:
            await telnyx_says(each, claim.attempt_id, "call.hangup", **other_leg)
        await until(all_handled(workspace))
    assert workspace.carrier.said == [(CONTROL_ID, TRANSFER_FAILED)]


# -- a process that dies ---------------------------------------------------------------------------------------


async def test_a_callback_whose_process_was_killed_in_the_middle_is_handled_by_another(workspace, processes, claim):
    killed, other, _ = processes
    await receive(killed, claim.attempt_id, CallStatus="busy")
    async with workspace.engine.begin() as conn:
        await conn.execute(select(pools).with_for_update())  # where the line is given back, it waits
        handling = asyncio.create_task(killed._handle_next(claim.attempt_id))
        await until(lambda: waits(workspace))
        await conn.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE datname = current_database() AND wait_event_type = 'Lock'"))
        with pytest.raises(OperationalError):
            await handling
        assert [row.handled_at for row in await stored(workspace)] == [None]
        assert (await workspace.call(claim.call_id)).state == "dialing"
    async with running(other):
        await until(all_handled(workspace))
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.holds_line, (await workspace.pool()).used_outbound) == ("busy", False, 0)
    assert len(await workspace.events(claim.call_id, "state")) == 2


async def test_a_callback_whose_process_was_frozen_in_the_middle_is_handled_later(workspace, processes, claim):
    """The database has ended the session of who was silent in a transaction."""
    frozen, *_ = processes
    handle = frozen._handle

    async def handle_after_a_while(conn, held, stored):
        frozen._handle = handle
        await conn.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        await asyncio.sleep(0.3)
        return await handle(conn, held, stored)

    frozen._handle = handle_after_a_while
    async with running(frozen):
        await receive(frozen, claim.attempt_id, CallStatus="busy")
        await until(all_handled(workspace))
    assert (await workspace.call(claim.call_id)).end_reason == "busy"


async def test_a_callback_that_comes_just_as_others_turn_out_to_be_handled_is_not_left(workspace, processes, claim):
    """Another process has handled the first one; the second comes between the look at it and its answer."""
    here, other, _ = processes
    workspace.settings = workspace.settings.model_copy(update={"sweep_every_s": 600})
    here._settings = workspace.settings
    handle_next, looked = here._handle_next, []

    async def handle_next_slowly(attempt_id):
        if not looked:
            await other._handle_next(attempt_id)
        handled = await handle_next(attempt_id)
        if not looked:
            looked.append(handled)
            await receive(here, claim.attempt_id, CallStatus="busy")
        return handled

    async with running(here):
        await until(lambda: idle(here))
        here._handle_next = handle_next_slowly
        await receive(here, claim.attempt_id)
        await until(all_handled(workspace, 2))
    assert looked == [None]
    assert (await workspace.call(claim.call_id)).end_reason == "busy"


async def idle(inbox):
    return not inbox._at_work and not len(inbox._background)


async def test_many_that_were_left_are_handled_in_one_go(workspace, processes, monkeypatch):
    monkeypatch.setattr("outdial.callbacks.inbox.LEFT_AT_ONCE", 2)
    monkeypatch.setattr("outdial.callbacks.inbox._LEFT", _LEFT.limit(2))
    here, died, _ = processes
    here._settings = workspace.settings.model_copy(update={"sweep_every_s": 600})
    await workspace.set_pool(lines=7)
    for number, claim in enumerate([await claimed(workspace) for _ in range(7)]):
        await receive(died, claim.attempt_id, CallSid=sid(number))
    async with running(here):
        await until(all_handled(workspace, 7))


async def waits(workspace, how_many=1):
    """So many wait for a lock."""
    async with workspace.engine.connect() as conn:
        return await conn.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")) == how_many


# -- who has to wait for whom ----------------------------------------------------------------------------------


@pytest.mark.parametrize("came", ["to this process", "to one that died"])
async def test_locked_attempts_delay_their_own_callbacks_only(workspace, processes, came):
    """Whoever has them may be frozen, however many there are."""
    await workspace.set_pool(lines=AT_ONCE + 3)
    locked = [await claimed(workspace) for _ in range(AT_ONCE + 2)]
    free = await claimed(workspace)
    here, died, _ = processes
    async with workspace.engine.begin() as conn:
        ids = [claim.attempt_id for claim in locked]
        await conn.execute(select(attempts).where(attempts.c.id.in_(ids)).with_for_update(key_share=True))
        for number, claim in enumerate([*locked, free]):
            await receive(here if came == "to this process" else died, claim.attempt_id, CallSid=sid(number))
        async with running(here):

            async def rings():
                return (await workspace.call(free.call_id)).state == "ringing"

            async with asyncio.timeout(5):
                await until(rings)
            assert {(await workspace.call(claim.call_id)).state for claim in locked} == {"dialing"}
            await conn.rollback()
            await until(all_handled(workspace))
    assert {(await workspace.call(claim.call_id)).state for claim in locked} == {"ringing"}


async def test_a_callback_the_database_refuses_does_not_stop_others(workspace, processes, caplog):
    """Neither those that came here, nor those that another process left."""
    here, died, _ = processes
    refused, other, left = [await claimed(workspace) for _ in range(3)]
    async with workspace.engine.begin() as conn:
        await conn.execute(
            text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = '57P03'; END $$"
            )
        )
        when = f"FOR EACH ROW WHEN (NEW.id = '{refused.attempt_id}')"
        await conn.execute(text(f"CREATE TRIGGER fail BEFORE UPDATE ON attempts {when} EXECUTE FUNCTION fail()"))
    await receive(died, refused.attempt_id, CallSid=sid(1))
    await receive(died, left.attempt_id, CallSid=sid(2))
    async with running(here):
        await receive(here, other.attempt_id, CallSid=sid(3))

        async def the_others_ring():
            return {(await workspace.call(claim.call_id)).state for claim in (other, left)} == {"ringing"}

        await until(the_others_ring)
        await until(lambda: logged(caplog, "Callbacks not handled; trying again"))
        async with workspace.engine.begin() as conn:
            await conn.execute(text("DROP TRIGGER fail ON attempts"))
        await until(all_handled(workspace))
    assert (await workspace.call(refused.call_id)).state == "ringing"


async def test_a_poisoned_callback_does_not_stop_the_next_of_its_attempt(workspace, processes, claim, caplog):
    here, *_ = processes
    other = await workspace.dialed()
    await workspace.set_attempt(other.attempt_id, carrier_call_id=CALL_SID)
    async with running(here):
        await receive(here, claim.attempt_id)  # of the other's call: that is refused as often as it is tried
        await receive(here, claim.attempt_id, CallSid=sid(2), CallStatus="busy")
        await until(all_handled(workspace, 2))
    assert "Callback not handled" in caplog.messages
    assert (await workspace.call(claim.call_id)).end_reason == "busy"


# -- a dial taken back -----------------------------------------------------------------------------------------


async def test_a_dial_that_is_being_taken_back_takes_its_callbacks_along(workspace, processes, claim, caplog):
    """Its carrier says that nothing was sent, and tells of the call all the same."""
    here, *_ = processes
    await receive(here, claim.attempt_id)
    async with workspace.engine.begin() as conn:
        await conn.execute(select(pools).with_for_update())
        deferring = asyncio.create_task(defer(workspace.engine, claim, NOT_SENT, wait_s=0))
        await until(lambda: waits(workspace))
        async with asyncio.timeout(5):
            await here._handle_left()
        assert [row.handled_at for row in await stored(workspace)] == [None]
    await deferring
    await here._handle_left()
    assert await workspace.attempts(claim.call_id) == []
    assert await stored(workspace) == []
    assert (await workspace.call(claim.call_id)).state == "queued"
    assert caplog.messages == []


async def test_a_dial_whose_callback_is_being_handled_is_not_taken_back(workspace, processes, claim, caplog):
    caplog.set_level("WARNING")
    here, *_ = processes
    await receive(here, claim.attempt_id, CallStatus="busy")
    async with workspace.engine.begin() as conn:
        await conn.execute(select(pools).with_for_update())
        handling = asyncio.create_task(here._handle_next(claim.attempt_id))
        await until(lambda: waits(workspace))
        deferring = asyncio.create_task(defer(workspace.engine, claim, NOT_SENT, wait_s=0))
        await until(lambda: waits(workspace, 2))  # for the attempt
    await asyncio.gather(deferring, handling)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.deferrals) == ("ended", "busy", 0)
    assert caplog.messages == []
