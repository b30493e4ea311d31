"""Second legs of warm transfers: what carriers tell of them, and that none is left up."""

import asyncio
from dataclasses import replace

import pytest

from asking import FIRST, REFUSED, SECOND, sweep, talking_call
from dispatch.silence import ago
from outdial.calls.consultations import Answer, note_answer
from outdial.calls.ownership import take_over
from outdial.calls.records import read_held
from outdial.dispatch.second_legs import SecondLegs, second_leg_of
from outdial.dispatch.sweep import Sweep
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason
from workspace import OWNER, until


@pytest.fixture
async def claim(workspace):
    return await talking_call(workspace)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("consult-7/status", (7, "status")),
        ("status", (None, "status")),
        ("consult-/status", (None, "consult-/status")),
        ("consult-7", (None, "consult-7")),
        ("other-7/status", (None, "other-7/status")),
        (f"consult-{'9' * 30}/status", (None, f"consult-{'9' * 30}/status")),
    ],
)
def test_a_callback_says_by_its_url_whose_it_is(kind, told):
    assert second_leg_of(kind) == told


async def test_a_callee_whom_the_other_party_has_left_is_hung_up_on(workspace, asking):
    await asking.connected()
    await asking.tells(CallState.ENDED, EndReason.COMPLETED)
    await asking.hung_up(FIRST)
    record = await asking.transfer()
    assert (record.result, record.ended_at is not None, record.duration_s is not None) == ("answered", True, True)
    assert (await workspace.attempt(asking.claim.attempt_id)).ending["end_reason"] == "completed"


async def test_the_other_party_is_hung_up_on_when_the_callee_leaves(workspace, asking):
    await asking.connected()
    await workspace.hears(asking.claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    legs = SecondLegs(workspace.engine, workspace.open_carrier)
    held = await read_held(workspace.engine, asking.claim.attempt_id)
    async with workspace.engine.begin() as conn:
        work = await legs.first_has_ended(conn, held)
    assert work is not None
    await work
    await asking.hung_up(SECOND)
    assert (await asking.transfer()).duration_s is not None


async def test_neither_leg_outlives_the_process_that_asked(workspace, claim, asking):
    await asking.is_dialled()
    await workspace.set_attempt(claim.attempt_id, lease_until=ago(60))
    assert await take_over(workspace.engine, "worker_other", lease_s=60)
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.ending["error"]["code"]) == ("worker_other", "interrupted")
    await sweep(workspace)
    await asking.hung_up(SECOND)
    assert (await asking.transfer()).result == "no_answer"


async def test_neither_leg_waits_for_a_process_that_died_when_it_was_about_to_connect_them(workspace, claim, asking):
    joins = workspace.carrier.joins = asyncio.Event()
    transfer_id = await asking.is_dialled()
    await note_answer(workspace.engine, transfer_id, Answer.ACCEPTED, by="key")
    async with asyncio.timeout(30):
        await joins.wait()
    assert (await asking.leg()).joining_at is not None
    workspace.carrier.now_is(SECOND, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, lease_until=ago(60))
    assert await take_over(workspace.engine, "worker_other", lease_s=60)
    await Sweep(workspace.engine, workspace.settings, None, workspace.open_carrier, owner="worker_other").sweep()
    await asking.hung_up(FIRST)
    assert (await workspace.attempt(claim.attempt_id)).ending["error"]["code"] == "interrupted"
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await sweep(workspace)
    await asking.hung_up(FIRST, SECOND)
    assert (await workspace.call(claim.call_id)).end_reason == "failed"


async def test_a_connected_call_is_left_alone_when_its_process_dies(workspace, claim, asking):
    await asking.connected()
    await workspace.set_attempt(claim.attempt_id, owner=OWNER, lease_until=ago(60))
    await take_over(workspace.engine, "worker_other", lease_s=60)
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.ending) == (None, None)
    workspace.carrier.now_is(SECOND, CallState.IN_PROGRESS)
    await sweep(workspace)
    assert workspace.carrier.hung_up == []


async def test_a_leg_that_its_carrier_does_not_end_is_asked_for_again(workspace, asking):
    await asking.is_dialled()
    workspace.carrier.refuses_hang_ups.extend([REFUSED] * 3)
    asking.task.cancel()

    async def is_refused():
        return not workspace.carrier.refuses_hang_ups

    await until(is_refused)
    assert workspace.carrier.hung_up == []
    await sweep(workspace)
    await asking.hung_up(SECOND)


async def test_an_end_that_no_callback_told_is_found_out(workspace, claim, asking):
    await asking.connected()
    workspace.carrier.now_is(SECOND, CallState.ENDED, EndReason.COMPLETED)
    await sweep(workspace)
    assert (await asking.transfer()).ended_at is not None


async def test_what_a_leg_has_cost_is_kept(workspace, asking):
    await asking.is_dialled()
    await asking.tells(CallState.ENDED, EndReason.BUSY, price=Price(amount="0.0137", currency="USD"))
    leg = await asking.leg()
    assert (str(leg.price), leg.price_currency) == ("0.0137", "USD")


async def test_what_no_callback_tells_of_its_cost_is_asked_for(workspace, asking):
    await asking.connected()
    await asking.tells(CallState.ENDED, EndReason.COMPLETED)
    record = workspace.carrier.books[SECOND]
    workspace.carrier.books[SECOND] = replace(record, price=Price(amount="0.02", currency="USD"))
    await sweep(workspace)
    assert str((await asking.leg()).price) == "0.02"
    assert (await asking.leg()).price_currency == "USD"
