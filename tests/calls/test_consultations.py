"""Warm transfers in the books: what a carrier says of the second leg, and who may open its audio."""

from datetime import UTC, datetime

import pytest

from asking import talking_call
from outdial.calls.consultations import apply_to_leg, take_consultation
from outdial.calls.records import lock_attempt
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallState, EndReason, Progress


@pytest.fixture
async def claim(workspace):
    return await talking_call(workspace)


@pytest.mark.parametrize(
    ("reason", "result"),
    [
        (EndReason.BUSY, "busy"),
        (EndReason.NO_ANSWER, "no_answer"),
        (EndReason.DECLINED, "declined"),
        (EndReason.FAILED, "failed"),
        (EndReason.COMPLETED, "no_answer"),  # picked up, and left before its audio was there
    ],
)
async def test_whom_it_does_not_reach_is_told_by_the_carrier(workspace, asking, reason, result):
    await asking.is_dialled()
    await asking.tells(CallState.ENDED, reason)
    assert (await asking.fails()).result == result
    assert (await asking.transfer()).result == result
    assert workspace.carrier.hung_up == []


async def test_who_was_asked_and_hung_up_has_declined(workspace, claim, asking):
    await asking.is_dialled()
    token = workspace.carrier.dialed[-1].stream_url.rpartition("/")[2]
    assert await take_consultation(workspace.engine, claim.attempt_id, token) is not None
    assert await take_consultation(workspace.engine, claim.attempt_id, token) is None, "it works once"
    await asking.tells(CallState.ENDED, EndReason.COMPLETED)
    assert (await asking.fails()).result == "declined"


async def test_who_answers_a_dial_that_nobody_waits_for_gets_no_audio(workspace, claim, asking):
    workspace.carrier.loses_replies = True
    await asking.fails()
    token = workspace.carrier.dialed[-1].stream_url.rpartition("/")[2]
    assert await take_consultation(workspace.engine, claim.attempt_id, token) is None


async def test_events_of_another_call_change_nothing(workspace, claim, asking):
    transfer_id = await asking.is_dialled()
    other = Progress(
        state=CallState.ENDED, at=datetime.now(UTC), end_reason=EndReason.BUSY, carrier_call=CarrierCall(id="CA9")
    )
    async with workspace.engine.begin() as conn:
        await lock_attempt(conn, claim.attempt_id)
        assert await apply_to_leg(conn, transfer_id, other) is None
    assert (await asking.transfer()).result is None
