"""What a conversation brought, entered into its call."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, insert

from outdial.calls.advance import apply_event, begin_audio, note_ending
from outdial.calls.noted import keep
from outdial.calls.ownership import Lease, take_stream
from outdial.calls.results import Result, add_noted, enter_recording, note_response, save_result
from outdial.calls.transfer_returns import prepare_return
from outdial.calls.transfers import begin_transfer
from outdial.db.call_back_tables import call_backs
from outdial.telephony.state import CallState, EndedBy, Ending, EndReason
from outdial.telephony.transfer import TransferOutcome, TransferResult

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


async def test_what_may_be_lost_of_a_beginning_is_not_lost_of_the_result_that_brings_it(workspace, claim):
    """Once a result is entered it is deleted from its host's disk: its commit has to wait for the database's."""
    unflushed = []

    def note(conn, cursor, statement, *_):
        unflushed.append("set_config" in statement)

    event.listen(workspace.engine.sync_engine, "before_cursor_execute", note)
    try:
        await begin_audio(workspace.engine, claim.attempt_id, at=datetime.now(UTC), check_in_s=20)
        assert any(unflushed)
        await workspace.set_attempt(claim.attempt_id, audio_started_at=None)
        unflushed.clear()
        await save(workspace, claim, audio_began_at=datetime.now(UTC))
        assert not any(unflushed)
    finally:
        event.remove(workspace.engine.sync_engine, "before_cursor_execute", note)
    assert (await workspace.attempt(claim.attempt_id)).audio_started_at is not None


def test_a_result_comes_back_from_the_disk_as_it_was():
    result = Result(
        noted={}, recording=None, message_delivered=None, transferred=False, turns=12, turn_latency_ms=480
    )
    assert Result.from_json(result.to_json()) == result
    kept_by_0_1 = {name: value for name, value in result.to_json().items() if not name.startswith("turn")}
    assert Result.from_json(kept_by_0_1).turns == 0


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


async def test_a_call_back_is_what_came_of_a_call_only_where_one_is_arranged(workspace, claim, worker):
    await answered(workspace, claim, worker)
    await save(workspace, claim, noted={"call_back_at": "some day"}, callee_responded=True)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).outcome == "hung_up_early"


async def test_a_call_back_is_what_came_of_a_call_though_its_conversation_was_lost_before_it_noted_that(
    workspace, claim, worker
):
    await answered(workspace, claim, worker)
    row = {"call_id": claim.call_id, "new_call_id": await workspace.queue(), "promised_for": datetime.now(UTC)}
    async with workspace.engine.begin() as conn:
        await conn.execute(insert(call_backs).values(row))
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).outcome == "call_back"


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


BUSY, TAKEN = TransferOutcome.BUSY, TransferOutcome.ANSWERED


async def transferred(workspace, claim, result=None, *, failed_step=None):
    """The agent has left the call by a transfer, of which this is heard."""
    to = "+15551230009"
    await begin_transfer(workspace.engine, claim.attempt_id, claim.call_id, to, failed_step=failed_step)
    if result is not None:
        told = TransferResult(at=datetime.now(UTC), outcome=result, is_over=True)
        await apply_event(workspace.engine, claim.attempt_id, told)


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ([TAKEN], "transferred"),
        ([BUSY], "transfer_failed"),
        ([BUSY, TAKEN], "transferred"),
        ([TAKEN, BUSY], "transfer_failed"),
        ([None], None),  # not known yet: so nobody can say that the callee left early
    ],
)
async def test_the_last_transfer_says_what_came_of_it(workspace, claim, worker, results, outcome):
    await answered(workspace, claim, worker)
    for result in results:
        await transferred(workspace, claim, result)
    await save(workspace, claim, callee_responded=True)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).outcome == outcome


@pytest.mark.parametrize(
    ("result", "word", "outcome"),
    [(BUSY, "confirmed", "transfer_failed"), (TAKEN, "confirmed", "confirmed"), (TAKEN, None, "transferred")],
)
async def test_a_transfers_result_that_comes_after_the_end_decides_again(
    workspace, claim, worker, result, word, outcome
):
    await answered(workspace, claim, worker)
    await transferred(workspace, claim)
    await save(workspace, claim, callee_responded=True, transferred=True, noted={"outcome": word} if word else {})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).outcome == word
    told = TransferResult(at=datetime.now(UTC), outcome=result, is_over=True)
    await apply_event(workspace.engine, claim.attempt_id, told)
    assert (await workspace.call(claim.call_id)).outcome == outcome
    events = await workspace.events(claim.call_id, "outcome")
    assert [event["outcome"] for event in events] == ([] if outcome == word else [outcome])


# -- two conversations in one attempt --------------------------------------------------------------------------


async def back(workspace, claim, worker):
    """The call is back from a transfer that nobody took."""
    token = await prepare_return(workspace.engine, claim.attempt_id, BUSY)
    lease = Lease(owner=worker.id, lease_s=15, silent_after_s=20)
    return await take_stream(workspace.engine, claim.attempt_id, token, lease)


async def test_a_conversation_after_a_transfer_has_a_result_of_its_own(workspace, claim, worker):
    await answered(workspace, claim, worker)
    began_at = (await workspace.attempt(claim.attempt_id)).audio_started_at
    await transferred(workspace, claim, failed_step="sorry")
    first = {"noted": {"mood": "good", "seats": 1}, "transferred": True, "callee_responded": True}
    await save(workspace, claim, recording="recordings/x.wav", message_delivered=True, **first)
    assert await back(workspace, claim, worker) is not None
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.result_at, attempt.ending, attempt.owner) == (None, None, worker.id)
    assert attempt.audio_started_at == began_at, "it was talked on"
    for _ in range(2):  # and once only
        await save(
            workspace, claim, returns=1, noted={"mood": "bad", "outcome": "call_back"}, callee_responded=False,
            recording="recordings/x-01.wav", ending=LIMIT,
        )  # fmt: skip
        await save(workspace, claim, **first)  # of a process that died before it had removed it
    attempt, call = await workspace.attempt(claim.attempt_id), await workspace.call(claim.call_id)
    assert (attempt.result_at is not None, attempt.ending["ended_by"], attempt.owner) == (True, "limit", worker.id)
    assert call.noted == {"mood": "bad", "seats": 1, "outcome": "call_back"}
    assert (call.recording, call.message_delivered, call.callee_responded) == ("recordings/x-01.wav", True, True)
    assert len(await workspace.events(claim.call_id, "noted")) == 2
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.ended_by, call.outcome) == ("limit", "transfer_failed")


async def test_what_was_noted_before_a_transfer_may_come_after_what_was_noted_since(workspace, claim, worker):
    """The process died that had talked; nobody owned the call when it came back."""
    await answered(workspace, claim, worker)
    await transferred(workspace, claim, failed_step="sorry")
    await workspace.set_attempt(claim.attempt_id, owner=None)
    assert await back(workspace, claim, worker) is not None
    await save(workspace, claim, returns=1, noted={"mood": "bad"}, recording="recordings/x-00.wav")
    for _ in range(2):
        await save(
            workspace, claim, noted={"mood": "good", "seats": 1}, recording="recordings/x.wav", transferred=True,
            callee_responded=True,
        )  # fmt: skip
    call = await workspace.call(claim.call_id)
    assert (call.noted, call.recording) == ({"mood": "bad", "seats": 1}, "recordings/x-00.wav")
    assert call.callee_responded is True
    assert (await workspace.attempt(claim.attempt_id)).owner == worker.id
    assert len(await workspace.events(claim.call_id, "noted")) == 2


async def test_a_call_that_was_transferred_in_an_earlier_attempt_is_let_go_of_in_the_next(workspace, claim, worker):
    await answered(workspace, claim, worker)
    await transferred(workspace, claim, failed_step="sorry")
    await save(workspace, claim, transferred=True)
    await back(workspace, claim, worker)
    await workspace.set_call(claim.call_id, retry={"max_attempts": 2, "on": ["no_answer"], "delays_s": [60]})
    second = await dialed_again(workspace, claim)
    await transferred(workspace, second, failed_step="sorry")
    await save(workspace, second, transferred=True)
    assert (await workspace.attempt(second.attempt_id)).owner is None
    assert (await back(workspace, second, worker)).returns == 1


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
