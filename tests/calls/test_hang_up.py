"""The wish to end a call: at once while it waits, else written down for whoever holds it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.hang_up import expire_queued, request_hang_up
from outdial.db.notify import Notifications
from outdial.refusals import Conflict, NotFound
from outdial.telephony.state import CallState, EndReason


async def hang_up(workspace, call_id, workspace_id=None):
    return await request_hang_up(workspace.engine, workspace_id or workspace.id, call_id)


async def test_a_call_that_waits_is_ended_at_once(workspace):
    call_id = await workspace.queue()
    assert await hang_up(workspace, call_id) is CallState.ENDED
    call = await workspace.call(call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "canceled", False)
    assert await workspace.events(call_id, "state") == [
        {"state": "ended", "end_reason": "canceled", "ended_by": "operator", "outcome": None}
    ]
    assert await workspace.claim() == []


async def test_a_call_that_waits_for_its_next_attempt_is_ended_at_once(workspace):
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["busy"], "delays_s": [60]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert await hang_up(workspace, claim.call_id) is CallState.ENDED
    assert (await workspace.call(claim.call_id)).end_reason == "canceled"
    assert (await workspace.pool()).used_outbound == 0


@pytest.mark.parametrize("state", [CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS])
async def test_of_a_live_call_the_wish_is_written_down_and_told(workspace, database_url, state):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, state)
    told = asyncio.Queue()
    async with Notifications(database_url) as notifications:
        notifications.subscribe("outdial_control", told.put_nowait)
        async with asyncio.timeout(30):
            assert await told.get() == ""
            assert await hang_up(workspace, claim.call_id) is state
            assert await told.get() == claim.call_id
    call = await workspace.call(claim.call_id)
    assert (call.state, call.holds_line) == (state, True)
    assert call.hang_up_requested_at is not None


async def test_the_first_wish_stays(workspace):
    claim = await workspace.dialed()
    await hang_up(workspace, claim.call_id)
    first = (await workspace.call(claim.call_id)).hang_up_requested_at
    await hang_up(workspace, claim.call_id)
    assert (await workspace.call(claim.call_id)).hang_up_requested_at == first


async def test_a_call_that_has_ended_can_not_be_hung_up(workspace):
    call_id = await workspace.queue()
    await hang_up(workspace, call_id)
    with pytest.raises(Conflict) as refused:
        await hang_up(workspace, call_id)
    assert refused.value.code == "call_ended"


async def test_the_calls_of_others_are_unknown(workspace, make_workspace):
    other = await make_workspace()
    call_id = await workspace.queue()
    for where in ({"call_id": "call_unknown"}, {"call_id": call_id, "workspace_id": other.id}):
        with pytest.raises(NotFound):
            await hang_up(workspace, **where)
    assert (await workspace.call(call_id)).state == "queued"


async def test_a_hang_up_and_a_claim_at_once_come_one_after_the_other(workspace):
    """Either it never goes out, or whoever dials it is told."""
    call_ids = [await workspace.queue() for _ in range(5)]
    *states, claims = await asyncio.gather(*(hang_up(workspace, call_id) for call_id in call_ids), workspace.claim())
    claimed = {claim.call_id for claim in claims}
    for call_id, state in zip(call_ids, states, strict=True):
        call = await workspace.call(call_id)
        assert (state is CallState.ENDED) is (call_id not in claimed)
        assert (call.hang_up_requested_at is not None) is (call_id in claimed)


# -- calls that wait too long ----------------------------------------------------------------------------------


async def test_calls_whose_time_has_passed_are_ended(workspace):
    now = datetime.now(UTC)
    late = [await workspace.queue(expires_at=now - timedelta(seconds=1)) for _ in range(3)]
    others = [await workspace.queue(expires_at=now + timedelta(hours=1)), await workspace.queue()]
    await expire_queued(workspace.engine, at_most=2)

    async def states(ids):
        return sorted([(await workspace.call(call_id)).state for call_id in ids])

    assert await states(late) == ["ended", "ended", "queued"]
    await expire_queued(workspace.engine, at_most=2)
    assert await states(late) == ["ended"] * 3
    assert await states(others) == ["queued"] * 2
    assert {(await workspace.call(call_id)).end_reason for call_id in late} == {"expired"}


async def test_a_call_that_somebody_is_just_dialling_does_not_expire(workspace):
    claim = await workspace.dialed(expires_at=datetime.now(UTC) + timedelta(hours=1))
    await workspace.set_call(claim.call_id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await expire_queued(workspace.engine, at_most=10)
    assert (await workspace.call(claim.call_id)).state == "dialing"
