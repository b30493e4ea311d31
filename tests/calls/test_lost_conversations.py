"""Calls that a carrier said were completed before anybody knew that their conversation was lost with its worker."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.advance import apply_event
from outdial.calls.call_log import tell_overdue
from outdial.calls.lost_conversations import tell_lost
from outdial.calls.records import DetectionWanted
from outdial.calls.results import Result, save_result
from outdial.calls.workers import Worker, is_dead
from outdial.dispatch.sweep import Sweep
from outdial.telephony.state import CallState, Ending, EndReason
from outdial.telephony.verdict import AnsweredBy, DetectedBy, Verdict
from workspace import until

NOW = datetime.now(UTC)
PAST = NOW - timedelta(minutes=1)


@pytest.fixture
async def vanishing(engine, database_url):
    """A worker whose lock is found free only when the test says so."""
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(Worker(engine, database_url))

        async def is_found_dead() -> None:
            await stack.aclose()

            async def check() -> bool:
                async with engine.begin() as conn:
                    return await is_dead(conn, worker.id)

            await until(check)

        yield worker.id, is_found_dead


async def ended(workspace, owner, wanted=None, **columns):
    """A call that was talked on, and that its carrier says is completed. `wanted`: of detection."""
    claim = await workspace.dialed(owner=owner, **({} if wanted is None else {"detection": wanted.to_json()}))
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    talked = {"stream_opened_at": NOW, "audio_started_at": NOW, "lease_until": PAST}
    await workspace.set_attempt(claim.attempt_id, **talked | columns)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert await end_of(workspace, claim) == ("completed", None)
    return claim


async def end_of(workspace, claim):
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (call.end_reason, call.error) == (attempt.end_reason, attempt.error)
    return call.end_reason, call.error and call.error["code"]


async def test_one_that_was_lost_in_the_middle_was_interrupted(workspace, vanishing):
    owner, is_found_dead = vanishing
    claim = await ended(workspace, owner)
    await tell_lost(workspace.engine, at_most=10)
    assert await end_of(workspace, claim) == ("completed", None)
    await is_found_dead()
    await tell_lost(workspace.engine, at_most=10)
    assert await end_of(workspace, claim) == ("failed", "interrupted")
    told = await workspace.events(claim.call_id, "corrected")
    await tell_lost(workspace.engine, at_most=10)
    assert await workspace.events(claim.call_id, "corrected") == told
    assert len(told) == 1


@pytest.mark.parametrize("by", list(DetectedBy))
async def test_one_that_was_lost_while_nobody_knew_who_answered_claims_to_know_nothing(workspace, vanishing, by):
    owner, is_found_dead = vanishing
    claim = await ended(workspace, owner, wanted=DetectionWanted(by=by, on_machine="leave_message"))
    await is_found_dead()
    await tell_lost(workspace.engine, at_most=10)
    assert await end_of(workspace, claim) == ("failed", "interrupted")
    call = await workspace.call(claim.call_id)
    assert (call.answered_by, call.ended_by) == (None, "system")
    assert (await workspace.pool()).used_outbound == 0
    late = Verdict(answered_by=AnsweredBy.HUMAN, at=NOW, is_ours=True)  # by whoever was about to write it
    await apply_event(workspace.engine, claim.attempt_id, late)
    assert await end_of(workspace, claim) == ("failed", "interrupted")


async def test_what_it_brought_after_all_tells_how_it_ended(workspace, vanishing):
    owner, is_found_dead = vanishing
    claim = await ended(workspace, owner)
    await is_found_dead()
    await tell_lost(workspace.engine, at_most=10)
    usual = {"noted": {}, "recording": None, "message_delivered": None, "transferred": False}
    result = Result(ending=Ending(end_reason=EndReason.COMPLETED), **usual)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, result)
    assert await end_of(workspace, claim) == ("completed", None)


@pytest.mark.parametrize(
    "columns",
    [
        {"lease_until": NOW + timedelta(days=1)},  # it is long ago that this was read
        {"ending": Ending(end_reason=EndReason.COMPLETED).to_json()},
    ],
    ids=lambda columns: " ".join(columns),
)
async def test_others_that_have_brought_nothing_yet_are_left_alone(workspace, vanishing, columns):
    owner, is_found_dead = vanishing
    claim = await ended(workspace, owner, **columns)
    await is_found_dead()
    await tell_lost(workspace.engine, at_most=10)
    assert await end_of(workspace, claim) == ("completed", None)


async def test_one_that_was_told_already_is_left_alone(workspace, vanishing):
    owner, is_found_dead = vanishing
    claim = await ended(workspace, owner)
    await is_found_dead()
    await workspace.set_attempt(claim.attempt_id, log_due_at=PAST)
    await tell_overdue(workspace.engine, at_most=10)
    await tell_lost(workspace.engine, at_most=10)
    assert await end_of(workspace, claim) == ("completed", None)


async def test_nobody_tells_its_end_before_it_can_be_told_whether_it_was_lost(workspace, vanishing, caplog):
    """Who has got its database back a moment ago can't tell the dead from those that haven't."""
    owner, is_found_dead = vanishing
    claim = await ended(workspace, owner)
    await workspace.set_attempt(claim.attempt_id, log_due_at=PAST)
    await is_found_dead()
    may_judge = False
    sweep = Sweep(
        workspace.engine,
        workspace.settings,
        None,  # type: ignore[arg-type]
        workspace.open_carrier,
        owner="worker_other",
        may_take_over=lambda: may_judge,
    )
    caplog.set_level("INFO")
    await sweep.sweep()
    assert "Call ended" not in caplog.messages
    may_judge = True
    await sweep.sweep()
    assert await end_of(workspace, claim) == ("failed", "interrupted")
    assert [record.end_reason for record in caplog.records if record.message == "Call ended"] == ["failed"]
