"""Whose an attempt is: from the stream that opens it to the worker that takes it over."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from outdial.calls.advance import apply_event
from outdial.calls.events import add_event
from outdial.calls.ownership import Lease, let_go_transferred, renew_leases, take_over, take_stream, unattended
from outdial.calls.transfers import begin_transfer, refuse_transfer
from outdial.calls.workers import Worker
from outdial.db.tables import turns
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason
from outdial.telephony.transfer import TransferOutcome, TransferResult
from workspace import until

PAST = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINE = Lease(owner="worker_mine", lease_s=15, silent_after_s=20)


@pytest.fixture
async def claim(workspace):
    return await workspace.dialed(variables={"name": "Jane"})


async def taken(workspace, claim, lease=MINE, token=None):
    return await take_stream(workspace.engine, claim.attempt_id, token or claim.stream_token, lease)


# -- the stream's token ----------------------------------------------------------------------------------------


async def test_the_token_makes_the_attempt_ours(workspace, claim):
    now = datetime.now(UTC)
    answered = await taken(workspace, claim)
    assert (answered.attempt_id, answered.call.id) == (claim.attempt_id, claim.call_id)
    assert (answered.variables, answered.noted, answered.turns) == ({"name": "Jane"}, {}, 0)
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.stream_opened_at >= now) == ("worker_mine", True)
    assert attempt.lease_until > now + timedelta(seconds=14)
    assert attempt.check_at > now + timedelta(seconds=19)


async def test_what_was_said_in_earlier_attempts_is_counted(workspace, claim):
    said = {"call_id": claim.call_id, "speaker": "agent", "text": "Hello", "start_ms": 0, "interrupted": False}
    async with workspace.engine.begin() as conn:
        await conn.execute(insert(turns), [said | {"seq": seq} for seq in (1, 2)])
    assert (await taken(workspace, claim)).turns == 2


@pytest.mark.parametrize("skew_s", [-5, 0, 5])
async def test_how_long_ago_we_were_told_of_the_answer_is_by_our_clock_alone(workspace, claim, skew_s):
    began = time.monotonic()
    carriers_now = datetime.now(UTC) + timedelta(seconds=skew_s)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=carriers_now)
    answered = await taken(workspace, claim)
    assert answered.attempt.answered_at == carriers_now
    assert 0 <= answered.told_ago_ms <= (time.monotonic() - began) * 1000 + 50


async def test_an_answer_of_another_attempt_or_none_yet_is_not_this_ones(workspace, claim):
    earlier = {"state": CallState.IN_PROGRESS, "attempt": 7, "at": PAST.isoformat()}
    async with workspace.engine.begin() as conn:
        await add_event(conn, claim.call_id, "state", earlier)
    assert (await taken(workspace, claim)).told_ago_ms is None


async def test_a_token_that_is_not_good_changes_nothing(workspace, claim):
    before = await workspace.attempt(claim.attempt_id)
    assert await taken(workspace, claim, token="another") is None
    assert await take_stream(workspace.engine, "att_unknown", claim.stream_token, MINE) is None
    assert await workspace.attempt(claim.attempt_id) == before


async def test_of_many_at_once_one_uses_the_token(workspace, claim):
    answered = await asyncio.gather(*(taken(workspace, claim) for _ in range(5)))
    assert sum(each is not None for each in answered) == 1


async def test_an_attempt_that_has_ended_opens_no_stream(workspace, claim):
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert await taken(workspace, claim) is None


# -- leases ----------------------------------------------------------------------------------------------------


async def test_leases_are_renewed_of_our_own_live_attempts(workspace):
    mine, theirs, over = [await workspace.dialed() for _ in range(3)]
    for claim, owner in ((mine, "worker_mine"), (theirs, "worker_theirs"), (over, "worker_mine")):
        await workspace.set_attempt(claim.attempt_id, owner=owner, lease_until=PAST)
    await workspace.hears(over.attempt_id, CallState.ENDED, EndReason.BUSY)
    await renew_leases(workspace.engine, [each.attempt_id for each in (mine, theirs, over)], MINE)
    leases = [(await workspace.attempt(each.attempt_id)).lease_until for each in (mine, theirs, over)]
    assert leases[0] > datetime.now(UTC) + timedelta(seconds=14)
    assert leases[1:] == [PAST, PAST]


async def test_what_is_ours_and_held_by_nobody_is_told(workspace, claim):
    await taken(workspace, claim)
    assert await unattended(workspace.engine, MINE) == []
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST)
    assert await unattended(workspace.engine, MINE) == [claim.attempt_id]
    await workspace.set_attempt(claim.attempt_id, ending={"end_reason": "completed", "error": None})
    assert await unattended(workspace.engine, MINE) == [], "the sweep ends it"


# -- dead workers ----------------------------------------------------------------------------------------------


async def test_the_attempts_of_a_dead_worker_are_taken_over(workspace):
    talking, ringing, dialing = [await workspace.dialed() for _ in range(3)]
    for claim in (talking, ringing, dialing):
        await workspace.set_attempt(claim.attempt_id, owner="worker_dead", lease_until=PAST)
    await workspace.set_attempt(talking.attempt_id, stream_opened_at=PAST)
    await workspace.set_attempt(dialing.attempt_id, carrier_call_id=None)
    assert await take_over(workspace.engine, "worker_mine", lease_s=15)
    rows = [await workspace.attempt(claim.attempt_id) for claim in (talking, ringing, dialing)]
    assert {row.owner for row in rows} == {"worker_mine"}
    assert all(row.check_at <= datetime.now(UTC) < row.lease_until for row in rows)
    assert [row.ending and row.ending["error"]["code"] for row in rows] == ["interrupted", None, None]
    assert [row.unknown_since is not None for row in rows] == [False, False, True]
    assert not await take_over(workspace.engine, "worker_mine", lease_s=15), "they are ours now"


@pytest.mark.parametrize("known", ["rings", "answered", "nobody came", "refused", "back"])
async def test_the_death_of_a_worker_interrupts_nobody_who_was_connected_elsewhere(workspace, claim, known):
    await taken(workspace, claim)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    transfer_id = await begin_transfer(
        workspace.engine, claim.attempt_id, claim.call_id, "+15551230009", failed_step=None
    )
    if known == "refused":
        error = CallError(code=FailureCode.CARRIER_REFUSED, message="The carrier refused.")
        await refuse_transfer(workspace.engine, claim.attempt_id, transfer_id, error)
    elif known == "back":
        await workspace.set_transfers(result="busy", returned_at=PAST, check_at=None)
    elif known != "rings":
        outcome = TransferOutcome.ANSWERED if known == "answered" else TransferOutcome.BUSY
        told = TransferResult(at=datetime.now(UTC), outcome=outcome, is_over=known != "answered")
        await apply_event(workspace.engine, claim.attempt_id, told)
    await workspace.set_attempt(claim.attempt_id, owner="worker_dead", lease_until=PAST)
    assert await unattended(workspace.engine, Lease(owner="worker_dead", lease_s=15, silent_after_s=20)) == (
        [claim.attempt_id] if known in ("refused", "back") else []
    )
    assert await take_over(workspace.engine, "worker_new", lease_s=15)
    attempt = await workspace.attempt(claim.attempt_id)
    if known in ("refused", "back"):
        assert (attempt.owner, attempt.ending["error"]["code"]) == ("worker_new", "interrupted")
    else:
        assert (attempt.owner, attempt.ending) == (None, None)


async def test_a_call_that_ends_elsewhere_after_the_death_of_its_worker_was_not_interrupted(workspace, claim):
    await taken(workspace, claim)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC), owner="worker_dead")
    await begin_transfer(workspace.engine, claim.attempt_id, claim.call_id, "+15551230009", failed_step=None)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


async def test_a_transferred_call_is_let_go_of_whose_result_can_not_be_written(workspace, claim):
    await taken(workspace, claim)
    await begin_transfer(workspace.engine, claim.attempt_id, claim.call_id, "+15551230009", failed_step=None)
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST)
    await let_go_transferred(workspace.engine, MINE, held=[claim.attempt_id])
    assert (await workspace.attempt(claim.attempt_id)).owner == MINE.owner
    await let_go_transferred(workspace.engine, MINE, held=[])
    assert (await workspace.attempt(claim.attempt_id)).owner is None


async def test_why_a_call_is_being_ended_outlives_its_worker(workspace, claim):
    ending = {"end_reason": "machine", "error": None}
    await taken(workspace, claim)
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST, ending=ending)
    await take_over(workspace.engine, "worker_new", lease_s=15)
    assert (await workspace.attempt(claim.attempt_id)).ending == ending


@pytest.mark.parametrize("lease_until", [PAST, datetime.now(UTC) + timedelta(hours=1)], ids=["frozen", "alive"])
async def test_who_holds_a_lock_or_a_lease_keeps_its_calls(workspace, database_url, claim, lease_until):
    async with Worker(workspace.engine, database_url) as frozen:
        await workspace.set_attempt(claim.attempt_id, owner=frozen.id, lease_until=lease_until)
        assert not await take_over(workspace.engine, "worker_mine", lease_s=15)
    if lease_until != PAST:
        assert not await take_over(workspace.engine, "worker_mine", lease_s=15)
        return
    # The lock is free as soon as PostgreSQL has noticed that the connection was closed.
    await until(lambda: take_over(workspace.engine, "worker_mine", lease_s=15))


async def test_of_two_that_take_over_at_once_one_has_them(workspace, claim):
    await workspace.set_attempt(claim.attempt_id, owner="worker_dead", lease_until=PAST)
    took = await asyncio.gather(*(take_over(workspace.engine, f"worker_{n}", lease_s=15) for n in range(2)))
    assert any(took)
    assert (await workspace.attempt(claim.attempt_id)).owner in ("worker_0", "worker_1")
