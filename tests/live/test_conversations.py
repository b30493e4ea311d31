"""What a worker does beside the conversations it holds."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from outdial.calls.advance import apply_event
from outdial.carriers.errors import CarrierRefused
from outdial.conversation.live_call import TransferFailed
from outdial.live.conversations import NOT_REACHABLE, _Control, await_verdict
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState
from outdial.telephony.verdict import AnsweredBy, Verdict


@pytest.mark.parametrize("is_judged", [False, True])
async def test_without_a_verdict_in_time_the_answer_is_unknown(workspace, is_judged):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await await_verdict(workspace.engine, claim.attempt_id, SimpleNamespace(is_judged=is_judged), 0.01)
    answered_by = (await workspace.call(claim.call_id)).answered_by
    if is_judged:
        assert answered_by is None
        return
    assert (answered_by["category"], answered_by["evidence"]) == ("unknown", ["deadline"])
    assert answered_by["confidence"] is None
    assert answered_by["after_answer_ms"] >= 10
    late = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), evidence=("machine",))
    await apply_event(workspace.engine, claim.attempt_id, late)
    assert (await workspace.call(claim.call_id)).answered_by["category"] == "machine", "a late one still counts"


async def test_a_verdict_is_not_taken_back_by_the_deadline(workspace):
    claim = await workspace.dialed()
    human = Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC), evidence=("human",))
    await apply_event(workspace.engine, claim.attempt_id, human)
    await await_verdict(workspace.engine, claim.attempt_id, SimpleNamespace(is_judged=False), 0.0)
    assert (await workspace.call(claim.call_id)).answered_by["category"] == "human"


def control(workspace, claim) -> _Control:
    return _Control(workspace.engine, workspace.settings, workspace.open_carrier, claim.attempt_id, "+15551230002")


async def test_a_carriers_no_to_a_transfer_reaches_the_conversation_in_its_own_words(workspace):
    claim = await workspace.dialed()
    workspace.carrier.fault = CarrierRefused(FailureCode.NUMBER_INVALID, "Not a number.", carrier_code="21211")
    with pytest.raises(TransferFailed) as failed:
        await control(workspace, claim).transfer("+15551230009")
    assert failed.value.error == workspace.carrier.fault.as_call_error()
    assert str(failed.value) == "number_invalid (21211)"


async def test_a_call_whose_id_the_carrier_has_not_told_yet_is_not_transferred(workspace):
    await workspace.queue()
    (claim,) = await workspace.claim()
    with pytest.raises(TransferFailed) as failed:
        await control(workspace, claim).transfer("+15551230009")
    assert failed.value.error is NOT_REACHABLE
