"""What came of a call, decided from what is stored of it."""

from datetime import UTC, datetime

import pytest

from outdial.calls.advance import apply_event
from outdial.calls.events import add_event
from outdial.calls.outcomes import reconsider, retry_words
from outdial.calls.records import lock_attempt
from outdial.telephony.failures import INTERRUPTED, CallError, FailureCode
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason
from outdial.telephony.verdict import AnsweredBy, Verdict

COMPLETED = Ending(end_reason=EndReason.COMPLETED)
CUT = Ending(end_reason=EndReason.FAILED, error=INTERRUPTED)


@pytest.fixture
async def claim(workspace, worker):
    """A call whose audio has come."""
    claim = await workspace.dialed(owner=worker.id)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, audio_started_at=datetime.now(UTC))
    return claim


async def words(workspace, claim, ending):
    async with workspace.engine.begin() as conn:
        held = await lock_attempt(conn, claim.attempt_id)
        return set(await retry_words(conn, held.call, ending, held.attempt))


async def test_the_end_of_an_attempt_is_a_word_for_retries(workspace, claim):
    await workspace.set_call(claim.call_id, callee_responded=True)
    for reason in (EndReason.BUSY, EndReason.MACHINE, EndReason.COMPLETED):
        assert await words(workspace, claim, Ending(end_reason=reason)) == {reason}


async def test_silence_is_a_word_besides(workspace, claim):
    await workspace.set_call(claim.call_id, callee_responded=False)
    assert await words(workspace, claim, COMPLETED) == {"completed", "silent"}


async def test_who_hung_up_before_the_audio_came_was_not_silent(workspace, claim):
    await workspace.set_attempt(claim.attempt_id, audio_started_at=None)
    assert await words(workspace, claim, COMPLETED) == {"completed"}


@pytest.mark.parametrize("responded", [True, None])
async def test_a_failure_counts_until_the_callee_was_heard(workspace, claim, responded):
    await workspace.set_call(claim.call_id, callee_responded=responded)
    lost = CallError(code=FailureCode.AUDIO_LOST, message="Lost.")
    failed = Ending(end_reason=EndReason.FAILED, error=lost)
    assert await words(workspace, claim, failed) == (set() if responded else {"failed"})


@pytest.mark.parametrize(
    ("died", "known"),
    [
        ({"taken_over_at": datetime.now(UTC), "ending": CUT.to_json()}, set()),
        ({}, set()),  # … and the carrier tells of the end before its calls are taken over
        ({"ending": CUT.to_json()}, {"failed"}),  # it told so itself
        ({"taken_over_at": datetime.now(UTC), "stream_opened_at": None}, {"failed"}),
    ],
)
async def test_who_died_with_a_stream_in_hand_may_have_talked_without_having_written_it(workspace, claim, died, known):
    values = {"audio_started_at": None, "stream_opened_at": datetime.now(UTC)} | died
    await workspace.set_attempt(claim.attempt_id, **values)
    assert await words(workspace, claim, CUT) == known


async def end(workspace, claim, **values):
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    if values:
        await workspace.set_call(claim.call_id, **values)


async def again(workspace, claim, ended_by=None):
    async with workspace.engine.begin() as conn:
        await lock_attempt(conn, claim.attempt_id)
        await reconsider(conn, claim.call_id, ended_by)
    return (await workspace.call(claim.call_id)).outcome


async def test_what_is_known_later_changes_the_outcome(workspace, claim):
    await end(workspace, claim, noted={"outcome": " call_back "})
    assert (await workspace.call(claim.call_id)).outcome == "hung_up_early"
    assert await again(workspace, claim) == "call_back"
    assert await again(workspace, claim) == "call_back"
    changes = await workspace.events(claim.call_id, "outcome")
    assert changes == [{"outcome": "call_back", "ended_by": "callee"}]


async def test_nothing_is_said_where_nothing_changes(workspace, claim):
    await end(workspace, claim)
    assert await again(workspace, claim) == "hung_up_early"
    assert await workspace.events(claim.call_id, "outcome") == []


async def test_who_left_first_is_put_right_and_told(workspace, claim):
    await end(workspace, claim)
    assert await again(workspace, claim, EndedBy.AGENT) is None
    assert await workspace.events(claim.call_id, "outcome") == [{"outcome": None, "ended_by": "agent"}]


async def test_a_call_that_goes_on_has_no_outcome_yet(workspace, claim):
    await workspace.set_call(claim.call_id, noted={"outcome": "confirmed"})
    assert await again(workspace, claim) is None


async def test_a_machine_known_only_after_the_end_was_not_silent(workspace, claim):
    await workspace.set_call(claim.call_id, callee_responded=False)
    await end(workspace, claim)
    assert (await workspace.call(claim.call_id)).outcome == "silent"
    late = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), evidence=("late",))
    await apply_event(workspace.engine, claim.attempt_id, late)
    assert (await workspace.call(claim.call_id)).outcome == "hung_up_early"


@pytest.mark.parametrize(("on", "state"), [("screening", "queued"), ("machine", "queued"), ("silent", "ended")])
async def test_a_screening_service_that_let_nobody_through_may_be_called_again(workspace, claim, on, state):
    await workspace.set_call(claim.call_id, retry={"max_attempts": 2, "on": [on], "delays_s": [60]})
    verdict = Verdict(answered_by=AnsweredBy.SCREENING, at=datetime.now(UTC), evidence=("words",))
    await apply_event(workspace.engine, claim.attempt_id, verdict)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.MACHINE)
    assert (await workspace.call(claim.call_id)).state == state


@pytest.mark.parametrize(
    ("category", "then", "is_word"),
    [
        ("menu", "nothing", True),
        ("menu", "keys", False),   # somebody was chosen
        ("menu", "reply", False),  # somebody came by themselves
        ("human", "nothing", False),
    ],
)
async def test_a_menu_that_nobody_has_come_from_is_one(workspace, claim, category, then, is_word):
    told = [Verdict(answered_by=AnsweredBy(category), at=datetime.now(UTC), evidence=("said 'press one'",))]
    if then == "reply":
        told.append(Verdict(answered_by=AnsweredBy.UNKNOWN, at=datetime.now(UTC), evidence=("reply",)))
    for verdict in told:
        await apply_event(workspace.engine, claim.attempt_id, verdict)
    if then == "keys":
        async with workspace.engine.begin() as conn:
            await add_event(conn, claim.call_id, "digits_sent", {"count": 1})
    await workspace.set_call(claim.call_id, callee_responded=True)
    assert ("menu" in await words(workspace, claim, COMPLETED)) is is_word
    assert "menu" not in await words(workspace, claim, Ending(end_reason=EndReason.MACHINE))


async def test_a_machine_is_no_screening_service(workspace, claim):
    await workspace.set_call(claim.call_id, retry={"max_attempts": 2, "on": ["screening"], "delays_s": [60]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.MACHINE)
    assert (await workspace.call(claim.call_id)).state == "ended"


async def test_a_wish_of_an_earlier_attempt_holds_and_its_outcome_is_forgotten(workspace, claim):
    await workspace.set_call(claim.call_id, noted={"do_not_call": True, "outcome": "moved", "more": 1})
    await workspace.set_call(claim.call_id, retry={"max_attempts": 2, "on": ["machine"], "delays_s": [60]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.MACHINE)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.noted) == ("queued", {"do_not_call": True, "more": 1})
