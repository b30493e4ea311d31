from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatch.silence import UNREACHABLE, ago, due, talked, unknown
from outdial.calls.advance import note_ending
from outdial.carriers.errors import CarrierThrottled
from outdial.telephony.failures import CallError, FailureCode
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
        await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC))

    workspace.carrier.before_look = audio_begins
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).state == "in_progress"
    assert workspace.carrier.hung_up == []


async def test_a_call_we_are_ending_is_over_when_the_carrier_has_forgotten_it(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.COMPLETED))
    workspace.carrier.forget("CA1")
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "completed", False)


async def test_a_phone_that_rings_too_long_is_hung_up_although_nobody_asked(workspace, sweep):
    """By the time its hang-up fails the reason is noted; whoever asks next knows it."""
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.RINGING, at=ago(40))
    await due(workspace, claim.attempt_id)
    workspace.carrier.refuses_hang_ups.append(UNREACHABLE)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).ending["end_reason"] == "no_answer"
    await workspace.set_attempt(claim.attempt_id, hang_up_at=ago(1))
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).end_reason == "no_answer"


async def test_a_forgotten_call_we_are_not_ending_is_left_to_its_limits(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    workspace.carrier.forget("CA1")
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "in_progress"


async def test_a_carrier_that_never_says_again_does_not_hold_a_line_forever(workspace, sweep):
    claim = await workspace.dialed()
    await due(workspace, claim.attempt_id, created_at=ago(680), accepted_at=ago(680))
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "outcome_unknown")


async def test_where_we_know_why_a_call_ended_that_stays_the_reason(workspace, sweep):
    claim = await workspace.dialed()
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.COMPLETED))
    await due(workspace, claim.attempt_id, created_at=ago(680), **talked(650), answered_at=ago(650))
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


# -- calls their carrier tells nothing about -----------------------------------------------------------------


RANG = {"created_at": ago(90), "accepted_at": ago(90), "ringing_at": ago(46)}  # for 30 s, and who picked up has 10


async def test_a_ringing_call_the_carrier_forgot_is_over_with_its_ring_time(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    workspace.carrier.forget("CA1")
    await due(workspace, claim.attempt_id, **RANG)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "not_known_there")
    assert not call.holds_line
    assert workspace.carrier.hung_up == ["CA1"], "it might have been there all the same"
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is None


@pytest.mark.parametrize(("seconds", "state"), [(36, "ringing"), (46, "ended")])  # 30 s, and 15 s more
async def test_a_ringing_call_has_its_ring_time_whatever_look_ups_say(workspace, sweep, seconds, state):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.RINGING)
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await due(workspace, claim.attempt_id, **RANG | {"ringing_at": ago(seconds)})
    workspace.carrier.look_up_fault = UNREACHABLE
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == state
    assert workspace.carrier.hung_up == (["CA1"] if state == "ended" else [])
    if state == "ended":
        assert (await workspace.call(claim.call_id)).end_reason == "no_answer", "the carrier knew it, and ended it"


async def test_a_carrier_out_of_reach_is_still_asked_for_the_end_after_the_line_is_free(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await due(workspace, claim.attempt_id, **RANG)
    workspace.carrier.now_is("CA1", CallState.RINGING)
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.error["code"], call.holds_line) == ("ended", "outcome_unknown", False)
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is not None
    workspace.carrier.fault = None
    await workspace.set_attempt(claim.attempt_id, hang_up_at=ago(1))
    await sweep.sweep()
    assert workspace.carrier.hung_up == ["CA1"]
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is None
    assert len(await workspace.events(claim.call_id, "state")) == 3, "dialing, ringing, ended"


async def test_a_call_that_ended_without_a_word_needs_no_end_once_the_carrier_tells_of_it(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await due(workspace, claim.attempt_id, **RANG)
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is None


async def test_an_answered_call_without_audio_is_over_whatever_look_ups_say(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(11))
    workspace.carrier.forget("CA1")
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "no_media")


async def test_a_look_up_that_failed_while_the_call_was_answered_ends_nothing(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    await due(workspace, claim.attempt_id, **RANG)

    async def audio_comes():
        await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
        await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC))

    workspace.carrier.before_look = audio_comes
    workspace.carrier.forget("CA1")
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "in_progress"
    assert workspace.carrier.hung_up == []


async def test_a_call_that_talks_is_never_taken_for_forgotten(workspace, sweep):
    """Its worker could not say for a while that it lives."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(300))
    workspace.carrier.forget("CA1")
    for _ in range(5):
        await due(workspace, claim.attempt_id, **talked(300), **RANG)
        await sweep.sweep()
    assert (await workspace.call(claim.call_id)).holds_line
    assert workspace.carrier.hung_up == []


async def test_a_transferred_call_the_carrier_forgot_frees_its_line(workspace, sweep):
    """Not at the first look: asking for the end of one that is there would cut two people off."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(300))
    workspace.carrier.forget("CA1")
    for look in range(3):
        assert (await workspace.call(claim.call_id)).state == "in_progress"
        assert workspace.carrier.hung_up == []
        await due(workspace, claim.attempt_id, **talked(300), owner=None, look_ups=look)
        await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "completed", False)
    assert call.ended_by == "callee"


async def test_a_call_whose_token_was_used_and_that_could_not_be_talked_on_frees_its_line(workspace, sweep):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(300))
    error = CallError(code=FailureCode.INTERNAL_ERROR, message="Not served.")
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.FAILED, error=error))
    await due(workspace, claim.attempt_id, stream_opened_at=ago(300), **RANG)
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"], call.ended_by) == ("failed", "internal_error", "system")
    assert not call.holds_line
    assert (await workspace.attempt(claim.attempt_id)).hang_up_at is not None


@pytest.mark.parametrize("look_up_fault", [None, UNREACHABLE])
async def test_a_conversation_that_is_held_and_whose_beginning_is_not_written_yet_goes_on(
    workspace, sweep, look_up_fault
):
    """The database was away when its audio began, and is back now."""
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=ago(60))
    workspace.carrier.now_is("CA1", CallState.IN_PROGRESS)
    workspace.carrier.look_up_fault = look_up_fault
    await due(workspace, claim.attempt_id, stream_opened_at=ago(59), **RANG)
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).state == "in_progress"
    assert workspace.carrier.hung_up == []


async def test_a_dial_of_unknown_outcome_in_books_that_can_not_be_read_holds_its_line_for_the_ring_time(
    workspace, sweep
):
    claim = await unknown(workspace, since=60, retry={"max_attempts": 3, "on": ["failed"], "delays_s": [1]})
    workspace.carrier.fault = UNREACHABLE
    await sweep.sweep()
    assert (await workspace.call(claim.call_id)).holds_line
    await due(workspace, claim.attempt_id, unknown_since=ago(71))
    await sweep.sweep()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "outcome_unknown")
    assert len(await workspace.attempts(claim.call_id)) == 1, "perhaps the phone rang: never dialled again"


# -- when a carrier is asked again ---------------------------------------------------------------------------


async def test_look_ups_that_bring_nothing_come_later_and_later(workspace, sweep):
    claim = await workspace.dialed(ring_timeout_s=600)
    workspace.carrier.forget("CA1")
    pauses = []
    for _ in range(8):
        await workspace.set_attempt(claim.attempt_id, check_at=ago(1))
        began = datetime.now(UTC)
        await sweep.sweep()
        took_s = (datetime.now(UTC) - began).total_seconds()
        check_at = (await workspace.attempt(claim.attempt_id)).check_at
        pauses.append(((check_at - began).total_seconds(), took_s))
    longest = [5, 10, 20, 40, 60, 60, 60, 60]
    told = zip(pauses, longest, strict=True)
    assert all(most / 2 <= pause <= most + took_s for (pause, took_s), most in told), pauses
    assert len({round(pause, 1) for pause, _ in pauses[-4:]}) > 1, "not all at the same time"


async def test_a_sign_of_life_begins_anew(workspace, sweep):
    claim = await workspace.dialed(ring_timeout_s=600)
    workspace.carrier.look_up_fault = UNREACHABLE
    await due(workspace, claim.attempt_id, look_ups=5)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).look_ups == 6
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    attempt = await workspace.attempt(claim.attempt_id)
    assert attempt.look_ups == 0
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=21)


async def test_a_look_up_with_an_answer_is_a_sign_of_life(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.now_is("CA1", CallState.RINGING)
    await due(workspace, claim.attempt_id, look_ups=5)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).look_ups == 0


async def test_a_carrier_that_wants_to_be_left_alone_is(workspace, sweep):
    claim = await workspace.dialed(ring_timeout_s=600)
    workspace.carrier.look_up_fault = CarrierThrottled(FailureCode.THROTTLED, "Too many requests.", 90.0)
    await due(workspace, claim.attempt_id)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).check_at > datetime.now(UTC) + timedelta(seconds=89)


async def test_no_look_comes_later_than_the_end_of_the_ring_time(workspace, sweep):
    claim = await workspace.dialed()
    workspace.carrier.look_up_fault = UNREACHABLE
    await due(workspace, claim.attempt_id, created_at=ago(60), accepted_at=ago(60), look_ups=8)
    await sweep.sweep()
    assert (await workspace.attempt(claim.attempt_id)).check_at < datetime.now(UTC) + timedelta(seconds=11)


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
