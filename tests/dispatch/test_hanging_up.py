"""Asking a carrier to end a call."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from dispatch.silence import PAST, UNREACHABLE, ago, due
from outdial.calls.advance import note_ending
from outdial.calls.records import read_attempt
from outdial.carriers.errors import CarrierRefused, CarrierThrottled, CarrierUnreachable
from outdial.db.notify import Notifications
from outdial.dispatch.hanging_up import HangUps, ask_to_end, hang_up
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, Ending, EndReason
from workspace import CALLEE, CALLER, until

NOT_KNOWN = CarrierRefused(FailureCode.NOT_KNOWN_THERE, "There is no such call.", carrier_code="20404")
REFUSED = CarrierRefused(FailureCode.NOT_PERMITTED, "The account may not do this.")
THROTTLED = CarrierThrottled(FailureCode.THROTTLED, "Too many requests.", 70.0)
AWAY_FOR_A_WHILE = CarrierUnreachable(FailureCode.CARRIER_ERROR, "It has trouble answering.", retry_after_s=70.0)


@pytest.fixture
def hang_ups(workspace, database_url) -> HangUps:
    """One that is asked for a round; it listens to nothing."""
    return HangUps(workspace.engine, workspace.settings, Notifications(database_url), workspace.open_carrier)


@asynccontextmanager
async def hanging_up(workspace, database_url):
    async with Notifications(database_url) as notifications:
        hang_ups = HangUps(workspace.engine, workspace.settings, notifications, workspace.open_carrier)
        running = asyncio.create_task(hang_ups.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def has_ended(workspace, claim):
    async def check():
        return (await workspace.call(claim.call_id)).state == "ended"

    return check


def in_seconds(instant):
    return (instant - datetime.now(UTC)).total_seconds()


async def asked(workspace, claim, **tries):
    return await hang_up(workspace.engine, workspace.open_carrier, claim.attempt_id, **tries)


async def test_the_carrier_is_asked_to_end_its_call(workspace):
    claim = await workspace.dialed()
    assert await asked(workspace, claim)
    assert workspace.carrier.hung_up == ["CA1"]


async def test_a_call_the_carrier_has_not_told_of_can_not_be_ended(workspace):
    await workspace.queue()
    (claim,) = await workspace.claim()
    assert not await asked(workspace, claim)


async def test_a_call_of_a_removed_account_can_not_be_ended(workspace):
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, carrier_account_id=None)
    assert not await asked(workspace, claim)


@pytest.mark.parametrize(("failures", "ended"), [(1, True), (2, False)])
async def test_a_carrier_is_asked_again(workspace, caplog, failures, ended):
    claim = await workspace.dialed()
    refusals = [UNREACHABLE] * failures

    async def open_carrier(account_id):
        if refusals:
            raise refusals.pop()
        return workspace.carrier

    assert await hang_up(workspace.engine, open_carrier, claim.attempt_id, tries=2) is ended
    assert caplog.messages == ["Hang-up refused by carrier"] * failures
    assert caplog.records[0].code == "carrier_unreachable"


async def test_an_account_that_is_gone_leaves_the_call_to_the_sweep(workspace):
    claim = await workspace.dialed()

    async def open_carrier(account_id):
        raise CarrierRefused(FailureCode.ACCOUNT_REMOVED, "The carrier account of this number was removed.")

    assert not await hang_up(workspace.engine, open_carrier, claim.attempt_id, tries=1)


@pytest.mark.parametrize("error", [THROTTLED, AWAY_FOR_A_WHILE])
async def test_a_carrier_that_wants_to_be_left_alone_is_asked_when_it_says(workspace, error):
    claim = await workspace.dialed()
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.COMPLETED))
    workspace.carrier.refuses_hang_ups.append(error)
    async with asyncio.timeout(5):
        assert not await asked(workspace, claim)
    assert 69 < in_seconds((await workspace.attempt(claim.attempt_id)).hang_up_at) <= 70


async def test_a_refused_hang_up_needs_no_database(workspace, caplog):
    """Only the carrier's wish to be left alone is lost."""
    claim = await workspace.dialed()
    attempt = await read_attempt(workspace.engine, claim.attempt_id)
    nowhere = create_async_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    workspace.carrier.refuses_hang_ups.append(THROTTLED)
    assert not await ask_to_end(nowhere, workspace.open_carrier, attempt)
    assert await ask_to_end(nowhere, workspace.open_carrier, attempt)
    assert caplog.messages == ["Hang-up refused by carrier", "Refused hang-up not noted"]


# -- ends that are wanted --------------------------------------------------------------------------------------


async def ringing(workspace, **columns):
    claim = await workspace.dialed(**columns)
    workspace.carrier.now_is("CA1", CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    return claim


@pytest.mark.parametrize("fault", [NOT_KNOWN, UNREACHABLE, THROTTLED])
@pytest.mark.parametrize("state", [CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS])
async def test_a_wanted_end_is_asked_for_whatever_look_ups_say(workspace, hang_ups, fault, state):
    claim = await workspace.dialed()
    if state is not CallState.DIALING:
        await workspace.hears(claim.attempt_id, state)
    workspace.carrier.look_up_fault = fault
    await workspace.ask_hang_up(claim.call_id)
    await hang_ups.sweep()
    assert workspace.carrier.hung_up == ["CA1"]
    call = await workspace.call(claim.call_id)
    answered = state is CallState.IN_PROGRESS
    assert (call.state, call.end_reason, call.error) == ("ended", "completed" if answered else "canceled", None)
    assert call.ended_by == "operator"
    assert not call.holds_line
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is None


async def test_a_call_that_came_in_is_hung_up_whatever_look_ups_say(workspace, hang_ups):
    claim = await ringing(workspace)
    await workspace.set_call(claim.call_id, direction="inbound")
    await workspace.set_pool(used_outbound=0, used_inbound=1)
    workspace.carrier.look_up_fault = UNREACHABLE
    await workspace.ask_hang_up(claim.call_id)
    await hang_ups.sweep()
    assert workspace.carrier.hung_up == ["CA1"]
    assert (await workspace.call(claim.call_id)).end_reason == "canceled"


async def test_our_own_reason_to_end_goes_out_whatever_look_ups_say(workspace, hang_ups):
    """A conversation is over, and its process died before it could hang up."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await due(workspace, claim.attempt_id, stream_opened_at=ago(60))
    error = CallError(code=FailureCode.AGENT_FAILED, message="The agent failed.")
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.FAILED, error=error))
    workspace.carrier.look_up_fault = UNREACHABLE
    await hang_ups.sweep()
    assert workspace.carrier.hung_up == ["CA1"]
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"], call.ended_by) == ("failed", "agent_failed", "system")


async def test_no_look_up_keeps_a_hang_up_waiting(workspace, database_url):
    """Every look-up takes as long as the carrier's patience, and many are due."""
    stuck = asyncio.Event()

    async def forever():
        await stuck.wait()

    workspace.carrier.before_look = forever
    first, second = await workspace.dialed(to="+15551230003"), await workspace.dialed()
    async with hanging_up(workspace, database_url):
        for claim in (first, second):
            await workspace.ask_hang_up(claim.call_id)
            await until(lambda claim=claim: has_been_hung_up(workspace, claim))
        stuck.set()
        await until(has_ended(workspace, first))
        await until(has_ended(workspace, second))


async def has_been_hung_up(workspace, claim):
    return (await workspace.attempt(claim.attempt_id)).carrier_call_id in workspace.carrier.hung_up


async def test_a_hang_up_refused_once_is_done_a_moment_later(workspace, database_url):
    claim = await ringing(workspace)
    workspace.carrier.refuses_hang_ups.append(UNREACHABLE)
    async with hanging_up(workspace, database_url):
        await workspace.ask_hang_up(claim.call_id)
        await until(has_ended(workspace, claim))


@pytest.mark.parametrize("fault", [UNREACHABLE, REFUSED])
async def test_a_hang_up_that_is_not_taken_is_asked_for_later_and_later(workspace, hang_ups, fault):
    claim = await ringing(workspace)
    await workspace.ask_hang_up(claim.call_id)
    pauses = []
    for _ in range(7):
        workspace.carrier.refuses_hang_ups.append(fault)
        await hang_ups.sweep()
        attempt = await workspace.attempt(claim.attempt_id)
        pauses.append(in_seconds(attempt.hang_up_at))
        await hang_ups.sweep()
        assert (await workspace.attempt(claim.attempt_id)).hang_up_at == attempt.hang_up_at, "not before"
        await workspace.set_attempt(claim.attempt_id, hang_up_at=ago(1))
    longest = [1, 2, 4, 8, 16, 30, 30]
    assert all(most / 2 - 1 < pause <= most for pause, most in zip(pauses, longest, strict=True)), pauses
    await hang_ups.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "canceled"


@pytest.mark.parametrize("error", [THROTTLED, AWAY_FOR_A_WHILE])
async def test_a_carriers_retry_after_is_obeyed_whatever_is_heard_meanwhile(workspace, hang_ups, sweep, error):
    claim = await ringing(workspace)
    await workspace.ask_hang_up(claim.call_id)
    workspace.carrier.refuses_hang_ups.append(error)
    await hang_ups.sweep()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await due(workspace, claim.attempt_id, answered_at=ago(11))
    workspace.carrier.look_up_fault = UNREACHABLE
    await sweep.sweep()
    assert workspace.carrier.hung_up == []
    attempt, call = await workspace.attempt(claim.attempt_id), await workspace.call(claim.call_id)
    assert 60 < in_seconds(attempt.hang_up_at) <= 70
    assert (call.state, call.end_reason) == ("ended", "completed"), "it never had audio: its line is free"
    assert call.ended_by == "operator"
    await workspace.set_attempt(claim.attempt_id, hang_up_at=ago(1))
    await hang_ups.sweep()
    assert workspace.carrier.hung_up == ["CA1"]
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is None


async def test_how_a_call_had_ended_before_it_was_hung_up_is_the_carriers_to_say(workspace, hang_ups):
    claim = await ringing(workspace)
    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.BUSY)
    await workspace.ask_hang_up(claim.call_id)
    await hang_ups.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "busy"


async def test_a_call_known_neither_to_look_up_nor_to_hang_up_is_over(workspace, hang_ups):
    claim = await ringing(workspace)
    workspace.carrier.forget("CA1")
    await workspace.set_attempt(claim.attempt_id, accepted_at=ago(31))
    await workspace.ask_hang_up(claim.call_id)
    await hang_ups.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "canceled", False)


async def test_right_after_the_dial_not_known_is_no_proof(workspace, hang_ups):
    """The carrier's books lag behind: the phone will ring."""
    claim = await workspace.dialed()
    record = workspace.carrier.books.pop("CA1")
    await workspace.ask_hang_up(claim.call_id)
    await hang_ups.sweep()
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (call.state, call.holds_line) == ("dialing", True)
    assert 0 < in_seconds(attempt.hang_up_at) <= 1
    workspace.carrier.books["CA1"] = record
    await workspace.set_attempt(claim.attempt_id, hang_up_at=ago(1))
    await hang_ups.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "canceled"
    assert workspace.carrier.hung_up == ["CA1", "CA1"]


@pytest.mark.parametrize("fault", [None, UNREACHABLE])
async def test_one_that_only_its_hang_up_does_not_know_may_be_there(workspace, hang_ups, fault):
    claim = await ringing(workspace)
    await workspace.set_attempt(claim.attempt_id, accepted_at=ago(31))
    record = workspace.carrier.books.pop("CA1")

    async def back():
        workspace.carrier.books["CA1"] = record

    if fault is None:
        workspace.carrier.before_look = back
    workspace.carrier.look_up_fault = fault
    await workspace.ask_hang_up(claim.call_id)
    await hang_ups.sweep()
    assert (await workspace.call(claim.call_id)).holds_line
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at > datetime.now(UTC)


async def test_a_dial_taken_for_never_placed_that_rings_is_hung_up(workspace, hang_ups):
    """Its callee has been dialled anew, or is about to be."""
    await workspace.queue()
    (claim,) = await workspace.claim()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED)
    workspace.carrier.place("CA9", to=CALLEE, from_=CALLER)
    await workspace.hears(claim.attempt_id, CallState.RINGING, carrier_call_id="CA9")
    await hang_ups.sweep()
    assert workspace.carrier.hung_up == ["CA9"]
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is None


async def test_one_day_nobody_asks_any_more(workspace, hang_ups):
    """It rang, and lasted as long as it may: whatever the carrier says, the call is over."""
    claim = await ringing(workspace)
    workspace.carrier.fault = UNREACHABLE
    long_ago = {"state": "ended", "hang_up_at": PAST, "accepted_at": ago(700), "ringing_at": ago(690)}
    await workspace.set_call(claim.call_id, state="ended", end_reason="completed", holds_line=False)
    await workspace.set_pool(used_outbound=0)
    await workspace.set_attempt(claim.attempt_id, **long_ago | {"ringing_at": ago(640)})
    await hang_ups.sweep()
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is not None
    await workspace.set_attempt(claim.attempt_id, **long_ago)
    await hang_ups.sweep()
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is None
