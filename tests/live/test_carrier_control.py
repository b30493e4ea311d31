"""What a conversation asks of its carrier, and what it hears when that fails."""

import pytest

from outdial.carriers.errors import CarrierRefused
from outdial.conversation.live_call import TransferFailed
from outdial.live.carrier_control import NOT_REACHABLE, ControlOfAttempt
from outdial.telephony.failures import FailureCode
from workspace import CALLER


def control(workspace, claim) -> ControlOfAttempt:
    return ControlOfAttempt(
        workspace.engine, workspace.settings, workspace.open_carrier, claim.attempt_id, CALLER
    )


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
