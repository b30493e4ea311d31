"""Transfers that came to nothing, and those of which nothing is heard."""

import asyncio
from datetime import UTC, datetime

import pytest

from dispatch.silence import PAST, UNREACHABLE, ago
from outdial.calls.records import read_held
from outdial.calls.transfers import begin_transfer
from outdial.carriers.callbacks import TRANSFER_FAILED
from outdial.carriers.errors import CarrierRefused, CarrierUncertain
from outdial.dispatch.transfers import Transfers
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, EndReason
from outdial.telephony.transfer import TransferOutcome, TransferResult

DESK = "+15551230009"
BUSY, ANSWERED = TransferOutcome.BUSY, TransferOutcome.ANSWERED
REFUSED = CarrierRefused(FailureCode.CARRIER_REFUSED, "The carrier refused.")
UNCERTAIN = CarrierUncertain(FailureCode.CARRIER_NO_REPLY, "The carrier did not answer.")


@pytest.fixture
async def claim(workspace):
    """A call whose agent has left it to a transfer."""
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=ago(20), audio_started_at=ago(20), owner=None)
    return claim


async def begin(workspace, claim, *, failed_step=None):
    await begin_transfer(workspace.engine, claim.attempt_id, claim.call_id, DESK, failed_step=failed_step)


async def look(workspace, **columns):
    """Time has passed: the sweep looks."""
    await workspace.set_transfers(**{"check_at": PAST} | columns)
    await Transfers(workspace.engine, workspace.settings, workspace.open_carrier).look_after(at_most=10)


def found(outcome, **facts):
    return TransferResult(outcome=outcome, at=datetime.now(UTC), **facts)


async def the_only(workspace, claim):
    [record] = await workspace.transfers(claim.call_id)
    return record


# -- a callback is lost ----------------------------------------------------------------------------------------


async def test_what_became_of_a_transfer_is_asked_for(workspace, claim):
    await begin(workspace, claim)
    workspace.carrier.legs["CA1"] = found(ANSWERED, is_over=True, duration_s=7.0)
    await look(workspace)
    record = await the_only(workspace, claim)
    assert (record.result, record.duration_s, workspace.carrier.said) == ("answered", 7.0, [])


async def test_a_callee_who_is_found_alone_hears_a_sentence(workspace, claim):
    await begin(workspace, claim)
    workspace.carrier.legs["CA1"] = found(BUSY, is_over=True)
    await look(workspace)
    assert (await the_only(workspace, claim)).result == "busy"
    assert workspace.carrier.said == [("CA1", TRANSFER_FAILED)]
    assert (await workspace.attempt(claim.attempt_id)).ending["end_reason"] == "completed"


async def test_or_is_brought_back_to_the_agent(workspace, claim):
    await begin(workspace, claim, failed_step="sorry")
    workspace.carrier.legs["CA1"] = found(BUSY, is_over=True)
    await look(workspace)
    [(call_id, back)] = workspace.carrier.resumed
    assert (call_id, back.ref, workspace.carrier.said) == ("CA1", claim.attempt_id, [])
    assert back.stream_url.startswith(f"wss://voice.example/media/twilio/{claim.attempt_id}/")
    assert (await workspace.attempt(claim.attempt_id)).ending is None


async def test_whose_call_has_ended_is_told_nothing(workspace, claim):
    await begin(workspace, claim)
    workspace.carrier.legs["CA1"] = found(BUSY, is_over=True)
    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.COMPLETED)
    await look(workspace)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, workspace.carrier.said) == ("ended", "completed", [])


async def test_while_it_rings_or_nothing_is_known_it_stays_open(workspace, claim):
    await begin(workspace, claim)
    for known in (found(None, leg="leg-2"), None):
        if known is not None:
            workspace.carrier.legs["CA1"] = known
        await look(workspace)
        record = await the_only(workspace, claim)
        assert (record.result, record.ended_at) == (None, None)
    workspace.carrier.fault = UNREACHABLE
    await look(workspace)
    assert (await the_only(workspace, claim)).ended_at is None


async def test_who_was_never_called_counts_as_not_reached_in_the_end(workspace, claim):
    await begin(workspace, claim)
    await look(workspace, at=ago(101))
    record = await the_only(workspace, claim)
    assert (record.result, record.error.code) == ("failed", "outcome_unknown")
    assert workspace.carrier.said == [("CA1", TRANSFER_FAILED)]


@pytest.mark.parametrize("fault", [None, UNREACHABLE])
async def test_no_transfer_stays_open_after_its_call(workspace, claim, fault):
    await begin(workspace, claim)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    workspace.carrier.fault = fault
    await look(workspace)
    assert (await the_only(workspace, claim)).ended_at is None, "it may be told yet"
    await workspace.set_attempt(claim.attempt_id, ended_at=ago(61))
    await look(workspace)
    record = await the_only(workspace, claim)
    assert (record.result, record.error.code) == ("failed", "outcome_unknown")


async def test_who_had_answered_has_talked_until_the_end_of_the_call(workspace, claim):
    await begin(workspace, claim)
    await workspace.set_transfers(result="answered", answered_at=ago(91))
    await look(workspace)
    assert (await the_only(workspace, claim)).ended_at is None, "they talk"
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await workspace.set_attempt(claim.attempt_id, ended_at=ago(61))
    await look(workspace)
    record = await the_only(workspace, claim)
    assert (record.result, record.duration_s) == ("answered", pytest.approx(30.0, abs=1))


# -- silence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("failed_step", "reason"), [(None, "completed"), ("sorry", "failed")])
async def test_nobody_is_left_in_silence_when_no_process_lives_to_see_to_it(workspace, claim, failed_step, reason):
    await begin(workspace, claim, failed_step=failed_step)
    await look(workspace, result="busy", ended_at=ago(30))
    assert workspace.carrier.said == [("CA1", TRANSFER_FAILED)]
    assert (await workspace.attempt(claim.attempt_id)).ending["end_reason"] == reason


@pytest.mark.parametrize(
    ("attempt", "transfer"),
    [
        ({"owner": "worker_1"}, {}),
        ({"owner": None}, {"returned_at": PAST}),
        ({"state": "ended"}, {}),
        ({"owner": None}, {"result": "answered"}),
    ],
    ids=["its agent never left", "it is back", "it has ended", "somebody came"],
)
async def test_nobody_is_hung_up_on_without_need(workspace, claim, attempt, transfer):
    await begin(workspace, claim, failed_step="sorry")
    await workspace.set_attempt(claim.attempt_id, **attempt)
    await look(workspace, **{"result": "busy", "ended_at": ago(30)} | transfer)
    assert (workspace.carrier.said, workspace.carrier.resumed) == ([], [])
    assert (await workspace.attempt(claim.attempt_id)).ending is None


async def test_the_sweep_does_not_wait_for_a_sentence_to_be_said(workspace, claim, monkeypatch):
    monkeypatch.setattr("outdial.dispatch.transfers.SENTENCE_WAIT_S", 0.05)
    said = asyncio.Event()

    async def speaks(call, sentence):
        await said.wait()

    workspace.carrier.say_and_hang_up = speaks
    await begin(workspace, claim)
    await asyncio.wait_for(look(workspace, result="busy", ended_at=ago(30)), 5)
    said.set()


# -- back to the agent -----------------------------------------------------------------------------------------


async def see_to(workspace, claim):
    held = await read_held(workspace.engine, claim.attempt_id)
    await Transfers(workspace.engine, workspace.settings, workspace.open_carrier).see_to(
        held, CarrierCall(id="CA1"), BUSY
    )


@pytest.mark.parametrize(("fault", "said"), [(REFUSED, 1), (UNCERTAIN, 0)])
async def test_a_call_that_the_carrier_does_not_give_back_ends_after_a_sentence(workspace, claim, fault, said, caplog):
    """Unless it may be on its way."""
    await begin(workspace, claim, failed_step="sorry")
    workspace.carrier.gives_none_back = fault
    await see_to(workspace, claim)
    assert len(workspace.carrier.said) == said
    assert any(message.startswith("Return to agent") for message in caplog.messages)


async def test_a_carrier_that_can_not_be_reached_is_no_reason_to_break(workspace, claim, caplog):
    await begin(workspace, claim)
    workspace.carrier.fault = UNREACHABLE
    await asyncio.wait_for(see_to(workspace, claim), 5)
    assert "Transfer apology failed" in caplog.messages
