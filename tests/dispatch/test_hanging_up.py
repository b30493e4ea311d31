"""Asking a carrier to end a call."""

import pytest

from dispatch.silence import UNREACHABLE
from outdial.carriers.errors import CarrierRefused
from outdial.dispatch.hanging_up import hang_up
from outdial.telephony.failures import FailureCode


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
