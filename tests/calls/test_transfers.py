"""Transfers in the books: asked for, and what became of each."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from outdial.calls.advance import apply_event
from outdial.calls.ownership import Lease, take_stream
from outdial.calls.transfers import begin_transfer, refuse_transfer, take_due_transfers
from outdial.db.tables import transfers
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState
from outdial.telephony.transfer import TransferOutcome, TransferResult

DESK, OTHER_DESK = "+15551230009", "+15551230010"
BUSY, ANSWERED = TransferOutcome.BUSY, TransferOutcome.ANSWERED
LEASE = Lease(owner="worker_1", lease_s=15.0, silent_after_s=20.0)
ERROR = CallError(code=FailureCode.CARRIER_REFUSED, message="The carrier refused.")


@pytest.fixture
async def claim(workspace):
    claim = await workspace.dialed()
    assert await take_stream(workspace.engine, claim.attempt_id, claim.stream_token, LEASE) is not None
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    return claim


async def begin(workspace, claim, to=DESK, *, failed_step=None):
    return await begin_transfer(workspace.engine, claim.attempt_id, claim.call_id, to, failed_step=failed_step)


async def tell(workspace, claim, outcome=None, **facts):
    told = TransferResult(outcome=outcome, **{"at": datetime.now(UTC)} | facts)
    return await apply_event(workspace.engine, claim.attempt_id, told)


async def the_only(workspace, claim):
    [record] = await workspace.transfers(claim.call_id)
    return record


async def told(workspace, claim):
    return [
        (data["to"], data["result"], data["duration_s"]) for data in await workspace.events(claim.call_id, "transfer")
    ]


# -- results ---------------------------------------------------------------------------------------------------


async def test_a_transfer_is_in_the_books_before_its_result(workspace, claim):
    await begin(workspace, claim)
    record = await the_only(workspace, claim)
    assert (record.to, record.result, record.ended_at, record.duration_s) == (DESK, None, None, None)
    assert await told(workspace, claim) == [(DESK, None, None)]


@pytest.mark.parametrize("outcome", [outcome for outcome in TransferOutcome if outcome is not ANSWERED])
async def test_nobody_came(workspace, claim, outcome):
    await begin(workspace, claim)
    applied = await tell(workspace, claim, outcome, is_over=True, error=ERROR if outcome == "failed" else None)
    assert applied.changed
    record = await the_only(workspace, claim)
    assert (record.result, record.duration_s, record.error) == (outcome, None, ERROR if outcome == "failed" else None)
    assert await told(workspace, claim) == [(DESK, None, None), (DESK, outcome, None)]
    assert not (await tell(workspace, claim, outcome, is_over=True)).changed
    assert len(await told(workspace, claim)) == 2


@pytest.mark.parametrize("by_carrier", [True, False])
async def test_an_answered_transfer_lasts_as_long_as_the_other_party_talked(workspace, claim, by_carrier):
    await begin(workspace, claim)
    at = datetime.now(UTC)
    await tell(workspace, claim, leg="leg-2")
    await tell(workspace, claim, ANSWERED, at=at, leg="leg-2")
    assert (await the_only(workspace, claim)).ended_at is None
    end = {"at": at + timedelta(seconds=12.5), "is_over": True, "duration_s": 12.0 if by_carrier else None}
    await tell(workspace, claim, ANSWERED, leg="leg-2", **end)
    record = await the_only(workspace, claim)
    assert (record.result, record.leg, record.duration_s) == ("answered", "leg-2", 12.0 if by_carrier else 12.5)
    assert await told(workspace, claim) == [
        (DESK, None, None), (DESK, "answered", None), (DESK, "answered", record.duration_s)
    ]


async def test_in_whatever_order_a_carrier_tells_it(workspace, claim):
    await begin(workspace, claim)
    at = datetime.now(UTC)
    await tell(workspace, claim, ANSWERED, at=at + timedelta(seconds=5), is_over=True)
    assert (await the_only(workspace, claim)).duration_s is None
    await tell(workspace, claim, ANSWERED, at=at)
    assert (await the_only(workspace, claim)).duration_s == 5.0


async def test_a_result_is_that_of_the_transfer_it_names(workspace, claim):
    first = await begin(workspace, claim)
    await tell(workspace, claim, leg="leg-1")
    await refuse_transfer(workspace.engine, claim.attempt_id, first, ERROR)  # as far as we knew
    await begin(workspace, claim, OTHER_DESK)
    await tell(workspace, claim, BUSY, is_over=True, leg="leg-1")
    await tell(workspace, claim, TransferOutcome.DECLINED, is_over=True, to=OTHER_DESK)
    results = [record.result for record in await workspace.transfers(claim.call_id)]
    assert results == ["busy", "declined"]


async def test_a_result_of_another_call_or_number_changes_nothing(workspace, claim):
    await begin(workspace, claim)
    assert not (await tell(workspace, claim, BUSY, is_over=True, carrier_call=CarrierCall(id="CA9"))).changed
    await tell(workspace, claim, BUSY, is_over=True, to=OTHER_DESK)
    assert (await the_only(workspace, claim)).result is None


async def test_a_refusal_is_a_result_that_a_carriers_own_word_corrects(workspace, claim):
    transfer_id = await begin(workspace, claim)
    await refuse_transfer(workspace.engine, claim.attempt_id, transfer_id, ERROR)
    record = await the_only(workspace, claim)
    assert (record.result, record.error) == ("failed", ERROR)
    await tell(workspace, claim, ANSWERED)  # the reply was lost, and it was transferred all the same
    record = await the_only(workspace, claim)
    assert (record.result, record.error, record.ended_at) == ("answered", None, None)


async def test_each_is_looked_at_by_one_sweeper(workspace, claim):
    await begin(workspace, claim)
    assert await take_due_transfers(workspace.engine, at_most=10) == []
    await workspace.set_transfers(check_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert [record.to for record in await take_due_transfers(workspace.engine, at_most=10)] == [DESK]
    assert await take_due_transfers(workspace.engine, at_most=10) == []


@pytest.mark.parametrize(("age_s", "next_s"), [(0, 10), (120, 30), (3600, 60)])
async def test_a_transfer_that_lasts_is_looked_at_less_and_less_often(workspace, claim, age_s, next_s):
    now = datetime.now(UTC)
    await begin(workspace, claim)
    await workspace.set_transfers(check_at=now, at=now - timedelta(seconds=age_s))
    await take_due_transfers(workspace.engine, at_most=10)
    async with workspace.engine.connect() as conn:
        check_at = await conn.scalar(select(transfers.c.check_at))
    assert (check_at - now).total_seconds() == pytest.approx(next_s, abs=3)
