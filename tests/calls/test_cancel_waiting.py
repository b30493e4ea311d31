"""Everything that waits canceled, without anybody waiting for it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from outdial.calls import cancel_waiting as module
from outdial.calls.cancel_waiting import cancel_waiting, what_waits
from outdial.db.tables import calls
from outdial.lines.audit import audit_pools
from outdial.policy.pauses import pause
from outdial.refusals import NotFound
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import COMMAND_LINE, list_audit
from workspace import until

LATER = datetime.now(UTC) + timedelta(hours=1)


async def cancel(workspace, number_id=None, **facts):
    return await cancel_waiting(workspace.engine, workspace.id, number_id, by=COMMAND_LINE, **facts)


async def test_what_waits_ends_canceled_by_somebody_here(workspace):
    queued = [await workspace.queue(), await workspace.queue(due_at=LATER), await workspace.queue(expires_at=LATER)]
    done = await cancel(workspace)
    assert (done.canceled, done.left.waiting, done.left.being_dialled) == (3, 0, 0)
    for call_id in queued:
        call = await workspace.call(call_id)
        assert (call.state, call.end_reason, call.ended_by, call.outcome, call.error) == (
            "ended", "canceled", "operator", None, None,
        )  # fmt: skip
        assert call.ended_at is not None
        (told,) = await workspace.events(call_id, "state")
        assert (told["state"], told["end_reason"], told["ended_by"]) == ("ended", "canceled", "operator")
    assert await workspace.claim() == []
    await workspace.recount()


async def test_calls_that_are_dialled_ring_or_talk_are_left_and_those_being_dialled_are_told(workspace):
    dialing, ringing = await workspace.dialed(), await workspace.dialed()
    await workspace.set_call(ringing.call_id, state="ringing")
    waits = await workspace.queue()
    before = await workspace.pool()
    done = await cancel(workspace)
    assert (done.canceled, done.left.waiting, done.left.being_dialled) == (1, 0, 1)
    assert (await workspace.call(waits)).state == "ended"
    assert (await workspace.call(dialing.call_id)).state == "dialing"
    assert (await workspace.call(ringing.call_id)).state == "ringing"
    assert await workspace.pool() == before
    await audit_pools(workspace.engine)
    assert await workspace.pool() == before
    await workspace.recount()


async def test_a_call_that_waits_for_another_attempt_is_canceled_too(workspace):
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["busy"], "delays_s": [60]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert (await workspace.call(claim.call_id)).state == "queued"
    assert (await cancel(workspace)).canceled == 1
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by, call.dialled) == ("ended", "canceled", "operator", True)
    await workspace.recount()


async def test_a_number_alone(workspace):
    _, other = await workspace.add_account(e164="+15551230009")
    ours, theirs = await workspace.queue(), await workspace.queue(number_id=other)
    done = await cancel(workspace, other)
    assert (done.canceled, done.left.waiting) == (1, 0)
    assert [(await workspace.call(one)).state for one in (ours, theirs)] == ["queued", "ended"]


async def test_a_number_of_another_workspace_is_not_found(make_workspace):
    ours, theirs = await make_workspace(), await make_workspace()
    waits = await theirs.queue()
    with pytest.raises(NotFound):
        await cancel(ours, theirs.number_id)
    with pytest.raises(NotFound):
        await what_waits(ours.engine, ours.id, theirs.number_id)
    assert (await theirs.call(waits)).state == "queued"
    assert (await cancel(ours)).canceled == 0


async def test_a_look_changes_nothing(workspace):
    await workspace.dialed()
    before = await workspace.queue()
    seen = await what_waits(workspace.engine, workspace.id)
    assert (seen.waiting, seen.being_dialled) == (1, 1)
    assert (await workspace.call(before)).state == "queued"


async def test_what_is_accepted_meanwhile_is_not_meant(workspace):
    meant = await workspace.queue()
    seen = await what_waits(workspace.engine, workspace.id)
    later = await workspace.queue()
    done = await cancel(workspace, accepted_before=seen.accepted_before)
    assert (done.canceled, done.left.waiting, done.left.accepted_before) == (1, 0, seen.accepted_before)
    assert [(await workspace.call(one)).state for one in (meant, later)] == ["ended", "queued"]


async def test_the_audit_log_has_who_asked_and_how_many_waited_before_the_first_one_ends(workspace, monkeypatch):
    await workspace.queue()
    await workspace.queue()

    async def broken(*args, **facts):
        raise RuntimeError

    monkeypatch.setattr(module, "end_waiting_of", broken)
    with pytest.raises(RuntimeError):
        await cancel(workspace)
    async with workspace.engine.connect() as conn:
        (entry,) = (await list_audit(conn, workspace.id, act="calls"))["entries"]
    assert (entry["act"], entry["actor"]["name"]) == ("calls.waiting_canceled", "Command line")
    assert (entry["subject"]["id"], entry["details"]) == (workspace.id, {"waiting": 2})


async def test_where_nothing_waits_nothing_is_written(workspace):
    assert (await cancel(workspace)).canceled == 0
    async with workspace.engine.connect() as conn:
        assert (await list_audit(conn, workspace.id))["entries"] == []


# -- many ----------------------------------------------------------------------------------------------------------


async def test_many_end_in_transactions_of_their_own(workspace, monkeypatch):
    """No lock is held for longer than a batch."""
    batches = []
    end = module.end_waiting_of

    async def watched(conn, number_id, **facts):
        ended = await end(conn, number_id, **facts)
        async with workspace.engine.connect() as other:
            batches.append(await other.scalar(select(func.count()).where(calls.c.state == "queued")))
        return ended

    monkeypatch.setattr(module, "end_waiting_of", watched)
    monkeypatch.setattr(module, "AT_A_TIME", 40)
    await workspace.queue_many(100)
    assert (await cancel(workspace)).canceled == 100
    assert batches == [100, 60, 20], "what a batch before has ended, others see"
    await workspace.recount()


async def test_who_has_no_more_time_is_told_what_is_left_and_asks_again(workspace, monkeypatch):
    monkeypatch.setattr(module, "AT_A_TIME", 10)
    await workspace.queue_many(30)
    first = await cancel(workspace, at_most_s=0)
    assert (first.canceled, first.left.waiting) == (0, 30)
    rest = await cancel(workspace, accepted_before=first.left.accepted_before)
    assert (rest.canceled, rest.left.waiting) == (30, 0)


async def test_a_call_that_somebody_has_locked_is_not_waited_for_and_told_as_left(workspace, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    locked, free = await workspace.queue(), await workspace.queue()
    async with workspace.engine.begin() as conn:
        await conn.execute(select(calls.c.id).where(calls.c.id == locked).with_for_update())
        done = await cancel(workspace)
    assert (done.canceled, done.left.waiting) == (1, 1)
    assert (await workspace.call(free)).state == "ended"
    assert (await cancel(workspace)).canceled == 1


async def test_a_claim_goes_on_beside_it_and_no_call_is_both_dialled_and_canceled(workspace):
    await workspace.queue_many(300)
    claims = await workspace.claim(batch=3)
    done = await cancel(workspace)
    assert done.canceled == 300 - len(claims)
    for claim in claims:
        assert (await workspace.call(claim.call_id)).state == "dialing"
    assert done.left.being_dialled == len(claims)
    await workspace.recount()


async def test_more_than_ten_thousand_are_not_counted_one_by_one(workspace, monkeypatch):
    monkeypatch.setattr(module, "COUNTED_TO", 50)
    monkeypatch.setattr(module, "_WAITING", module._counted())
    await workspace.queue_many(80)
    assert (await what_waits(workspace.engine, workspace.id)).waiting == 50
    done = await cancel(workspace)
    assert (done.canceled, done.left.waiting) == (80, 0)


@pytest.mark.parametrize("of", ["workspace", "number"])
async def test_what_was_about_to_be_dialled_when_dialling_was_paused_is_canceled_too(workspace, monkeypatch, of):
    """Or it would be dialled when it is resumed, with nothing else of the list left."""
    monkeypatch.setattr(module, "HELD_BACK_WITHIN_S", 60)
    number_id = workspace.number_id if of == "number" else None
    queued = [await workspace.queue() for _ in range(3)]
    claims = await workspace.claim(batch=2)
    await pause(workspace.engine, workspace.id, number_id, reason=None, by=COMMAND_LINE)
    canceling = asyncio.create_task(cancel(workspace, number_id, at_most_s=60))

    async def the_other_one_has_ended():
        return (await what_waits(workspace.engine, workspace.id)).waiting == 0

    await until(the_other_one_has_ended)
    await asyncio.gather(*(workspace.dial(claim) for claim in claims))
    done = await canceling
    assert (done.canceled, done.left.waiting, done.left.being_dialled) == (3, 0, 0)
    assert workspace.carrier.dialed == []
    assert [(await workspace.call(one)).end_reason for one in queued] == ["canceled"] * 3
    await workspace.recount()


async def test_what_the_carrier_has_been_asked_for_is_not_waited_for_longer_than_that(workspace, monkeypatch):
    monkeypatch.setattr(module, "HELD_BACK_WITHIN_S", 0.2)
    dialing = await workspace.dialed()
    await pause(workspace.engine, workspace.id, reason=None, by=COMMAND_LINE)
    done = await cancel(workspace)
    assert (done.canceled, done.left.being_dialled) == (0, 1)
    assert (await workspace.call(dialing.call_id)).state == "dialing"
