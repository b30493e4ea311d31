"""Why a call ended, known late: what the conversation says, and what somebody had said who knew less."""

from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.ownership import take_over
from outdial.calls.results import Result, save_result
from outdial.telephony.failures import INTERRUPTED, CallError, FailureCode
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason

AGENT_FAILED = Ending(
    end_reason=EndReason.FAILED,
    error=CallError(code=FailureCode.AGENT_FAILED, message="The agent broke."),
    ended_by=EndedBy.SYSTEM,
)
COMPLETED, MACHINE = Ending(end_reason=EndReason.COMPLETED), Ending(end_reason=EndReason.MACHINE)
CUT = Ending(end_reason=EndReason.FAILED, error=INTERRUPTED)
PAST = datetime.now(UTC) - timedelta(minutes=1)


@pytest.fixture
async def claim(workspace, worker):
    claim = await workspace.dialed(owner=worker.id)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(
        claim.attempt_id, stream_opened_at=datetime.now(UTC), audio_started_at=datetime.now(UTC)
    )
    return claim


async def save(workspace, claim, ending, **result):
    usual = {"noted": {"mood": "good"}, "recording": None, "message_delivered": None, "transferred": False}
    result = Result(ending=ending, **usual | result)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, result)


async def end_of(workspace, claim):
    call = await workspace.call(claim.call_id)
    return call.state, call.end_reason, call.error and call.error["code"]


async def test_a_call_the_carrier_has_completed_is_told_why_it_really_ended(workspace, claim):
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    ended_at = (await workspace.call(claim.call_id)).ended_at
    await save(workspace, claim, AGENT_FAILED)
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert await end_of(workspace, claim) == ("ended", "failed", "agent_failed")
    assert (attempt.end_reason, attempt.error["code"], attempt.ended_at) == ("failed", "agent_failed", ended_at)
    assert (call.ended_at, call.noted, call.holds_line) == (ended_at, {"mood": "good"}, False)
    assert (call.ended_by, call.outcome) == ("system", None)
    told = {"end_reason": "failed", "ended_by": "system", "error": AGENT_FAILED.error.to_json(), "attempt": 1}
    assert await workspace.events(claim.call_id, "corrected") == [told]


async def test_a_result_delivered_twice_changes_nothing(workspace, claim):
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await save(workspace, claim, AGENT_FAILED, recording="recordings/x.wav")
    before, events = await workspace.call(claim.call_id), await workspace.events(claim.call_id)
    await workspace.set_call(claim.call_id, noted={"erased": True}, recording=None)
    await save(workspace, claim, AGENT_FAILED, recording="recordings/x.wav")
    after = await workspace.call(claim.call_id)
    assert (after.noted, after.recording, after.end_reason) == ({"erased": True}, None, before.end_reason)
    assert await workspace.events(claim.call_id) == events


async def test_what_is_right_is_not_corrected(workspace, claim):
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await save(workspace, claim, COMPLETED)
    assert await workspace.events(claim.call_id, "corrected") == []


@pytest.mark.parametrize("reason", [EndReason.BUSY, EndReason.NO_ANSWER, EndReason.FAILED])
async def test_what_the_carrier_alone_knows_stays(workspace, claim, reason):
    error = CallError(code=FailureCode.BLOCKED, message="Blocked.") if reason is EndReason.FAILED else None
    await workspace.hears(claim.attempt_id, CallState.ENDED, reason, error=error)
    await save(workspace, claim, COMPLETED)
    assert (await workspace.call(claim.call_id)).end_reason == reason


@pytest.mark.parametrize("code", [FailureCode.OUTCOME_UNKNOWN, FailureCode.NOT_KNOWN_THERE, FailureCode.NO_MEDIA])
async def test_what_was_said_for_want_of_any_word_is_put_right(workspace, claim, code):
    error = CallError(code=code, message="Nobody knows.")
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED, error=error)
    await save(workspace, claim, COMPLETED)
    assert await end_of(workspace, claim) == ("ended", "completed", None)


async def test_a_beginning_that_was_written_too_late_makes_no_failure(workspace, claim):
    """The carrier's "completed" was handled first: there seemed to have been no audio."""
    await workspace.set_attempt(
        claim.attempt_id, audio_started_at=None, answered_at=datetime.now(UTC) - timedelta(minutes=1)
    )
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert await end_of(workspace, claim) == ("ended", "failed", "no_media")
    await save(workspace, claim, COMPLETED, audio_began_at=PAST)
    assert await end_of(workspace, claim) == ("ended", "completed", None)


async def test_the_first_reason_of_our_own_stays(workspace, claim):
    await workspace.set_attempt(claim.attempt_id, ending=MACHINE.to_json())
    await save(workspace, claim, COMPLETED)
    assert (await workspace.attempt(claim.attempt_id)).ending == MACHINE.to_json()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert await end_of(workspace, claim) == ("ended", "machine", None)


# -- its process has died --------------------------------------------------------------------------------------


async def taken_over(workspace, claim, worker):
    await workspace.set_attempt(claim.attempt_id, lease_until=PAST, owner="worker_dead")
    assert await take_over(workspace.engine, worker.id, lease_s=15)


async def test_a_conversation_that_was_over_when_its_process_died_was_not_interrupted(workspace, claim, worker):
    ended_at = datetime.now(UTC) - timedelta(seconds=5)
    await taken_over(workspace, claim, worker)
    await save(workspace, claim, COMPLETED, ended_at=ended_at)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert await end_of(workspace, claim) == ("ended", "completed", None)


async def test_that_is_put_right_also_when_the_call_has_ended_as_interrupted(workspace, claim, worker):
    ended_at = datetime.now(UTC) - timedelta(seconds=5)
    await taken_over(workspace, claim, worker)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert await end_of(workspace, claim) == ("ended", "failed", "interrupted")
    await save(workspace, claim, COMPLETED, ended_at=ended_at)
    assert await end_of(workspace, claim) == ("ended", "completed", None)


async def test_a_conversation_that_was_cut_by_who_took_it_over_was_interrupted(workspace, claim, worker):
    """Its process was frozen, and not dead."""
    await taken_over(workspace, claim, worker)
    await save(workspace, claim, COMPLETED, ended_at=datetime.now(UTC) + timedelta(seconds=1))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert await end_of(workspace, claim) == ("ended", "failed", "interrupted")


# -- calls that are dialled again ------------------------------------------------------------------------------


async def waiting_again(workspace, claim, worker, *on):
    await workspace.set_call(claim.call_id, retry={"max_attempts": 3, "on": list(on), "delays_s": [3600]})
    await workspace.set_attempt(claim.attempt_id, end_reason="failed", error=INTERRUPTED.to_json(), state="ended")
    await workspace.set_attempt(claim.attempt_id, ended_at=datetime.now(UTC))
    await workspace.set_call(claim.call_id, state="queued", holds_line=False, answered_at=None, dialled=True)
    await workspace.set_pool(used_outbound=0)


async def test_a_call_that_waits_because_the_truth_was_not_known_is_not_dialled_again(workspace, claim, worker):
    await waiting_again(workspace, claim, worker, "failed")
    await save(workspace, claim, COMPLETED, ended_at=PAST)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error) == ("ended", "completed", None)
    assert call.answered_at is not None
    assert (await workspace.pool()).used_outbound == 0


@pytest.mark.parametrize("noted", [None, COMPLETED.to_json()])
async def test_nobody_is_dialled_again_for_silence_who_spoke_and_of_whom_that_was_known_too_late(
    workspace, claim, noted
):
    await workspace.set_call(claim.call_id, retry={"max_attempts": 3, "on": ["silent"], "delays_s": [3600]})
    await workspace.set_attempt(claim.attempt_id, ending=noted)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).state == "queued"
    left = Ending(end_reason=EndReason.COMPLETED, ended_by=EndedBy.CALLEE)
    await save(workspace, claim, left, callee_responded=True)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "completed", "callee")
    assert (call.outcome, call.callee_responded, call.noted) == ("hung_up_early", True, {"mood": "good"})
    assert (await workspace.pool()).used_outbound == 0


async def test_who_was_silent_is_dialled_again(workspace, claim):
    await workspace.set_call(claim.call_id, retry={"max_attempts": 3, "on": ["silent"], "delays_s": [3600]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await save(workspace, claim, COMPLETED, callee_responded=False)
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_a_call_that_waits_rightly_goes_on_waiting(workspace, claim, worker):
    await waiting_again(workspace, claim, worker, "failed", "machine")
    await save(workspace, claim, MACHINE, ended_at=PAST)
    assert (await workspace.call(claim.call_id)).state == "queued"
    assert (await workspace.attempt(claim.attempt_id)).end_reason == "machine"
    assert (await workspace.call(claim.call_id)).noted == {"mood": "good"}


# -- the beginning not written ---------------------------------------------------------------------------------


async def test_a_result_brings_the_answer_of_its_call_along(workspace):
    claim = await workspace.dialed()
    answered_at = datetime.now(UTC) - timedelta(seconds=30)
    await save(workspace, claim, COMPLETED, audio_began_at=answered_at)
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (call.state, call.answered_at, attempt.ending) == ("in_progress", answered_at, COMPLETED.to_json())


async def test_a_result_that_is_not_taken_leaves_no_part_of_it(workspace, claim):
    with pytest.raises(TypeError):
        await save(workspace, claim, AGENT_FAILED, noted={"when": object()})
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.ending, attempt.result_at) == (None, None)


@pytest.mark.parametrize("ending", [AGENT_FAILED, None])
def test_a_result_comes_back_from_the_disk_as_it_was(ending):
    result = Result(
        audio_began_at=PAST,
        ended_at=PAST,
        ending=ending,
        noted={"seats": [1, {"row": None}], "much": 1e19},
        noted_dropped={"values": []},
        recording="recordings/x.wav",
        message_delivered=True,
        transferred=ending is None,
        callee_responded=True,
        ended_by=None if ending is None else EndedBy.AGENT,
    )
    assert Result.from_json(result.to_json()) == result
