"""Somebody is asked to take a callee: dialled once, connected or let go, whatever the carrier does."""

import asyncio

import pytest
from sqlalchemy import update

from asking import DESK, FIRST, REFUSED, SECOND, WARM, Asking, sweep, talking_call
from outdial.calls.consultations import Answer, note_answer
from outdial.carriers.errors import CarrierUncertain
from outdial.conversation.verb_results import TransferFailed
from outdial.db.tables import workspaces
from outdial.live.carrier_control import ControlOfAttempt
from outdial.live.consulting import BESIDE_AN_OLDER
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState
from seats import an_older_worker
from workspace import CALLER, until


@pytest.fixture
async def claim(workspace):
    return await talking_call(workspace)


# -- asked, and connected --------------------------------------------------------------------------------------


async def test_it_is_in_the_books_before_it_is_dialled_and_dialled_under_a_name_of_its_own(workspace, claim, asking):
    transfer_id = await asking.is_dialled()
    first, second = workspace.carrier.dialed
    assert (second.to, second.from_, second.ref) == (DESK, CALLER, f"{claim.attempt_id}.{transfer_id}")
    assert second.command_id != first.command_id, "Telnyx takes the same one for the same dial"
    assert second.callback_url == f"{first.callback_url}/consult-{transfer_id}"
    record = await asking.transfer()
    assert (record.to, record.warm, record.result) == (DESK, True, None)
    assert await workspace.events(claim.call_id, "transfer") == [record.to_json()]


async def test_who_takes_it_is_connected_once(workspace, claim, asking):
    transfer_id = await asking.is_dialled()
    await note_answer(workspace.engine, transfer_id, Answer.ACCEPTED, by="key")
    await asking.task
    assert asking.joining
    assert workspace.carrier.joined == [(FIRST, SECOND, f"{claim.attempt_id}-{transfer_id}")]
    record = await asking.transfer()
    assert (record.result, record.accepted_by, record.leg, record.ended_at) == ("answered", "key", SECOND, None)
    assert workspace.carrier.hung_up == []


async def test_a_process_that_ends_waits_until_nobody_is_left_ringing(workspace, asking):
    await asking.is_dialled()
    workspace.carrier.refuses_hang_ups.append(REFUSED)  # and it is tried again
    asking.task.cancel()
    await asyncio.gather(asking.task, return_exceptions=True)
    await asking.control.aclose()
    assert workspace.carrier.hung_up == [SECOND]
    assert (await asking.leg()).dropped_at is not None


@pytest.mark.parametrize(("answer", "result"), [(Answer.DECLINED, "declined"), (Answer.NONE, "voicemail")])
async def test_who_does_not_take_it_is_hung_up_on(workspace, asking, monkeypatch, answer, result):
    monkeypatch.setattr("outdial.live.consulting.THANKED_WITHIN_S", 0.1)
    await note_answer(workspace.engine, await asking.is_dialled(), answer)
    assert (await asking.fails()).result == result
    assert (await asking.transfer()).result == result
    await asking.hung_up(SECOND)


# -- refused ---------------------------------------------------------------------------------------------------


async def test_a_number_that_no_destination_covers_is_not_asked(workspace, claim):
    control = ControlOfAttempt(workspace.engine, workspace.settings, workspace.open_carrier, claim.attempt_id, CALLER)
    with pytest.raises(TransferFailed) as failed:
        await control.consult("+19005551234", WARM, lambda: None)
    assert failed.value.error.code == FailureCode.DESTINATION_NOT_ALLOWED
    assert len(workspace.carrier.dialed) == 1
    [record] = await workspace.transfers(claim.call_id)
    assert (record.result, record.error) == ("failed", failed.value.error)


async def test_nobody_is_asked_while_a_process_lives_that_knows_of_no_second_legs(workspace, claim):
    control = ControlOfAttempt(workspace.engine, workspace.settings, workspace.open_carrier, claim.attempt_id, CALLER)
    async with an_older_worker(workspace.engine):
        with pytest.raises(TransferFailed) as failed:
            await control.consult("+12025550188", WARM, lambda: None)
    assert failed.value.error == BESIDE_AN_OLDER
    assert len(workspace.carrier.dialed) == 1
    [record] = await workspace.transfers(claim.call_id)
    assert record.result == "failed"
    assert record.ended_at is not None


async def test_it_counts_as_one_of_the_days_calls(workspace, claim):
    async with workspace.engine.begin() as conn:
        await conn.execute(update(workspaces).values(daily_limit=0))
    control = ControlOfAttempt(workspace.engine, workspace.settings, workspace.open_carrier, claim.attempt_id, CALLER)
    with pytest.raises(TransferFailed) as failed:
        await control.consult(DESK, WARM, lambda: None)
    assert failed.value.error.code == FailureCode.DAILY_LIMIT
    assert len(workspace.carrier.dialed) == 1


async def test_a_dial_whose_outcome_is_unknown_is_never_made_again_and_ended_once_it_is_heard_of(workspace, asking):
    workspace.carrier.loses_replies = True
    failed = await asking.fails()
    assert (failed.result, failed.error.code) == ("failed", FailureCode.CARRIER_NO_REPLY)
    assert len(workspace.carrier.dialed) == 2
    assert workspace.carrier.hung_up == []
    await asking.tells(CallState.RINGING)
    await asking.hung_up(SECOND)
    await sweep(workspace)
    assert len(workspace.carrier.dialed) == 2


@pytest.mark.parametrize("fault", [REFUSED, CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "No reply.")])
async def test_a_callee_who_can_not_be_connected_stays_with_its_agent(workspace, asking, fault):
    transfer_id = await asking.is_dialled()
    workspace.carrier.fault = fault
    await note_answer(workspace.engine, transfer_id, Answer.ACCEPTED, by="words")
    assert (await asking.fails()).error == fault.as_call_error()
    workspace.carrier.fault = None
    assert (await asking.transfer()).result == "failed"
    await sweep(workspace)
    assert SECOND in workspace.carrier.hung_up


# -- who leaves ------------------------------------------------------------------------------------------------


async def test_the_second_leg_ends_when_the_callee_leaves_meanwhile(workspace, asking):
    await asking.is_dialled()
    asking.task.cancel()
    await asking.hung_up(SECOND)
    assert (await asking.transfer()).result == "no_answer"


# -- the sweep -------------------------------------------------------------------------------------------------


async def test_a_dial_under_way_when_the_callee_leaves_is_ended_by_its_reply(workspace, claim):
    replies, dialled = asyncio.Event(), asyncio.Event()

    async def keeps_its_reply(request, carrier_call_id):
        dialled.set()
        await replies.wait()

    workspace.carrier.before_reply = keeps_its_reply
    asking = Asking(workspace, claim)
    await dialled.wait()
    await asking.aclose()
    assert workspace.carrier.hung_up == []
    replies.set()

    async def is_hung_up():  # by whoever comes to know of it first, or by both
        return set(workspace.carrier.hung_up) == {SECOND}

    await until(is_hung_up)
