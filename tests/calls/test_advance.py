import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from outdial.calls.advance import apply_event, begin_audio, note_ending, note_stream_failed
from outdial.calls.events import add_event
from outdial.calls.records import lock_attempt
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import attempts, calls
from outdial.telephony.failures import INTERRUPTED, CallError, FailureCode
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RETRY = {"max_attempts": 3, "on": ["busy", "no_answer"], "delays_s": [60, 600]}


def verdict(answered_by=AnsweredBy.MACHINE, **facts):
    return Verdict(answered_by=answered_by, **{"at": datetime.now(UTC), "evidence": (answered_by.value,)} | facts)


# -- progress ------------------------------------------------------------------------------------------------


async def test_a_call_follows_its_attempt_to_the_end_and_gives_its_line_back(workspace, worker):
    claim = await workspace.dialed(owner=worker.id)
    for state in (CallState.RINGING, CallState.IN_PROGRESS):
        applied = await workspace.hears(claim.attempt_id, state)
        assert (applied.call_state, applied.changed) == (state, True)
    await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC))
    assert (await workspace.pool()).used_outbound == 1
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "completed", False)
    assert call.answered_at is not None
    assert call.ended_at is not None
    assert (await workspace.pool()).used_outbound == 0
    assert [event["state"] for event in await workspace.events(claim.call_id, "state")] == [
        "dialing",
        "ringing",
        "in_progress",
        "ended",
    ]


async def test_a_call_whose_process_died_was_interrupted_also_when_the_carrier_is_quick_to_tell(workspace):
    claim = await workspace.dialed(owner="worker_that_died")
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"]) == ("failed", "interrupted")


async def test_a_transferred_call_needs_nobody_here_to_be_completed(workspace):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC), owner=None)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


async def test_a_repeated_end_gives_no_second_line_back_and_moves_nothing(workspace):
    first, second = await workspace.dialed(), await workspace.dialed()
    await workspace.hears(first.attempt_id, CallState.ENDED, EndReason.BUSY)
    before = await workspace.call(first.call_id)
    applied = await workspace.hears(first.attempt_id, CallState.ENDED, EndReason.FAILED)
    assert not applied.changed
    assert await workspace.call(first.call_id) == before
    assert (await workspace.pool()).used_outbound == 1
    assert (await workspace.call(second.call_id)).holds_line


async def test_events_in_reverse_order_change_nothing_after_the_end(workspace):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)
    for state in (CallState.IN_PROGRESS, CallState.RINGING, CallState.DIALING):
        assert not (await workspace.hears(claim.attempt_id, state)).changed
    assert (await workspace.call(claim.call_id)).end_reason == "no_answer"


async def test_the_same_end_from_many_sides_at_once_counts_once(workspace, database_url):
    """Callback, sweep and conversation often say so within milliseconds."""
    claim = await workspace.dialed()
    engines = [create_engine(database_url) for _ in range(3)]
    event = Progress(state=CallState.ENDED, at=datetime.now(UTC), end_reason=EndReason.NO_ANSWER)
    applied = await asyncio.gather(*(apply_event(each, claim.attempt_id, event) for each in engines for _ in range(4)))
    assert sum(each.changed for each in applied) == 1
    assert (await workspace.pool()).used_outbound == 0
    for each in engines:
        await put_away(each)


async def test_an_event_of_an_unknown_attempt_is_none(workspace):
    assert await workspace.hears("att_unknown", CallState.RINGING) is None


async def test_a_callback_that_overtakes_the_reply_brings_the_carrier_call_id(workspace):
    await workspace.queue()
    (claim,) = await workspace.claim()
    await workspace.hears(claim.attempt_id, CallState.RINGING, carrier_call_id="CA1")
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id == "CA1"


async def test_one_carrier_call_belongs_to_one_attempt(workspace):
    await workspace.queue()
    (other,) = await workspace.claim()
    claim = await workspace.dialed()
    with pytest.raises(IntegrityError):
        await workspace.hears(other.attempt_id, CallState.RINGING, carrier_call_id="CA1")
    assert (await workspace.attempt(claim.attempt_id)).carrier_call_id == "CA1"


async def test_our_own_word_without_a_carrier_call_id_leaves_the_outcome_of_the_dial_unknown(workspace):
    """The media stream can be the first sign of a call; without its id it could never be hung up."""
    await workspace.queue()
    (claim,) = await workspace.claim()
    await workspace.set_attempt(claim.attempt_id, unknown_since=NOW)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    assert (await workspace.attempt(claim.attempt_id)).unknown_since == NOW
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, carrier_call_id="CA1")
    assert (await workspace.attempt(claim.attempt_id)).unknown_since is None


async def test_a_dial_taken_for_never_placed_that_speaks_up_is_logged_and_its_id_kept(workspace, caplog):
    await workspace.queue()
    (claim,) = await workspace.claim()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED)
    await workspace.hears(claim.attempt_id, CallState.RINGING, carrier_call_id="CA1")
    assert "Attempt written off as never placed exists at the carrier" in caplog.messages
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.carrier_call_id) == ("ended", "CA1")


async def test_from_when_audio_began_the_end_is_that_of_a_conversation(workspace, worker):
    claim = await workspace.dialed(owner=worker.id)
    await begin_audio(workspace.engine, claim.attempt_id, at=datetime.now(UTC), check_in_s=20)
    assert (await workspace.call(claim.call_id)).state == "in_progress"
    assert (await workspace.attempt(claim.attempt_id)).audio_started_at is not None
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).end_reason == "completed"
    await begin_audio(workspace.engine, "att_unknown", at=datetime.now(UTC), check_in_s=20)


# -- end reasons ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answered_s", "told", "at_once"),
    [
        (1.2, {}, True),
        (1.2, {"by_callee": True}, True),
        (1.2, {"by_callee": False}, False),  # the carrier gave up: it had nothing to connect the callee to
        (None, {"duration_s": 2.0}, True),   # only its end was told
        (None, {}, True),                    # not even how long it was: no longer than since the dial
        (8.0, {}, False),                    # long enough for audio to come
        (8.0, {"by_callee": True}, False),   # … also for who waited for it in silence
        (None, {"duration_s": 9.0}, False),
    ],
)
async def test_who_hangs_up_at_once_is_told_from_audio_that_never_came(workspace, worker, answered_s, told, at_once):
    claim = await workspace.dialed(owner=worker.id)
    if answered_s is not None:
        await workspace.set_attempt(claim.attempt_id, stream_opened_at=NOW)  # a token that was used is no audio
    now = datetime.now(UTC)
    if answered_s is not None:
        await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=now - timedelta(seconds=answered_s))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED, at=now, **told)
    call = await workspace.call(claim.call_id)
    if at_once:
        assert (call.end_reason, call.ended_by, call.outcome) == ("completed", "callee", "hung_up_early")
        assert call.error is None
    else:
        assert (call.end_reason, call.ended_by, call.outcome) == ("failed", "carrier", None)
        assert call.error["code"] == "no_media"


async def test_nobody_is_dialled_again_whose_process_died_before_it_could_write_that_it_talks(workspace):
    claim = await workspace.dialed(owner="worker_dead")
    await workspace.set_call(claim.call_id, retry={"max_attempts": 3, "on": ["failed"], "delays_s": [60]})
    now = datetime.now(UTC)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=now - timedelta(seconds=30))
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=now - timedelta(seconds=29))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED, at=now)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "failed", "system")
    assert call.error["code"] == "interrupted"


async def test_a_stream_that_the_carrier_could_not_open_is_no_callee_that_left(workspace):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    async with workspace.engine.begin() as conn:
        await note_stream_failed(conn, await lock_attempt(conn, claim.attempt_id))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.ended_by, call.error["code"]) == ("failed", "carrier", "no_media")


@pytest.mark.parametrize("carriers_word", [EndReason.COMPLETED, EndReason.CANCELED])
async def test_our_reason_for_ending_a_call_beats_the_carriers(workspace, carriers_word):
    claim = await workspace.dialed()
    reason = CallError(code=FailureCode.AGENT_FAILED, message="Because.")
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.MACHINE, error=reason))
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.CANCELED))
    await workspace.hears(claim.attempt_id, CallState.ENDED, carriers_word)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error) == ("machine", reason.to_json())


async def test_a_carriers_busy_is_not_overruled(workspace):
    claim = await workspace.dialed()
    await note_ending(workspace.engine, claim.attempt_id, Ending(end_reason=EndReason.CANCELED))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert (await workspace.call(claim.call_id)).end_reason == "busy"


# -- by whom -------------------------------------------------------------------------------------------------

LIMIT = Ending(end_reason=EndReason.COMPLETED, ended_by=EndedBy.LIMIT)
TOO_LATE = CallError(code=FailureCode.TOO_LATE, message="Too late.")


@pytest.mark.parametrize(
    ("reason", "facts", "ending", "ended_by"),
    [
        (EndReason.BUSY, {}, None, "callee"),
        (EndReason.DECLINED, {}, None, "callee"),
        (EndReason.NO_ANSWER, {}, None, "limit"),
        (EndReason.CANCELED, {}, None, "operator"),
        (EndReason.FAILED, {}, None, "carrier"),
        (EndReason.FAILED, {"error": TOO_LATE}, None, "system"),
        (EndReason.COMPLETED, {}, None, "callee"),               # without a word of ours
        (EndReason.COMPLETED, {}, LIMIT, "limit"),
        (EndReason.COMPLETED, {"duration_s": 600.0}, None, "limit"),  # the longest that was asked for
        (EndReason.COMPLETED, {"ended_by": EndedBy.LIMIT}, None, "limit"),  # the carrier says it
    ],
)
async def test_a_call_says_who_ended_it(workspace, worker, reason, facts, ending, ended_by):
    claim = await workspace.dialed(owner=worker.id)
    if reason is EndReason.COMPLETED:
        await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
        await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC))
    if ending is not None:
        await note_ending(workspace.engine, claim.attempt_id, ending)
    await workspace.hears(claim.attempt_id, CallState.ENDED, reason, **facts)
    assert (await workspace.call(claim.call_id)).ended_by == ended_by
    assert (await workspace.events(claim.call_id, "state"))[-1]["ended_by"] == ended_by


@pytest.mark.parametrize("talked", [False, True])
@pytest.mark.parametrize(
    ("facts", "ended_by"),
    [
        ({}, "operator"),
        ({"by_callee": False}, "operator"),
        ({"by_callee": True}, "callee"),  # was quicker
        ({"ended_by": EndedBy.LIMIT}, "limit"),
    ],
)
async def test_a_hang_up_that_no_conversation_tells_of_is_the_operators(workspace, talked, facts, ended_by):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=datetime.now(UTC) - timedelta(seconds=20))
    if talked:  # and was transferred
        await workspace.set_attempt(claim.attempt_id, audio_started_at=NOW, owner=None)
    await workspace.ask_hang_up(claim.call_id)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED, **facts)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.ended_by, call.error) == ("completed", ended_by, None)


async def test_a_caller_who_gives_up_before_the_answer_ended_the_call(workspace):
    claim = await workspace.dialed()
    await workspace.set_call(claim.call_id, direction="inbound")
    await workspace.set_pool(used_outbound=0, used_inbound=1)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.CANCELED)
    assert (await workspace.call(claim.call_id)).ended_by == "callee"


# -- retries -------------------------------------------------------------------------------------------------


async def test_a_busy_contact_waits_for_the_next_attempt_without_a_line(workspace):
    claim = await workspace.dialed(retry=RETRY)
    applied = await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert applied.call_state is CallState.QUEUED
    call = await workspace.call(claim.call_id)
    assert (call.state, call.holds_line, call.end_reason) == ("queued", False, None)
    assert timedelta(seconds=50) < call.due_at - datetime.now(UTC) < timedelta(seconds=61)
    assert (await workspace.pool()).used_outbound == 0
    assert await workspace.claim() == []


async def test_the_next_attempt_has_the_next_number_and_its_own_token(workspace):
    claim = await workspace.dialed(retry=RETRY)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.set_call(claim.call_id, due_at=NOW)
    (second,) = await workspace.claim()
    assert (second.call_id, second.attempt_number) == (claim.call_id, 2)
    assert second.attempt_id != claim.attempt_id
    assert second.stream_token != claim.stream_token


async def test_no_retry_after_a_hang_up_was_asked_for(workspace):
    claim = await workspace.dialed(retry=RETRY)
    await workspace.ask_hang_up(claim.call_id)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason) == ("ended", "no_answer")


ALL = {"max_attempts": 3, "on": ["failed", "silent"], "delays_s": [60]}


async def talking(workspace, owner, **columns):
    """A call whose audio has come."""
    claim = await workspace.dialed(owner=owner, **columns)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC))
    return claim


async def say(workspace, claim, what="transcript"):
    async with workspace.engine.begin() as conn:
        await add_event(conn, claim.call_id, what, {})


FAULTS = (FailureCode.AUDIO_LOST, FailureCode.AGENT_FAILED, FailureCode.SPEECH_FAILED)


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("said", ["transcript", "digit", None])
async def test_who_was_talked_to_is_not_rung_again_for_a_failure(workspace, worker, code, said):
    claim = await talking(workspace, worker.id, retry=ALL)
    if said:
        await say(workspace, claim, said)
    error = CallError(code=code, message="Sorry.")
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED, error=error)
    assert (await workspace.call(claim.call_id)).state == ("ended" if said else "queued")


@pytest.mark.parametrize("code", [FailureCode.INTERRUPTED, FailureCode.INTERNAL_ERROR])
async def test_of_a_lost_conversation_talk_is_taken_for_granted(workspace, worker, code):
    claim = await talking(workspace, worker.id, retry=ALL)
    error = CallError(code=code, message="Sorry.")
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED, error=error)
    assert (await workspace.call(claim.call_id)).state == "ended"


async def test_a_crash_of_the_process_that_talked_rings_nobody_again(workspace):
    claim = await talking(workspace, "worker_that_died", retry=ALL)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.error["code"], call.ended_by) == ("ended", "interrupted", "system")


async def test_talk_on_an_earlier_attempt_does_not_count(workspace, worker):
    claim = await workspace.dialed(owner=worker.id, retry=ALL)
    await say(workspace, claim)
    await workspace.set_attempt(claim.attempt_id, created_at=datetime.now(UTC) + timedelta(minutes=1))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED)
    assert (await workspace.call(claim.call_id)).state == "queued"


@pytest.mark.parametrize("responded", [True, None, False])
async def test_silence_is_dialled_again_where_that_was_asked_for(workspace, worker, responded):
    """Whether the callee spoke is written down at once; the rest of the result may come later."""
    claim = await talking(workspace, worker.id, retry=ALL)
    await workspace.set_call(claim.call_id, callee_responded=responded)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.callee_responded) == (("ended", True) if responded else ("queued", None))


async def test_a_machine_is_not_silence(workspace, worker):
    claim = await talking(workspace, worker.id, retry=ALL)
    await apply_event(workspace.engine, claim.attempt_id, verdict())
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).state == "ended"


async def test_who_declined_is_dialled_again_where_that_was_asked_for(workspace):
    claim = await workspace.dialed(retry=RETRY | {"on": ["declined"]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.DECLINED)
    assert (await workspace.call(claim.call_id)).state == "queued"


async def test_no_retry_past_the_expiry(workspace):
    claim = await workspace.dialed(retry=RETRY, expires_at=datetime.now(UTC) + timedelta(seconds=30))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert (await workspace.call(claim.call_id)).end_reason == "busy"


async def test_a_late_end_of_an_earlier_attempt_does_not_touch_the_next_one(workspace):
    claim = await workspace.dialed(retry=RETRY)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.set_call(claim.call_id, due_at=NOW)
    (second,) = await workspace.claim()
    await workspace.dial(second)
    assert not (await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)).changed
    call = await workspace.call(claim.call_id)
    assert (call.state, call.holds_line) == ("dialing", True)


# -- verdicts ------------------------------------------------------------------------------------------------


async def test_a_verdict_says_how_long_after_the_answer_it_came(workspace):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=NOW)
    await apply_event(workspace.engine, claim.attempt_id, verdict(at=NOW + timedelta(seconds=1.84)))
    assert (await workspace.call(claim.call_id)).answered_by == {
        "category": "machine",
        "confidence": None,
        "evidence": ["machine"],
        "after_answer_ms": 1840,
        "message_end": False,
    }


async def test_a_repeated_verdict_is_no_news(workspace):
    claim = await workspace.dialed()
    for answered_by in (AnsweredBy.UNKNOWN, AnsweredBy.HUMAN):
        assert (await apply_event(workspace.engine, claim.attempt_id, verdict(answered_by))).changed
        assert not (await apply_event(workspace.engine, claim.attempt_id, verdict(answered_by))).changed
    assert len(await workspace.events(claim.call_id, "answered_by")) == 2


async def test_the_end_of_the_greeting_adds_to_the_verdict(workspace):
    claim = await workspace.dialed()
    await apply_event(workspace.engine, claim.attempt_id, verdict(detection_ms=900))
    await apply_event(
        workspace.engine, claim.attempt_id, verdict(detection_ms=4000, message_end=True, evidence=("beep",))
    )
    assert (await workspace.call(claim.call_id)).answered_by == {
        "category": "machine",
        "confidence": None,
        "evidence": ["machine", "beep"],
        "after_answer_ms": 900,
        "message_end": True,
    }


async def test_a_human_stays_human(workspace):
    claim = await workspace.dialed()
    await apply_event(workspace.engine, claim.attempt_id, verdict(AnsweredBy.HUMAN))
    assert not (await apply_event(workspace.engine, claim.attempt_id, verdict(message_end=True))).changed


async def test_a_late_verdict_does_not_follow_the_call_to_its_next_attempt(workspace):
    """Else the person who answers the second time is hung up on as the machine of the first."""
    policy = RETRY | {"on": ["machine"]}
    claim = await workspace.dialed(retry=policy)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.MACHINE)
    await apply_event(workspace.engine, claim.attempt_id, verdict())
    await workspace.set_call(claim.call_id, due_at=NOW)
    (second,) = await workspace.claim()
    await workspace.dial(second)
    await apply_event(workspace.engine, claim.attempt_id, verdict())
    assert (await workspace.call(claim.call_id)).answered_by is None


# -- locks ---------------------------------------------------------------------------------------------------


async def test_the_end_of_a_conversation_and_the_carriers_end_wait_for_each_other_in_one_order(workspace):
    """Both write attempt and call at the same moment; in different orders each would wait for the other."""
    claim = await workspace.dialed()
    async with workspace.engine.begin() as conn:
        await conn.execute(update(attempts).where(attempts.c.id == claim.attempt_id).values(owner=None))
        ending = asyncio.create_task(workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY))
        await asyncio.sleep(0.05)
        await conn.execute(update(calls).where(calls.c.id == claim.call_id).values(recording="x.wav"))
    assert (await ending).changed


async def test_who_adds_to_a_calls_history_does_not_wait_for_its_transition(workspace):
    claim = await workspace.dialed()
    async with workspace.engine.connect() as conn:
        await conn.execute(select(calls).where(calls.c.id == claim.call_id).with_for_update(read=True, key_share=True))
        async with asyncio.timeout(5):
            assert (await workspace.hears(claim.attempt_id, CallState.RINGING)).changed


async def test_a_callee_who_was_talked_with_until_we_stopped_is_not_rung_again(workspace):
    retry = {"max_attempts": 3, "on": ["failed"], "delays_s": [0]}
    ending = Ending(end_reason=EndReason.FAILED, error=INTERRUPTED).to_json()
    ends = []
    for talked in (True, False):
        claim = await workspace.dialed(retry=retry)
        await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
        opened_at = datetime.now(UTC) if talked else None
        await workspace.set_attempt(
            claim.attempt_id, ending=ending, stream_opened_at=opened_at, audio_started_at=opened_at
        )
        await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
        ends.append((await workspace.call(claim.call_id)).state)
    assert ends == ["ended", "queued"]
