"""The way back to the agent from a transfer that nobody took."""

from datetime import UTC, datetime

import pytest

from outdial.calls.advance import apply_event
from outdial.calls.ownership import Lease, StillHeld, take_stream
from outdial.calls.results import Result, save_result
from outdial.calls.transfer_returns import prepare_return
from outdial.calls.transfers import begin_transfer
from outdial.telephony.state import CallState, Ending, EndReason
from outdial.telephony.transfer import TransferOutcome, TransferResult

DESK = "+15551230009"
BUSY, ANSWERED = TransferOutcome.BUSY, TransferOutcome.ANSWERED
LEASE = Lease(owner="worker_1", lease_s=15.0, silent_after_s=20.0)
NOTHING = Result(noted={}, recording=None, message_delivered=None, transferred=True)


@pytest.fixture
async def claim(workspace):
    claim = await workspace.dialed()
    assert await take_stream(workspace.engine, claim.attempt_id, claim.stream_token, LEASE) is not None
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    return claim


async def begin(workspace, claim, *, failed_step):
    return await begin_transfer(workspace.engine, claim.attempt_id, claim.call_id, DESK, failed_step=failed_step)


async def come_back(workspace, claim, token):
    return await take_stream(workspace.engine, claim.attempt_id, token, LEASE)


async def test_a_call_comes_back_once_the_conversation_before_is_written_down(workspace, claim):
    await begin(workspace, claim, failed_step="sorry")
    token = await prepare_return(workspace.engine, claim.attempt_id, BUSY)
    with pytest.raises(StillHeld):
        await come_back(workspace, claim, token)
    result = Result(noted={"asked": True}, recording=None, message_delivered=None, transferred=True)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, result)
    answered = await come_back(workspace, claim, token)
    assert (answered.returned.step, answered.returned.to, answered.returned.result) == ("sorry", DESK, "busy")
    assert (answered.noted, answered.returns) == ({"asked": True}, 1)
    assert (await workspace.attempt(claim.attempt_id)).owner == LEASE.owner
    assert await come_back(workspace, claim, token) is None, "the token works once"


async def test_a_result_that_is_written_again_takes_nothing_from_the_agent_that_is_back(workspace, claim):
    await begin(workspace, claim, failed_step="sorry")
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, NOTHING)
    await come_back(workspace, claim, await prepare_return(workspace.engine, claim.attempt_id, BUSY))
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, NOTHING)
    assert (await workspace.attempt(claim.attempt_id)).owner == LEASE.owner


async def test_only_the_newest_token_works(workspace, claim):
    await begin(workspace, claim, failed_step="sorry")
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, NOTHING)
    first, second = [await prepare_return(workspace.engine, claim.attempt_id, BUSY) for _ in range(2)]
    assert await come_back(workspace, claim, first) is None
    assert await come_back(workspace, claim, second) is not None
    assert await prepare_return(workspace.engine, claim.attempt_id, BUSY) is None, "it is back"


@pytest.mark.parametrize("why", ["no step", "answered", "hang-up", "being ended", "ended"])
async def test_a_call_does_not_come_back(workspace, claim, why):
    await begin(workspace, claim, failed_step=None if why == "no step" else "sorry")
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, NOTHING)
    match why:
        case "answered":
            told = TransferResult(outcome=ANSWERED, at=datetime.now(UTC))
            await apply_event(workspace.engine, claim.attempt_id, told)
        case "hang-up":
            await workspace.ask_hang_up(claim.call_id)
        case "being ended":
            ending = Ending(end_reason=EndReason.COMPLETED).to_json()
            await workspace.set_attempt(claim.attempt_id, ending=ending)
        case "ended":
            await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert await prepare_return(workspace.engine, claim.attempt_id, BUSY) is None


async def test_a_call_that_has_ended_meanwhile_is_not_taken_back(workspace, claim):
    await begin(workspace, claim, failed_step="sorry")
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, NOTHING)
    token = await prepare_return(workspace.engine, claim.attempt_id, BUSY)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert await come_back(workspace, claim, token) is None
