"""What a conversation asks of its carrier, and what it hears when that fails."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from outdial.carriers.errors import CarrierRefused
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.conversation.verb_results import CallBackRefused, TransferFailed
from outdial.db.tables import workspaces
from outdial.live import carrier_control
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
        await control(workspace, claim).transfer("+15551230009", failed=None)
    assert failed.value.error == workspace.carrier.fault.as_call_error()
    assert str(failed.value) == "number_invalid (21211)"
    [record] = await workspace.transfers(claim.call_id)
    assert (record.to, record.result, record.error) == ("+15551230009", "failed", failed.value.error)


async def test_a_transfer_that_no_destination_covers_never_reaches_the_carrier(workspace):
    claim = await workspace.dialed()
    workspace.carrier.fault = CarrierRefused(FailureCode.NUMBER_INVALID, "It was asked.")
    with pytest.raises(TransferFailed) as failed:
        await control(workspace, claim).transfer("+19005551234", failed="sorry")
    assert failed.value.error.code == FailureCode.DESTINATION_NOT_ALLOWED
    [record] = await workspace.transfers(claim.call_id)
    assert (record.to, record.result, record.error) == ("+19005551234", "failed", failed.value.error)
    assert (await workspace.events(claim.call_id, "transfer"))[-1]["result"] == "failed"


@pytest.mark.parametrize("returns", [True, False])
async def test_a_transfer_is_in_the_books_with_the_way_back_where_the_carrier_has_one(workspace, monkeypatch, returns):
    claim = await workspace.dialed()
    kind = CARRIERS[CarrierName("twilio")]
    capabilities = replace(kind.capabilities, agent_returns=returns)
    monkeypatch.setitem(CARRIERS, kind.name, replace(kind, capabilities=capabilities))
    await control(workspace, claim).transfer("+15551230009", failed="sorry")
    [record] = await workspace.transfers(claim.call_id)
    assert (record.to, record.result, record.failed_step) == ("+15551230009", None, "sorry" if returns else None)
    assert await workspace.events(claim.call_id, "transfer") == [record.to_json()]


async def test_a_call_whose_id_the_carrier_has_not_told_yet_is_not_transferred(workspace):
    await workspace.queue()
    (claim,) = await workspace.claim()
    with pytest.raises(TransferFailed) as failed:
        await control(workspace, claim).transfer("+15551230009", failed=None)
    assert failed.value.error is NOT_REACHABLE


async def test_what_can_not_be_stored_is_not_promised(workspace):
    claim = await workspace.dialed()
    at = datetime.now(UTC) + timedelta(hours=3)
    with pytest.raises(CallBackRefused) as refused:  # the number has no agent
        await control(workspace, claim).call_back(at, {}, promised=True)
    assert refused.value.reason == "It can't be arranged now."
    async with workspace.engine.begin() as conn:
        await conn.execute(update(workspaces).values(daily_limit=0))
    with pytest.raises(CallBackRefused) as refused:
        await control(workspace, claim).call_back(at, {}, promised=False)
    assert refused.value.reason == "There can be no more calls today."


@pytest.mark.parametrize("waits_s", [0, 60])
async def test_a_call_back_is_refused_while_the_database_is_away_or_slow(workspace, monkeypatch, waits_s):
    claim = await workspace.dialed()

    async def away(*args):
        await asyncio.sleep(waits_s)
        raise OSError("away")

    monkeypatch.setattr(carrier_control, "may_call_back", away)
    monkeypatch.setattr(carrier_control, "ARRANGED_WITHIN_S", 0.05)
    with pytest.raises(CallBackRefused) as refused:
        await control(workspace, claim).call_back(datetime.now(UTC) + timedelta(hours=3), {}, promised=False)
    assert refused.value.reason == "It can't be arranged now."
