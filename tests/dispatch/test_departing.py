"""The last steps of a dial before it is sent."""

import asyncio
import time
from bisect import bisect_left
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from dispatch.silence import PAST, ago
from outdial.calls.departure import Hold
from outdial.db.engine import create_engine, put_away
from outdial.db.notify import Notifications
from outdial.db.tables import attempts, carrier_accounts, paces
from outdial.dispatch.departing import Departures
from outdial.dispatch.dispatcher import Dispatcher
from outdial.policy.do_not_call import NewEntry, Source, insert_entries
from outdial.telephony.state import CallState, EndReason
from workspace import CALLEE, Agents, logged, until


async def claimed(workspace, **columns):
    await workspace.queue(**columns)
    (claim,) = await workspace.claim()
    return claim


async def behind(workspace, seconds):
    """Another dial of the account leaves in so many seconds."""
    row = {"carrier": "twilio", "account_ref": workspace.account_id, "late_s": 0.02, "attempt_id": "att_other"}
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    async with workspace.engine.begin() as conn:
        await conn.execute(paces.insert().values(row | {"slot_at": at}))


# -- held back: nothing is sent ----------------------------------------------------------------------------------


async def test_a_dial_leaves_when_its_slot_begins_and_not_before(make_workspace):
    workspace = await make_workspace(calls_per_second=10)
    claim = await claimed(workspace)
    await behind(workspace, 0.4)
    assert await Departures(workspace.engine).wait_for(claim) is None
    now = datetime.now(UTC)
    at = (await workspace.attempt(claim.attempt_id)).departs_at
    assert at <= now + timedelta(microseconds=1)
    assert now - at < timedelta(seconds=0.5)


async def test_a_dial_that_waited_is_asked_for_again(make_workspace):
    """Its callee has come onto the list meanwhile."""
    workspace = await make_workspace(calls_per_second=10)
    claim = await claimed(workspace)
    await behind(workspace, 0.5)
    waiting = asyncio.create_task(workspace.dial(claim))
    await until(lambda: has_a_slot(workspace, claim))
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=CALLEE)], Source.API, by=None)
    await waiting
    assert workspace.carrier.dialed == []
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "canceled", "policy")


async def has_a_slot(workspace, claim):
    return (await workspace.attempt(claim.attempt_id)).departs_at is not None


async def test_a_number_listed_between_claim_and_departure_does_not_ring(workspace):
    claim = await claimed(workspace)
    async with workspace.engine.begin() as conn:
        await insert_entries(conn, workspace.id, [NewEntry(number=CALLEE)], Source.API, by=None)
    await workspace.dial(claim)
    assert workspace.carrier.dialed == []
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "canceled", "policy")
    assert (call.error["code"], call.holds_line) == ("do_not_call", False)
    assert await workspace.attempts(claim.call_id) == []


async def test_a_call_whose_end_was_asked_for_between_claim_and_departure_does_not_ring(workspace):
    claim = await claimed(workspace)
    await workspace.ask_hang_up(claim.call_id)
    await workspace.dial(claim)
    assert workspace.carrier.dialed == []
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "canceled", "operator")


class Clock:
    """The clocks of a machine that stands still for a while between the database's answer and the send."""

    def __init__(self, monkeypatch, which, seconds):
        self._readings = 0
        real = getattr(time, which)

        def read(*clock):
            self._readings += 1
            return real(*clock) + (seconds if self._readings > 1 else 0)

        monkeypatch.setattr(time, which, read)


@pytest.mark.parametrize("clock", ["time", "clock_gettime"])
async def test_a_machine_that_was_suspended_after_the_databases_word_dials_nothing(workspace, monkeypatch, clock):
    """Either clock may be the one that has gone on."""
    claim = await claimed(workspace)
    Clock(monkeypatch, clock, 20.0)
    assert await Departures(workspace.engine).wait_for(claim) is Hold.TOO_LATE


async def test_a_process_that_was_held_up_takes_another_slot(workspace, monkeypatch):
    claim = await claimed(workspace)
    Clock(monkeypatch, "clock_gettime", 0.3)  # as all later readings go on by as much, this happens once
    assert await Departures(workspace.engine).wait_for(claim) is None


async def test_a_worker_whose_lease_has_run_out_dials_nothing_and_the_call_keeps_its_place(workspace):
    claim = await claimed(workspace, due_at=PAST)
    await workspace.set_attempt(claim.attempt_id, lease_until=ago(0.1))
    await workspace.dial(claim)
    assert workspace.carrier.dialed == []
    call = await workspace.call(claim.call_id)
    assert (call.state, call.due_at, call.deferrals, call.holds_line) == ("queued", PAST, 0, False)
    assert await workspace.attempts(claim.call_id) == []


async def test_while_the_database_is_away_nothing_is_sent_and_that_is_written_when_it_is_back(workspace, caplog):
    claim = await claimed(workspace)
    async with workspace.engine.begin() as conn:
        shut_down = "BEGIN RAISE EXCEPTION USING ERRCODE = 'admin_shutdown'; END"
        await conn.execute(text(f"CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $${shut_down}$$"))
        await conn.execute(text("CREATE TRIGGER away BEFORE INSERT ON paces EXECUTE FUNCTION away()"))
        await conn.execute(text("CREATE TRIGGER away BEFORE DELETE ON attempts EXECUTE FUNCTION away()"))
    dialing = asyncio.create_task(workspace.dial(claim))
    await until(lambda: logged(caplog, "Dial outcome not written; trying again"))
    assert not dialing.done()
    async with workspace.engine.begin() as conn:
        await conn.execute(text("DROP TRIGGER away ON attempts"))
    await dialing
    assert "Database away before a dial" in caplog.messages
    assert workspace.carrier.dialed == []
    call = await workspace.call(claim.call_id)
    assert (call.state, call.deferrals, call.holds_line) == ("queued", 0, False)


async def test_a_departure_that_can_not_be_asked_for_is_no_endless_matter(workspace, caplog):
    """A fault of ours: it counts, as every call that can't be prepared."""
    claim = await claimed(workspace)
    async with workspace.engine.begin() as conn:
        await conn.execute(text("ALTER TABLE paces RENAME TO paces_away"))
    try:
        await workspace.dial(claim)
    finally:
        async with workspace.engine.begin() as conn:
            await conn.execute(text("ALTER TABLE paces_away RENAME TO paces"))
    assert (workspace.carrier.dialed, (await workspace.call(claim.call_id)).deferrals) == ([], 1)
    assert "Dial not prepared" in caplog.messages


async def test_an_account_that_is_behind_gives_the_line_back_and_is_not_claimed_for(make_workspace):
    workspace = await make_workspace(calls_per_second=0.1)
    claim = await claimed(workspace)
    await behind(workspace, 0)
    await workspace.dial(claim)
    assert workspace.carrier.dialed == []
    call = await workspace.call(claim.call_id)
    assert (call.state, call.deferrals, call.holds_line) == ("queued", 0, False)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(next_dial_at=PAST))
    assert await workspace.claim() == [], "its next slot is far away"


# -- several processes and workspaces, measured at the carrier's end -------------------------------------------------


@asynccontextmanager
async def processes(database_url, *workspaces, each=2):
    """So many dispatchers, each with an engine of its own, as in as many processes."""
    engines = [create_engine(database_url) for _ in range(each)]
    first = workspaces[0]
    async with Notifications(database_url) as notifications:
        running = [
            asyncio.create_task(
                Dispatcher(
                    engine, first.settings, notifications, first.open_carrier, Agents(), owner=f"worker_{number}"
                ).run()
            )
            for number, engine in enumerate(engines)
        ]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    for engine in engines:
        await put_away(engine)


class Seen:
    """Instants at which dials reached the carrier."""

    def __init__(self, *workspaces):
        self.at = []
        self._workspace = workspaces[0]
        for workspace in workspaces:
            workspace.carrier.before_reply = self._note

    async def _note(self, request, carrier_call_id):
        self.at.append(time.monotonic())
        await asyncio.sleep(0)
        await self._workspace.hears(request.ref, CallState.ENDED, EndReason.BUSY, carrier_call_id=carrier_call_id)

    @property
    def most_in_a_second(self):
        """Two that are a second apart, but for a clock's last digits, are not in the same one."""
        at = sorted(self.at)
        return max(bisect_left(at, first + 0.999) - number for number, first in enumerate(at))

    @property
    def a_second(self):
        return (len(self.at) - 1) / (max(self.at) - min(self.at))


@pytest.mark.parametrize(("pace", "dials", "at_least"), [(5, 16, 3.0), (40, 90, 12.0)])
async def test_no_second_sees_more_departures_than_the_pace_whoever_sends_them(
    make_workspace, database_url, pace, dials, at_least
):
    """Two workspaces that have connected the same account, two processes. At rest nearly the whole pace is reached; a
    computer that is busy otherwise misses slots."""
    ours, theirs = [await make_workspace(lines=50, calls_per_second=pace) for _ in range(2)]
    async with ours.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(account_ref=carrier_accounts.c.carrier))
    departures = Seen(ours, theirs)
    for number in range(dials):
        await (ours, theirs)[number % 2].queue()
    async with processes(database_url, ours, theirs), asyncio.timeout(60):
        while len(departures.at) < dials:  # noqa: ASYNC110 - other tasks dial
            await asyncio.sleep(0.02)
    assert departures.most_in_a_second <= pace
    assert departures.a_second >= at_least


async def test_neither_of_two_workspaces_keeps_the_pace_they_share_to_itself(make_workspace, database_url):
    ours, theirs = [await make_workspace(lines=50, calls_per_second=20) for _ in range(2)]
    async with ours.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(account_ref="AC1"))
    departures = Seen(ours, theirs)
    for _ in range(200):
        await ours.queue()
    for _ in range(4):
        await theirs.queue()
    async with processes(database_url, ours, theirs, each=1), asyncio.timeout(60):
        while await waiting(theirs):  # noqa: ASYNC110 - other tasks dial
            await asyncio.sleep(0.02)
    assert len(departures.at) < 150


async def waiting(workspace):
    dialled = select(func.count()).select_from(attempts).where(attempts.c.carrier_account_id == workspace.account_id)
    async with workspace.engine.connect() as conn:
        return (await conn.scalar(dialled)) < 4
