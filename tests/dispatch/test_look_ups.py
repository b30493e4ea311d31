from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dispatch.silence import UNREACHABLE, ago, due
from outdial.calls.advance import note_ending
from outdial.telephony.state import CallState, Ending, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict

# -- silent calls --------------------------------------------------------------------------------------------


async def test_a_lost_callback_is_made_up_for_by_asking(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.BUSY)
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "busy", False)


async def test_a_lost_verdict_is_made_up_for_by_asking(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    workspace.carrier.heard("CA1", Verdict(answered_by=AnsweredBy.HUMAN, at=datetime.now(UTC)))
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).answered_by["category"] == "human"


async def test_a_call_with_signs_of_life_is_left_alone(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.BUSY)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "dialing"


async def test_a_carrier_that_can_not_say_is_asked_again_later(workspace, sweep):
    claim = await workspace.dialed()
    await due(workspace, claim.attempt_id)
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.state == "dialing"
    assert attempt.check_at > datetime.now(UTC)


async def test_a_callback_while_the_carrier_is_asked_changes_nothing_twice(workspace, sweep):
    claim = await workspace.dialed()
    other = await workspace.dialed()

    async def callback_comes():
        await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)

    workspace.carrier.now_is("CA1", CallState.ENDED, EndReason.NO_ANSWER)
    workspace.carrier.before_look = callback_comes
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.pool()).used_outbound == 1
    assert (await workspace.call(other.call_id)).holds_line


# -- limits --------------------------------------------------------------------------------------------------


async def test_a_phone_that_rings_too_long_is_hung_up_as_not_answered(workspace, sweep):
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["no_answer"], "delays_s": [60]})
    workspace.carrier.now_is("CA1", CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.RINGING, at=ago(40))
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert workspace.carrier.hung_up == ["CA1"]
    (attempt,) = await workspace.attempts(claim.call_id)
    assert (attempt.state, attempt.end_reason) == ("ended", "no_answer")
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_a_call_answered_a_moment_ago_gets_time_for_its_audio(workspace, sweep):
    """Its answered callback is under way; we happened to ask first."""
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await due(workspace, claim.attempt_id, created_at=ago(25), ringing_at=ago(20))
    await sweep.sweep()
    assert workspace.carrier.hung_up == []
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.state == "in_progress"
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=12)


async def test_an_answered_call_without_audio_is_hung_up(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(11))
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "no_media")
    assert workspace.carrier.hung_up == ["CA1"]


async def test_a_call_whose_audio_begins_while_the_carrier_is_asked_goes_on(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(11))
    await due(workspace, claim.attempt_id)

    async def audio_begins():
        await workspace.set_attempt(claim.attempt_id, stream_opened_at=datetime.now(UTC))

    workspace.carrier.before_look = audio_begins
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).state == "in_progress"
    assert workspace.carrier.hung_up == []


async def test_a_hang_up_that_fails_is_tried_again_soon(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await workspace.ask_hang_up(claim.call_id)
    await due(workspace, claim.attempt_id)

    async def then_fails():
        workspace.carrier.fault = UNREACHABLE

    workspace.carrier.before_look = then_fails
    await sweep.sweep()
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.state == "in_progress"
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=6)
    workspace.carrier.fault = workspace.carrier.before_look = None
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


async def test_a_call_we_are_ending_is_over_when_the_carrier_has_forgotten_it(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.COMPLETED))
    workspace.carrier.forget("CA1")
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "completed", False)


async def test_a_forgotten_call_we_are_not_ending_is_left_to_its_limits(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    workspace.carrier.forget("CA1")
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "in_progress"


async def test_a_carrier_that_never_says_again_does_not_hold_a_line_forever(workspace, sweep):
    claim = await workspace.dialed()
    await due(workspace, claim.attempt_id, created_at=ago(680))
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "outcome_unknown")


async def test_where_we_know_why_a_call_ended_that_stays_the_reason(workspace, sweep):
    claim = await workspace.dialed()
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.COMPLETED))
    await due(workspace, claim.attempt_id, created_at=ago(680), stream_opened_at=ago(650), answered_at=ago(650))
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


# -- the queue and the lines ---------------------------------------------------------------------------------


async def test_an_answered_call_that_nobody_told_of_has_the_length_its_carrier_says(workspace, sweep):
    claim = await workspace.dialed()
    [record] = workspace.carrier.books.values()
    ended = Progress(
        state=CallState.ENDED,
        at=datetime.now(UTC),
        carrier_call=record.call,
        end_reason=EndReason.COMPLETED,
        duration_s=12.0,
    )
    workspace.carrier.books[record.call.id] = replace(record, progress=ended)
    await workspace.set_attempt(claim.attempt_id, check_at=ago(1))
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.ended_at - call.answered_at).total_seconds() == 12
    assert (await workspace.attempt(claim.attempt_id)).price_due_at is not None, "it has cost something"
