"""What a conversation brought, entered into its call."""

from datetime import UTC, datetime, timedelta

import pytest

from outdial.calls.advance import note_ending
from outdial.calls.events import add_event
from outdial.calls.noted import keep
from outdial.calls.ownership import Lease, take_stream
from outdial.calls.results import Result, add_noted, enter_recording, note_response, save_result
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason

LIMIT = Ending(end_reason=EndReason.COMPLETED, ended_by=EndedBy.LIMIT)


@pytest.fixture
async def claim(workspace):
    claim = await workspace.dialed(variables={"name": "Jane"})
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    return claim


async def save(workspace, claim, **result):
    usual = {"noted": {}, "recording": None, "message_delivered": None, "transferred": False}
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, Result(**usual | result))


async def test_a_result_is_entered_and_the_call_looked_at_soon(workspace, claim):
    noted = {"mood": "good", "seats": [1, {"row": None}]}
    await save(workspace, claim, noted=noted, recording="recordings/x.wav", message_delivered=True)
    call, attempt = await workspace.call(claim.call_id), await workspace.attempt(claim.attempt_id)
    assert (call.variables, call.noted) == ({"name": "Jane"}, noted)
    assert (call.recording, call.message_delivered) == ("recordings/x.wav", True)
    assert attempt.check_at < datetime.now(UTC) + timedelta(seconds=3.1)
    assert attempt.owner is not None


async def test_a_transferred_call_is_nobodys_any_more(workspace, claim):
    await save(workspace, claim, transferred=True)
    assert (await workspace.attempt(claim.attempt_id)).owner is None


async def test_what_is_noted_leaves_alone_what_was_sent_and_what_was_noted_before(workspace, claim):
    await workspace.set_call(claim.call_id, noted={"name": "John", "mood": "bad"})
    await save(workspace, claim, noted={"mood": "good"})
    call = await workspace.call(claim.call_id)
    assert (call.variables, call.noted) == ({"name": "Jane"}, {"name": "John", "mood": "good"})


async def test_what_was_not_kept_is_told_in_the_calls_feed(workspace, claim):
    dropped = keep({"when": datetime(2026, 1, 1, tzinfo=UTC)}).told()
    await save(workspace, claim, noted_dropped=dropped)
    assert await workspace.events(claim.call_id, "noted_dropped") == [dropped]


async def test_what_was_noted_is_told_in_the_calls_feed(workspace, claim):
    await save(workspace, claim, noted={"outcome": "confirmed"})
    assert await workspace.events(claim.call_id, "noted") == [{"values": {"outcome": "confirmed"}}]


async def test_nothing_is_told_where_everything_was_kept(workspace, claim):
    await save(workspace, claim, noted={"mood": "good"}, noted_dropped=keep({"mood": "good"}).told())
    assert await workspace.events(claim.call_id, "noted_dropped") == []


async def dialed_again(workspace, claim):
    """The second attempt of the call."""
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)
    await workspace.set_call(claim.call_id, due_at=datetime.now(UTC) - timedelta(seconds=1))
    (second,) = await workspace.claim()
    await workspace.dial(second)
    return second


@pytest.fixture
async def retried(workspace):
    """The first attempt of a call that is dialled again."""
    return await workspace.dialed(
        variables={"name": "Jane"}, retry={"max_attempts": 2, "on": ["no_answer"], "delays_s": [60]}
    )


async def test_the_next_attempt_knows_what_the_one_before_noted_and_adds_to_it(workspace, retried):
    await save(workspace, retried, noted={"mood": "good", "step": 1})
    second = await dialed_again(workspace, retried)
    lease = Lease(owner="worker_1", lease_s=15, silent_after_s=60)
    answered = await take_stream(workspace.engine, second.attempt_id, second.stream_token, lease)
    assert (answered.variables, answered.noted) == ({"name": "Jane"}, {"mood": "good", "step": 1})
    await save(workspace, second, noted={"step": 2})
    assert (await workspace.call(second.call_id)).noted == {"mood": "good", "step": 2}


async def test_a_result_that_comes_late_is_older_than_what_the_next_attempt_noted(workspace, retried):
    second = await dialed_again(workspace, retried)
    await save(workspace, second, noted={"step": 2})
    await save(workspace, retried, noted={"do_not_call": True, "step": 1})
    assert (await workspace.call(second.call_id)).noted == {"do_not_call": True, "step": 2}


async def test_a_result_may_come_after_the_end_of_its_call(workspace, claim):
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    await save(workspace, claim, recording="recordings/x.wav")
    call = await workspace.call(claim.call_id)
    assert (call.state, call.recording) == ("ended", "recordings/x.wav")


async def answered(workspace, claim, worker):
    await workspace.set_attempt(claim.attempt_id, owner=worker.id, audio_started_at=datetime.now(UTC))


async def told(workspace, claim):
    """What the history says of the end, and of the outcome afterwards."""
    [end] = [each for each in await workspace.events(claim.call_id, "state") if each["state"] == "ended"]
    return (end["ended_by"], end["outcome"]), await workspace.events(claim.call_id, "outcome")


async def test_a_result_before_the_end_of_its_call_makes_its_outcome(workspace, claim, worker):
    await answered(workspace, claim, worker)
    await save(workspace, claim, noted={"outcome": "confirmed"}, callee_responded=True)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.outcome, call.ended_by, call.callee_responded) == ("confirmed", "callee", True)
    assert await told(workspace, claim) == (("callee", "confirmed"), [])


async def test_a_late_result_changes_the_outcome_and_that_is_told(workspace, claim, worker):
    await answered(workspace, claim, worker)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).outcome == "hung_up_early"
    late = {"outcome": "moved"}
    for _ in range(2):  # a result may be saved twice; only the first says anything new
        await save(workspace, claim, noted=late, callee_responded=True, ended_by=EndedBy.AGENT)
    call = await workspace.call(claim.call_id)
    assert (call.outcome, call.ended_by) == ("moved", "agent")
    changed = [{"outcome": "moved", "ended_by": "agent"}]
    assert await told(workspace, claim) == (("callee", "hung_up_early"), changed)


async def test_who_ended_a_call_stays_where_that_was_known(workspace, claim, worker):
    await answered(workspace, claim, worker)
    await note_ending(workspace.engine, claim.attempt_id, LIMIT)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    await save(workspace, claim, callee_responded=True, ended_by=EndedBy.CALLEE)
    call = await workspace.call(claim.call_id)
    assert (call.outcome, call.ended_by) == (None, "limit")


async def test_a_late_result_of_an_earlier_attempt_says_nothing_of_the_last(workspace, claim):
    await workspace.set_call(claim.call_id, retry={"max_attempts": 2, "on": ["machine"], "delays_s": [60]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.MACHINE)
    await save(workspace, claim, callee_responded=True)
    assert (await workspace.call(claim.call_id)).callee_responded is None
    await workspace.set_call(claim.call_id, due_at=datetime.now(UTC))
    [second] = await workspace.claim()
    await workspace.hears(second.attempt_id, CallState.ENDED, EndReason.BUSY)
    await save(workspace, claim, noted={"outcome": "confirmed"}, callee_responded=False)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.ended_by, call.outcome) == ("busy", "callee", None)


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        (["transferred"], "transferred"),
        (["transfer_failed"], "transfer_failed"),
        (["transfer_failed", "transferred"], "transferred"),
        (["transferred", "transfer_failed"], "transfer_failed"),
    ],
)
async def test_the_last_transfer_says_what_came_of_it(workspace, claim, worker, events, outcome):
    await answered(workspace, claim, worker)
    async with workspace.engine.begin() as conn:
        for type_ in events:
            await add_event(conn, claim.call_id, type_, {})
    await save(workspace, claim, callee_responded=True)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).outcome == outcome


async def test_a_variable_that_was_sent_is_no_word_of_the_agents(workspace, worker):
    claim = await workspace.dialed(variables={"outcome": "sent"}, owner=worker.id)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await answered(workspace, claim, worker)
    await save(workspace, claim, noted={"more": 1}, callee_responded=True)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).outcome == "hung_up_early"


async def test_an_outcome_that_is_no_word_is_ignored_and_said(workspace, claim, worker, caplog):
    await answered(workspace, claim, worker)
    await save(workspace, claim, noted={"outcome": "x" * 65}, callee_responded=True)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).outcome == "hung_up_early"
    assert "Outcome named by agent ignored" in caplog.messages


async def test_the_first_word_of_the_callee_is_noted_at_once(workspace, claim):
    await note_response(workspace.engine, claim.attempt_id)
    assert (await workspace.call(claim.call_id)).callee_responded is True


async def test_something_is_noted_in_a_live_call_from_outside(workspace, claim):
    for values in ({"name": "Jim", "plan": "Free"}, {"plan": "Premium"}):
        async with workspace.engine.begin() as conn:
            await add_noted(conn, claim.call_id, values)
    call = await workspace.call(claim.call_id)
    assert (call.variables, call.noted) == ({"name": "Jane"}, {"name": "Jim", "plan": "Premium"})


@pytest.mark.parametrize("order", [(0, 12), (12, 0)])
async def test_a_call_keeps_the_recording_of_its_newest_attempt(workspace, claim, order):
    names = {0: "recordings/w/call_1.wav", 12: "recordings/w/call_1-12.wav"}
    for turns in order:
        await enter_recording(workspace.engine, claim.call_id, names[turns])
    assert (await workspace.call(claim.call_id)).recording == names[12]
