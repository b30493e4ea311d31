import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, select, text, update

from outdial.calls import claim as claim_module
from outdial.calls.claim import (
    BUSY,
    FEW,
    LOOK_AT_MOST,
    Claimed,
    claim_due_calls,
    stream_token_hash,
    workspaces_with_queued_calls,
)
from outdial.calls.hang_up import expire_queued
from outdial.calls.records import DetectionWanted
from outdial.db.engine import create_engine, put_away
from outdial.db.hot import Hot
from outdial.db.tables import attempts, calls, carrier_accounts, pools
from outdial.policy.do_not_call import NewEntry, Source, insert_entries
from outdial.policy.gate import Dial, NotBefore
from outdial.policy.pauses import pause, resume
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import COMMAND_LINE
from workspace import CALLEE, until

PAST = datetime(2026, 1, 1, 12, tzinfo=UTC)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def admit(workspace, **facts):
    return await claim_due_calls(workspace.engine, workspace.id, owner="worker_1", lease_s=15, **facts)


# -- the intent ----------------------------------------------------------------------------------------------


async def test_a_claim_is_on_record_before_anybody_dials(workspace):
    call_id = await workspace.queue(ring_timeout_s=20, detection={"on_machine": "hang_up", "max_wait_s": 9})
    (claim,) = await workspace.claim(owner="worker_1")
    assert (claim.call_id, claim.attempt_number, claim.ring_timeout_s) == (call_id, 1, 20)
    assert claim.detection == DetectionWanted(on_machine="hang_up", max_wait_s=9)
    assert claim.owner == "worker_1"
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.call_id, attempt.number, attempt.state, attempt.owner) == (call_id, 1, "dialing", "worker_1")
    assert (attempt.carrier, attempt.carrier_account_id) == ("twilio", workspace.account_id)
    assert bytes(attempt.stream_token_hash) == stream_token_hash(claim.stream_token)
    assert attempt.check_at == attempt.lease_until > datetime.now(UTC)
    call = await workspace.call(call_id)
    assert (call.state, call.holds_line) == ("dialing", True)
    assert (await workspace.pool()).used_outbound == 1
    assert await workspace.events(call_id) == [{"state": "dialing", "attempt": 1}]


async def test_a_claimed_call_is_not_claimed_again(workspace):
    await workspace.queue()
    assert len(await workspace.claim()) == 1
    assert await workspace.claim() == []


async def test_claiming_takes_few_round_trips_however_many_calls(workspace):
    """Each costs every call the time between the request and the ringing phone."""
    for _ in range(4):  # fewer than lines, so that all questions are asked
        await workspace.queue()
    statements = []
    event.listen(workspace.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert len(await workspace.claim()) == 4
    assert len(statements) == 4


# -- lines ---------------------------------------------------------------------------------------------------


async def test_calls_wait_while_every_line_is_taken(make_workspace):
    workspace = await make_workspace(lines=1)
    first, second = await workspace.queue(), await workspace.queue()
    assert [claim.call_id for claim in await workspace.claim()] == [first]
    admitted = await admit(workspace)
    assert (admitted.claims, admitted.look_again_in_s) == ([], None)
    assert (await workspace.call(second)).state == "queued"


async def test_a_freed_line_lets_the_next_call_go(make_workspace):
    workspace = await make_workspace(lines=1)
    first = await workspace.dialed()
    second = await workspace.queue()
    await workspace.hears(first.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert [claim.call_id for claim in await workspace.claim()] == [second]


@pytest.mark.parametrize(
    ("reserved", "inbound", "admitted"),
    [(0, 0, True), (2, 0, False), (1, 0, True), (0, 2, False), (1, 1, True), (2, 1, False)],
)
async def test_lines_are_shared_with_inbound_calls(make_workspace, reserved, inbound, admitted):
    workspace = await make_workspace(lines=2)
    await workspace.set_pool(reserved_inbound=reserved, used_inbound=inbound)
    await workspace.queue()
    assert bool(await workspace.claim()) is admitted


async def test_a_smaller_plan_ends_no_call_and_admits_none(make_workspace):
    workspace = await make_workspace(lines=2)
    await workspace.dialed()
    await workspace.dialed()
    await workspace.set_pool(lines=1)
    await workspace.queue()
    assert await workspace.claim() == []


async def test_a_workspace_without_a_pool_admits_nothing(workspace):
    admitted = await claim_due_calls(workspace.engine, "ws_unknown", owner="worker_1", lease_s=15)
    assert (admitted.claims, admitted.look_again_in_s) == ([], None)


# -- paused --------------------------------------------------------------------------------------------------


async def test_while_a_workspace_is_paused_nothing_of_it_is_claimed_and_nobody_looks_again(make_workspace):
    ours, theirs = await make_workspace(), await make_workspace()
    waits, goes = await ours.queue(), await theirs.queue()
    await pause(ours.engine, ours.id, reason=None, by=COMMAND_LINE)
    assert await admit(ours) == Claimed(claims=[], look_again_in_s=None)
    assert [claim.call_id for claim in await theirs.claim()] == [goes]
    await resume(ours.engine, ours.id, by=COMMAND_LINE)
    assert [claim.call_id for claim in await ours.claim()] == [waits]


async def test_while_a_number_is_paused_the_others_dial(workspace):
    _, other = await workspace.add_account(e164="+15551230009")
    waits, goes = await workspace.queue(due_at=PAST), await workspace.queue(number_id=other)
    await workspace.queue(due_at=soon(30))
    _, third = await workspace.add_account(e164="+15551230010")
    for paused in (workspace.number_id, third):
        await pause(workspace.engine, workspace.id, paused, reason=None, by=COMMAND_LINE)
    admitted = await admit(workspace)
    assert [claim.call_id for claim in admitted.claims] == [goes]
    assert (await workspace.call(waits)).state == "queued"
    admitted = await admit(workspace)
    assert admitted.claims == []
    assert admitted.look_again_in_s is None or admitted.look_again_in_s < 5, "what is due there wakes nobody"
    await resume(workspace.engine, workspace.id, workspace.number_id, by=COMMAND_LINE)
    assert [claim.call_id for claim in await workspace.claim()] == [waits]


async def test_a_paused_call_that_is_due_another_attempt_waits_for_it(workspace):
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["busy"], "delays_s": [0]})
    await pause(workspace.engine, workspace.id, reason=None, by=COMMAND_LINE)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.set_call(claim.call_id, due_at=PAST)
    assert await workspace.claim() == []
    await resume(workspace.engine, workspace.id, by=COMMAND_LINE)
    (again,) = await workspace.claim()
    assert (again.call_id, again.attempt_number) == (claim.call_id, 2)


async def test_a_paused_call_expires_as_any_other(workspace):
    late = await workspace.queue(expires_at=PAST)
    await pause(workspace.engine, workspace.id, reason=None, by=COMMAND_LINE)
    assert await expire_queued(workspace.engine, at_most=10) == 1
    assert (await workspace.call(late)).end_reason == "expired"


# -- the gate ------------------------------------------------------------------------------------------------

LISTED = "+12025550115"


async def list_numbers(workspace, *numbers):
    async with workspace.engine.begin() as conn:
        entries = [NewEntry(number=number) for number in numbers]
        await insert_entries(conn, workspace.id, entries, Source.CLI, by=None)


async def test_a_number_on_the_do_not_call_list_is_not_dialled(workspace):
    refused, other = await workspace.queue(to=LISTED, due_at=PAST), await workspace.queue()
    await list_numbers(workspace, LISTED)
    assert [claim.call_id for claim in await workspace.claim()] == [other]
    call = await workspace.call(refused)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "canceled", "do_not_call")
    (told,) = await workspace.events(refused)
    assert (told["state"], told["end_reason"], told["error"]["code"]) == ("ended", "canceled", "do_not_call")
    assert await workspace.attempts(refused) == []
    assert (await workspace.pool()).used_outbound == 1


async def test_the_list_of_another_workspace_is_none_of_ours(make_workspace):
    ours, theirs = await make_workspace(), await make_workspace()
    await list_numbers(theirs, LISTED)
    await ours.queue(to=LISTED)
    assert len(await ours.claim()) == 1


async def queue_many(workspace, number, *, to):
    """`number` calls at the head of the queue."""
    head = await workspace.queue(to=to, due_at=PAST)
    async with workspace.engine.begin() as conn:
        await conn.execute(
            text(
                "INSERT INTO calls (id, workspace_id, number_id, direction, state, \"from\", \"to\", agent_id,"
                " agent_version, ring_timeout_s, max_duration_s, due_at)"
                " SELECT 'call_many_' || n, workspace_id, number_id, direction, state, \"from\", \"to\", agent_id,"
                " agent_version, ring_timeout_s, max_duration_s, due_at"
                " FROM calls, generate_series(2, :number) AS n WHERE id = :head"
            ),
            {"number": number, "head": head},
        )


async def test_ten_thousand_refused_calls_at_the_head_of_the_queue_do_not_stop_it(make_workspace):
    """One line, so that a claim would look at one call at a time."""
    workspace = await make_workspace(lines=1)
    await queue_many(workspace, 10_000, to=LISTED)
    waiting = await workspace.queue()
    await list_numbers(workspace, LISTED)
    looks, started = 0, time.monotonic()
    while not (admitted := await admit(workspace)).claims:
        looks += 1
        assert admitted.look_again_in_s == 0.0, "the rest of the queue is looked at at once"
        assert looks <= 12
    assert [claim.call_id for claim in admitted.claims] == [waiting]
    assert time.monotonic() - started < 30
    async with workspace.engine.connect() as conn:
        refused = calls.c.error["code"].astext == "do_not_call"
        assert await conn.scalar(select(func.count()).where(refused)) == 10_000


async def test_calls_of_a_number_that_are_held_back_hold_up_no_other_number(make_workspace):
    """However many they are: the others' are found by the first claim."""
    workspace = await make_workspace()
    _, other_number = await workspace.add_account(e164="+15551230009")
    await queue_many(workspace, 2 * LOOK_AT_MOST, to=LISTED)
    await list_numbers(workspace, LISTED)
    other = await workspace.queue(number_id=other_number)
    admitted = await admit(workspace)
    assert [claim.call_id for claim in admitted.claims] == [other]
    assert admitted.look_again_in_s == 0
    async with workspace.engine.connect() as conn:
        left = await conn.scalar(select(func.count()).where(calls.c.state == "queued"))
    assert left > 2 * LOOK_AT_MOST - 2 * FEW, "and it does not wait until all the others are seen to"


async def test_one_claim_looks_at_no_more_than_so_many_calls(make_workspace):
    workspace = await make_workspace(lines=1)
    await queue_many(workspace, LOOK_AT_MOST + 200, to=LISTED)
    await list_numbers(workspace, LISTED)
    assert (await admit(workspace)).claims == []
    async with workspace.engine.connect() as conn:
        left = await conn.scalar(select(func.count()).where(calls.c.state == "queued"))
    assert 198 <= left <= 200


async def test_a_call_that_the_gate_puts_off_waits_until_then_and_lets_others_by(workspace):
    at = soon(3600)
    early = await workspace.queue(to=LISTED, due_at=PAST)
    await list_numbers(workspace, LISTED)
    other = await workspace.queue()

    def gate(facts):
        return NotBefore(at=at) if facts.listed else Dial()

    admitted = await admit(workspace, gate=gate)
    assert [claim.call_id for claim in admitted.claims] == [other]
    call = await workspace.call(early)
    assert (call.state, call.due_at) == ("queued", at)
    assert (await admit(workspace, gate=gate)).claims == []


async def test_an_instant_that_has_passed_holds_nobody_back(workspace):
    call_id = await workspace.queue()
    admitted = await admit(workspace, gate=lambda facts: NotBefore(at=PAST))
    assert [claim.call_id for claim in admitted.claims] == [call_id]


async def test_calls_behind_those_that_are_held_back_are_claimed_in_order(make_workspace):
    workspace = await make_workspace(lines=6)
    order = []
    for n in range(12):
        listed = n % 3 == 0
        call_id = await workspace.queue(to=LISTED if listed else CALLEE, due_at=PAST + timedelta(seconds=n))
        order += [] if listed else [call_id]
    await list_numbers(workspace, LISTED)
    assert [claim.call_id for claim in (await admit(workspace)).claims] == order[:6]


# -- what somebody else has locked ---------------------------------------------------------------------------


@asynccontextmanager
async def pool_held(workspace, **changes):
    """Somebody has the row of the pool, and changes it."""
    async with workspace.engine.begin() as conn:
        pool = pools.c.workspace_id == workspace.id
        await conn.execute(select(pools).where(pool).with_for_update())
        if changes:
            await conn.execute(update(pools).where(pool).values(**changes))
        yield


async def while_pool_is_held(workspace, *claiming, **changes):
    """What these claims come to that find the pool held when they write their intent, for less than their patience."""
    async with pool_held(workspace, **changes):
        tasks = [asyncio.create_task(each) for each in claiming]
        await until(lambda: waiting(workspace, len(tasks)))
    return [await task for task in tasks]


async def waiting(workspace, number):
    async with workspace.engine.connect() as conn:
        return await conn.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")) == number


@pytest.fixture
def patient(monkeypatch):
    """On a machine with much to do, a claim may have to wait longer."""
    monkeypatch.setattr("outdial.calls.claim.PATIENCE_MS", 5000)
    monkeypatch.setattr("outdial.calls.claim._QUEUE", Hot(claim_module._queue()))


async def test_a_claim_waits_for_no_pool_that_somebody_has(workspace):
    call_id = await workspace.queue()
    async with pool_held(workspace):
        started = time.monotonic()
        assert await admit(workspace) == BUSY
        assert time.monotonic() - started < 2
        assert BUSY.look_again_in_s > 0, "nobody else would wake this workspace"
        assert (await workspace.call(call_id)).state == "queued"
    assert [claim.call_id for claim in await workspace.claim()] == [call_id]


async def test_a_claim_waits_for_no_account_that_somebody_has(workspace):
    await workspace.queue()
    async with workspace.engine.begin() as conn:
        await conn.execute(select(carrier_accounts).with_for_update())
        async with asyncio.timeout(5):
            assert await admit(workspace) == BUSY


async def test_two_claims_that_see_the_same_line_free_take_it_once(make_workspace, patient):
    workspace = await make_workspace(lines=1)
    queued = {await workspace.queue(), await workspace.queue()}
    both = await while_pool_is_held(workspace, admit(workspace), admit(workspace))
    (claim,) = [claim for each in both for claim in each.claims]
    (left,) = queued - {claim.call_id}
    winner = next(each for each in both if each.claims)
    assert winner.look_again_in_s is None, "a freed line notifies"
    assert await admit(workspace) == Claimed(claims=[], look_again_in_s=None)
    assert (await workspace.pool()).used_outbound == 1
    assert (await workspace.call(left)).state == "queued"
    assert await workspace.attempts(left) == []
    assert await workspace.events(left) == []


async def test_a_claim_takes_the_lines_that_are_left_when_it_comes_to_the_pool(make_workspace, patient):
    """In order: who has waited longest."""
    workspace = await make_workspace(lines=5)
    queued = [await workspace.queue(due_at=PAST + timedelta(seconds=n)) for n in range(4)]
    (admitted,) = await while_pool_is_held(workspace, admit(workspace), used_inbound=3)
    assert [claim.call_id for claim in admitted.claims] == queued[:2]
    assert admitted.look_again_in_s is None
    assert {(await workspace.call(call_id)).state for call_id in queued[2:]} == {"queued"}
    await workspace.set_pool(used_inbound=0)


async def test_a_line_that_is_freed_while_a_claim_is_under_way_is_not_forgotten(make_workspace, patient):
    """It was freed where lines were free anyway, so nobody is woken for it; the claim saw one less."""
    workspace = await make_workspace(lines=3)
    await workspace.set_pool(used_inbound=2)
    for _ in range(2):
        await workspace.queue()
    (admitted,) = await while_pool_is_held(workspace, admit(workspace), used_inbound=1)
    assert len(admitted.claims) == 1
    assert admitted.look_again_in_s == 0
    await workspace.set_pool(used_inbound=0)


async def test_two_claims_at_once_stay_in_pace(make_workspace, patient):
    workspace = await make_workspace(calls_per_second=0.5)
    for _ in range(2):
        await workspace.queue()
    async with workspace.engine.begin() as conn:
        await conn.execute(select(carrier_accounts).with_for_update())
        both = [asyncio.create_task(admit(workspace, batch=1)) for _ in range(2)]
        await until(lambda: waiting(workspace, 2))
    claimed = [await each for each in both]
    assert sorted(len(each.claims) for each in claimed) == [0, 1]
    behind = next(each for each in claimed if not each.claims)
    assert 0 <= behind.look_again_in_s <= 2


# -- order and time ------------------------------------------------------------------------------------------


async def test_who_waits_longest_goes_first(workspace):
    late = await workspace.queue(due_at=PAST + timedelta(seconds=2))
    early = await workspace.queue(due_at=PAST)
    latest = await workspace.queue(due_at=PAST + timedelta(seconds=3))
    assert [claim.call_id for claim in await workspace.claim()] == [early, late, latest]


async def test_a_call_is_not_dialled_before_its_time(workspace):
    await workspace.queue(due_at=soon(30))
    admitted = await admit(workspace)
    assert admitted.claims == []
    assert 28 < admitted.look_again_in_s < 31


async def test_a_call_past_its_expiry_is_never_dialled(workspace):
    call_id = await workspace.queue(expires_at=soon(-1))
    assert await workspace.claim() == []
    call = await workspace.call(call_id)
    assert (call.state, call.end_reason) == ("ended", "expired")
    assert await workspace.events(call_id) == [
        {"state": "ended", "end_reason": "expired", "ended_by": "limit", "outcome": None}
    ]


async def test_expired_calls_at_the_head_of_the_queue_do_not_stop_it(make_workspace):
    """The batch was full of calls that took no line; those behind them are due all the same."""
    workspace = await make_workspace(lines=1)
    await workspace.queue(expires_at=soon(-1), due_at=PAST)
    waiting = await workspace.queue()
    assert [claim.call_id for claim in await workspace.claim()] == [waiting]


async def test_a_locked_call_is_passed_over_not_waited_for(workspace):
    locked, free = await workspace.queue(due_at=PAST), await workspace.queue()
    async with workspace.engine.begin() as conn:
        await conn.execute(select(calls.c.id).where(calls.c.id == locked).with_for_update())
        async with asyncio.timeout(5):
            assert [claim.call_id for claim in await workspace.claim()] == [free]


async def test_only_workspaces_with_waiting_calls_are_looked_at(make_workspace):
    idle, busy = await make_workspace(), await make_workspace()
    await busy.queue(due_at=soon(60))
    assert await workspaces_with_queued_calls(idle.engine) == [busy.id]


# -- pace ----------------------------------------------------------------------------------------------------


async def test_an_account_dials_no_faster_than_its_carrier_allows(make_workspace):
    workspace = await make_workspace(calls_per_second=0.5)
    for _ in range(3):
        await workspace.queue()
    admitted = await admit(workspace)
    assert len(admitted.claims) == 1
    again = await admit(workspace)
    assert again.claims == []
    assert 1.5 < again.look_again_in_s <= 2


async def test_a_fast_account_is_claimed_for_in_batches_and_stays_in_pace(make_workspace):
    workspace = await make_workspace(lines=20, calls_per_second=40)
    for _ in range(15):
        await workspace.queue()
    admitted = await admit(workspace)
    assert len(admitted.claims) == 12  # now, and every 25.5 ms
    assert 0.09 < admitted.look_again_in_s <= 0.107  # when the next one is near again


async def test_a_slow_account_does_not_keep_another_accounts_calls_waiting(make_workspace):
    workspace = await make_workspace(calls_per_second=0.1)
    _, other_number = await workspace.add_account(e164="+15551230009")
    slow = [await workspace.queue(due_at=PAST) for _ in range(4)]
    other = await workspace.queue(number_id=other_number)
    first = await admit(workspace, batch=3)
    assert [claim.call_id for claim in first.claims] == [min(slow)]
    assert first.look_again_in_s == 0
    second = await admit(workspace, batch=3)
    assert [claim.call_id for claim in second.claims] == [other]


async def test_the_databases_clock_decides_not_the_workers(workspace):
    """Two hosts whose clocks differ share an account's pace."""
    await workspace.queue()
    await workspace.claim()
    async with workspace.engine.connect() as conn:
        query = select(attempts.c.lease_until - func.now())
        lease = (await conn.execute(query)).scalar_one()
    assert timedelta(seconds=14) < lease <= timedelta(seconds=15)


# -- many at once --------------------------------------------------------------------------------------------


async def test_many_workers_never_take_more_lines_than_there_are_and_no_call_twice(make_workspace, database_url):
    """Four workers claim, dial, hear the end and claim again, until the queue is empty."""
    workspace = await make_workspace(lines=7, calls_per_second=1e6)
    queued = [await workspace.queue(to=f"+1555123{number:04}") for number in range(60)]
    engines = [create_engine(database_url) for _ in range(4)]
    most = 0

    async def work(engine, name):
        nonlocal most
        while True:
            claims = await workspace.claim(owner=name, engine=engine, batch=3)
            pool = await workspace.pool()
            most = max(most, pool.used_outbound)
            assert pool.used_outbound <= pool.lines
            for claim in claims:
                await workspace.dial(claim)
                await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)
            async with engine.connect() as conn:
                if not await conn.scalar(select(func.count()).where(calls.c.state == "queued")):
                    return

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(engine, f"worker_{number}") for number, engine in enumerate(engines)))
    assert len(workspace.carrier.dialed) == len(queued)
    assert len({request.to for request in workspace.carrier.dialed}) == len(queued)
    assert most > 1
    for engine in engines:
        await put_away(engine)
