from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

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


# -- a last sentence -----------------------------------------------------------------------------------------


async def being_told_something(workspace, **columns):
    """A call that ends with a sentence, which takes another 9 s."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    ending = Ending(end_reason=EndReason.COMPLETED, not_before=ago(-9))
    await note_ending(workspace.engine, claim.attempt_id, ending)
    await due(workspace, claim.attempt_id, **columns)
    return claim


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_last_sentence_is_heard_to_its_end(workspace, sweep, is_known):
    claim = await being_told_something(workspace)
    if not is_known:
        workspace.carrier.forget("CA1")  # or is it the look-up that fails?
    await sweep.sweep()
    assert workspace.carrier.hung_up == []
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=10), "whoever says it may die"


async def test_a_sentence_that_is_said_while_the_carrier_is_asked_is_heard_to_its_end(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    await due(workspace, claim.attempt_id)

    async def then_a_transfer_fails():
        ending = Ending(end_reason=EndReason.COMPLETED, not_before=ago(-9))
        await note_ending(workspace.engine, claim.attempt_id, ending)

    workspace.carrier.before_look = then_a_transfer_fails
    await sweep.sweep()
    assert workspace.carrier.hung_up == []


async def test_whoever_was_told_a_last_sentence_is_hung_up_even_if_its_process_died(workspace, sweep):
    claim = await being_told_something(workspace)
    ending = Ending(end_reason=EndReason.COMPLETED, not_before=ago(1))
    await workspace.set_attempt(claim.attempt_id, ending=ending.to_json())
    await sweep.sweep()
    assert workspace.carrier.hung_up == ["CA1"]
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


async def test_a_hang_up_waits_for_no_sentence(workspace, sweep):
    claim = await being_told_something(workspace)
    await workspace.ask_hang_up(claim.call_id)
    await sweep.sweep()
    assert workspace.carrier.hung_up == ["CA1"]


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
