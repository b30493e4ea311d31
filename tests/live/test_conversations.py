"""The conversations a process holds: begun, brought to their end, and what is on record of them afterwards."""

import asyncio
import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from conversation.peers import Voice
from live.talking import AUTH_TOKEN, Line, accept_again, refuse, ringing
from outdial import logs
from outdial.calls.advance import apply_event
from outdial.calls.transfer_returns import prepare_return
from outdial.carriers.errors import CarrierRefused, CarrierUnreachable
from outdial.conversation.verb_results import FailedTransfer
from outdial.live.conversations import BROKE
from outdial.live.left_behind import deliver_left
from outdial.logs import JsonFormatter
from outdial.speech.engines import OwnSpeech
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, Ending, EndReason
from outdial.telephony.transfer import TransferOutcome
from outdial.telephony.verdict import AnsweredBy, Verdict
from workspace import CALLEE, CALLER, logged, until

UNREACHABLE = CarrierUnreachable(FailureCode.CARRIER_UNREACHABLE, "The carrier could not be reached.")


# -- how they end ----------------------------------------------------------------------------------------------


async def test_an_agent_that_has_said_everything_ends_the_call(workspace, talking, claim):
    line = await talking.answered(claim)
    assert talking.conversations.session(claim.call_id) is not None
    talking.done.set()
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.holds_line) == ("ended", "completed", False)
    assert (call.variables, call.noted) == ({}, {"mood": "good"})
    assert (workspace.settings.data_dir / call.recording).exists()
    assert workspace.carrier.hung_up == ["CA1"]
    assert line.closed_with == 1000
    assert talking.conversations.session(claim.call_id) is None


async def test_an_agent_speaks_with_the_voice_it_brings(workspace, talking, claim):
    async def greets(call):
        talking.begun.set()
        await call.say("Hello.")

    own = Voice(name="a vendor's")
    talking.agents.conversation, talking.agents.speech = greets, OwnSpeech(from_text=own)
    await talking.answered(claim)

    async def spoken():
        return bool(own.spoken)

    await until(spoken)
    assert (own.spoken, talking.voice.spoken) == (["Hello."], [])


async def test_what_came_of_a_conversation_and_who_left_first_is_kept_with_its_end(workspace, talking, claim):
    async def confirms(call):
        talking.begun.set()
        await call.listen(max_digits=1)
        call.noted["outcome"] = "confirmed"

    talking.agents.conversation = confirms
    line = await talking.answered(claim)
    line.presses("1")

    async def responded():
        return (await workspace.call(claim.call_id)).callee_responded

    await until(responded)  # written down before the end
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.outcome, call.ended_by, call.callee_responded) == ("confirmed", "agent", True)
    end = (await workspace.events(claim.call_id, "state"))[-1]
    assert (end["outcome"], end["ended_by"]) == ("confirmed", "agent")


@pytest.mark.parametrize(
    ("stops", "ended_by"), [(False, "agent"), (True, "callee")], ids=["the agent hangs up", "the callee hangs up"]
)
async def test_a_callee_who_said_nothing_was_silent_whoever_hung_up(workspace, talking, claim, stops, ended_by):
    line = await talking.answered(claim)
    if stops:
        line.stops()
    talking.done.set()
    await talking.rests()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.outcome, call.ended_by, call.callee_responded) == ("silent", ended_by, False)


async def test_a_server_that_stops_ended_the_call(workspace, talking, claim):
    await talking.answered(claim)
    await talking.conversations.aclose()
    assert (await workspace.call(claim.call_id)).ended_by == "system"


async def test_whatever_is_sent_and_noted_beside_it_a_wish_not_to_be_called_is_kept(workspace, talking, caplog):
    sent = {f"k{n}": "v" for n in range(199)} | {"customer_id": 1.2345678901234567e19}
    claim = await workspace.dialed(variables=sent)

    async def notes(call):
        talking.begun.set()
        assert call.variables == sent
        call.noted.update({f"n{n}": "v" for n in range(250)})
        call.noted["when"] = datetime.now(UTC)
        call.noted["do_not_call"] = True
        call.noted["n0"] = "x" * 20_000

    talking.agents.conversation = notes
    await talking.answered(claim)
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.variables) == ("completed", sent)
    assert (call.noted["do_not_call"], call.noted["n0"], len(call.noted)) == (True, "x" * 16_000, 200)
    assert (workspace.settings.data_dir / call.recording).exists()
    [told] = await workspace.events(claim.call_id, "noted_dropped")
    assert told["count"] == 53
    assert told["values"][0] == {"name": "n0", "reason": "is larger than 16000 bytes", "cut": True}
    assert "Noted values dropped or cut" in caplog.messages


async def test_an_agent_of_the_second_attempt_knows_what_was_noted_in_the_first(workspace, talking):
    retry = {"max_attempts": 2, "on": ["failed"], "delays_s": [1]}
    claim = await workspace.dialed(variables={"name": "Jane"}, retry=retry)

    async def breaks(call):
        call.noted["mood"] = "good"
        talking.begun.set()
        raise RuntimeError("a bug in the agent")

    talking.agents.conversation = breaks
    await talking.answered(claim)
    await talking.rests()
    assert (await workspace.call(claim.call_id)).state == "queued"
    await workspace.set_call(claim.call_id, due_at=datetime.now(UTC) - timedelta(seconds=1))
    (second,) = await workspace.claim()
    await workspace.dial(second)
    known = []

    async def looks(call):
        known.append((dict(call.variables), dict(call.noted)))
        talking.begun.set()

    talking.agents.conversation = looks
    await talking.answered(second)
    await talking.rests()
    assert known == [({"name": "Jane"}, {"mood": "good"})]
    assert (await workspace.call(claim.call_id)).noted == {"mood": "good"}


async def test_a_callee_who_hangs_up_is_not_hung_up_on(workspace, talking, claim):
    line = await talking.answered(claim)
    line.stops()
    talking.done.set()
    await talking.rests()
    assert workspace.carrier.hung_up == []
    assert (await workspace.call(claim.call_id)).state == "in_progress", "the carrier says when it was over"
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


async def test_audio_that_breaks_off_is_the_reason_also_where_the_carriers_word_comes_first(workspace, talking, claim):
    """The agent still winds up while the carrier says "completed"."""
    line = await talking.answered(claim)
    line.breaks()

    async def noted():
        return (await workspace.attempt(claim.attempt_id)).ending is not None

    await until(noted)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    talking.done.set()
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"]) == ("failed", "audio_lost")


async def test_an_agent_that_fails_ends_the_call_as_failed(workspace, talking, claim, caplog):
    async def fails(call):
        talking.begun.set()
        raise RuntimeError("a bug in the agent")

    talking.agents.conversation = fails
    await talking.answered(claim)
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"]) == ("failed", "agent_failed")
    assert "Agent failed" in caplog.messages


async def test_a_stream_that_is_opened_and_never_starts_ends_the_call(workspace, talking, claim):
    workspace.settings = workspace.settings.model_copy(update={"stream_start_timeout_s": 0.05})
    talking.conversations._settings = workspace.settings
    start = await talking.open(claim)
    line = Line()
    line.media_line = start(line)
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"]) == ("failed", "no_media")


@pytest.mark.parametrize("waited_s", [0, 8])
async def test_who_hangs_up_before_the_audio_began_was_not_talked_to(workspace, worker, talking, claim, waited_s):
    """Also where the carrier's word comes first. Who hung up at once left before there could be audio."""
    await workspace.set_attempt(claim.attempt_id, answered_at=datetime.now(UTC) - timedelta(seconds=waited_s))
    start = await talking.open(claim)
    await workspace.set_attempt(claim.attempt_id, owner=worker.id)  # who lives
    line = Line()
    line.media_line = start(line)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    line.breaks()
    await talking.rests()
    call = await workspace.call(claim.call_id)
    if waited_s:
        assert (call.end_reason, call.error["code"], call.outcome) == ("failed", "no_media", None)
    else:
        assert (call.end_reason, call.error, call.outcome) == ("completed", None, "hung_up_early")
    assert not talking.begun.is_set()


async def test_a_transferred_call_goes_on_without_us(workspace, talking, claim):
    async def transfers(call):
        talking.begun.set()
        await call.transfer("+15551230009")

    talking.agents.conversation = transfers
    await talking.answered(claim)
    await talking.rests()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.ending, workspace.carrier.hung_up) == (None, None, [])
    assert (await workspace.call(claim.call_id)).holds_line


async def test_audio_that_breaks_off_after_a_transfer_ends_nothing(workspace, talking, claim):
    """The sweep would hang up on two people who talk."""

    async def transfers(call):
        talking.begun.set()
        await talking.done.wait()
        try:
            await call.transfer("+15551230009")
        finally:
            line.breaks()
            await asyncio.sleep(0.2)

    talking.agents.conversation = transfers
    line = await talking.answered(claim)
    talking.done.set()
    await talking.rests()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.ending, workspace.carrier.hung_up) == (None, None, [])


async def test_a_transferred_call_is_not_ended_for_want_of_a_database(workspace, talking, claim, caplog):
    async def transfers(call):
        talking.begun.set()
        await call.transfer("+15551230009")

    async def has_failed():
        return "Result not saved; trying again" in caplog.messages

    await refuse(workspace, "attempts", "NEW.owner IS NULL")
    talking.agents.conversation = transfers
    await talking.answered(claim)
    await until(has_failed)
    assert talking.conversations.attempt_ids == [claim.attempt_id], "its lease is kept"
    await accept_again(workspace, "attempts")
    await talking.rests()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.owner, attempt.ending, workspace.carrier.hung_up) == (None, None, [])


async def test_a_carrier_that_does_not_hang_up_is_left_to_the_sweep(workspace, talking, claim):
    await talking.answered(claim)
    workspace.carrier.fault = UNREACHABLE
    talking.done.set()
    await talking.rests()
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.ending["end_reason"]) == ("in_progress", "completed")


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
async def test_an_agent_knows_who_calls_whom(workspace, talking, claim, direction):
    numbers = {"from_": CALLER, "to": CALLEE} if direction == "outbound" else {"from_": CALLEE, "to": CALLER}
    await workspace.set_call(claim.call_id, direction=direction, **numbers)
    if direction == "inbound":
        await workspace.set_pool(used_outbound=0, used_inbound=1)
    facts = []

    async def looks(call):
        payload = call.last_event["payload"]
        facts.append((payload["userNumber"], payload["agentNumber"]))
        talking.begun.set()

    talking.agents.conversation = looks
    await talking.answered(claim)
    await talking.rests()
    assert facts == [(CALLEE, CALLER)]


# -- faults of our own -----------------------------------------------------------------------------------------


async def test_a_session_that_breaks_ends_the_call_and_keeps_what_was_noted(workspace, talking, claim, caplog):
    line = await talking.answered(claim)
    session = talking.conversations.session(claim.call_id)
    session._time_is_up = lambda: 1 / 0
    session._news.set()
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.error["code"], call.holds_line) == ("failed", "internal_error", False)
    assert call.noted == {"mood": "good"}
    assert "Conversation failed" in caplog.messages
    assert line.closed_with == 1000


async def test_a_result_that_is_refused_still_ends_the_call_and_is_kept(workspace, talking, claim, caplog):
    await talking.answered(claim)
    await refuse(workspace, "calls", "NEW.recording IS NOT NULL", code="22023")
    talking.done.set()
    await talking.rests()
    await accept_again(workspace, "calls")
    assert "Result refused by the database; kept on disk" in caplog.messages
    assert workspace.carrier.hung_up == ["CA1"]
    assert (await workspace.call(claim.call_id)).end_reason == "completed"
    await talking.spool.aclose()
    assert await deliver_left(workspace.engine, workspace.settings.data_dir) == 1
    assert (await workspace.call(claim.call_id)).noted == {"mood": "good"}


async def test_a_call_that_can_not_be_given_up_now_is_said_so(workspace, talking, claim, caplog):
    await refuse(workspace, "attempts", "NEW.ending IS NOT NULL")
    await talking.conversations.give_up(claim.attempt_id, Ending(end_reason=EndReason.FAILED, error=BROKE))
    await accept_again(workspace, "attempts")
    assert "Call not ended; trying again later" in caplog.messages
    assert workspace.carrier.hung_up == []


# -- the end of the process ------------------------------------------------------------------------------------


async def test_the_end_of_the_process_ends_every_conversation(workspace, talking, claim):
    await talking.answered(claim)
    await talking.conversations.aclose()
    assert talking.conversations.count == 0
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "interrupted")
    assert call.holds_line is False
    assert call.noted == {"mood": "good"}
    assert workspace.carrier.hung_up == ["CA1"]


async def test_the_end_of_the_process_does_not_wait_for_ever(workspace, talking, claim):
    """What is cut is on record: whoever takes the call over ends it as interrupted."""
    await talking.answered(claim)
    async with workspace.engine.begin() as conn:
        await conn.execute(text("LOCK TABLE attempts IN SHARE MODE"))
        await talking.conversations.aclose(at_most_s=0.2)
        assert talking.conversations.count == 0
    assert (await workspace.attempt(claim.attempt_id)).state == "in_progress"
    await talking.spool.aclose()
    assert await deliver_left(workspace.engine, workspace.settings.data_dir) == 1, "what it brought is on the disk"
    assert (await workspace.call(claim.call_id)).noted == {"mood": "good"}
    assert (await workspace.attempt(claim.attempt_id)).ending["error"]["code"] == "interrupted"


async def test_a_callee_whose_call_is_cut_hears_a_goodbye(workspace, talking, claim):
    await talking.conversations.prepare_goodbye()
    line = await talking.answered(claim)
    await talking.conversations.aclose()
    turns = [event["text"] for event in await workspace.events(claim.call_id, "transcript")]
    assert any(workspace.settings.goodbye.startswith(text) for text in turns)
    assert line.closed_with == 1000


async def test_nothing_is_said_in_a_hurry(workspace, talking, claim):
    await talking.answered(claim)
    hurry = asyncio.Event()
    hurry.set()
    await talking.conversations.aclose(hurry=hurry)
    assert await workspace.events(claim.call_id, "transcript") == []
    assert (await workspace.call(claim.call_id)).error["code"] == "interrupted"


# -- the database away -----------------------------------------------------------------------------------------


async def test_an_answer_that_can_not_be_written_ends_no_conversation(workspace, talking, claim, caplog):
    await refuse(workspace, "attempts", "NEW.state = 'in_progress'")
    await talking.answered(claim)
    await until(lambda: logged(caplog, "Beginning of audio not written; trying again"))
    assert (await workspace.call(claim.call_id)).state == "ringing"
    await accept_again(workspace, "attempts")

    async def in_progress():
        return (await workspace.call(claim.call_id)).state == "in_progress"

    await until(in_progress)
    talking.done.set()
    await talking.rests()
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


async def test_a_call_whose_answer_was_never_written_is_whole_at_its_end(workspace, talking, claim):
    await refuse(workspace, "attempts", "NEW.state = 'in_progress'")
    await talking.answered(claim)
    talking.done.set()
    await until(lambda: is_hung_up(workspace))
    await accept_again(workspace, "attempts")
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.noted) == ("ended", "completed", {"mood": "good"})
    assert call.answered_at < call.ended_at


async def test_a_database_that_is_away_at_the_end_keeps_nobody_on_the_line_and_loses_nothing(
    workspace, talking, claim, caplog
):
    line = await talking.answered(claim)
    for table in ("attempts", "calls"):
        await refuse(workspace, table, "true")
    talking.done.set()
    await until(lambda: is_hung_up(workspace))
    assert line.closed_with == 1000
    await until(lambda: logged(caplog, "Result not saved; trying again"))
    assert len(list(talking.spool.folder.glob("*.json"))) == 1, "it is on the disk meanwhile"
    for table in ("attempts", "calls"):
        await accept_again(workspace, table)
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.noted) == ("ended", "completed", {"mood": "good"})
    assert (workspace.settings.data_dir / call.recording).exists()
    assert list(talking.spool.folder.glob("*.json")) == []


async def test_a_database_that_is_frozen_at_the_end_keeps_nobody_on_the_line(workspace, talking, claim):
    """It answers nothing, and refuses nothing."""
    line = await talking.answered(claim)
    loop = asyncio.get_running_loop()
    async with workspace.engine.begin() as conn:
        await conn.execute(text("LOCK TABLE attempts, calls IN ACCESS EXCLUSIVE MODE"))
        began = loop.time()
        talking.done.set()
        await until(lambda: is_hung_up(workspace))
        assert line.closed_with == 1000
        assert loop.time() - began < 3
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.noted) == ("ended", "completed", {"mood": "good"})


async def test_a_carriers_completed_that_comes_meanwhile_is_put_right(workspace, talking, claim):
    async def fails(call):
        talking.begun.set()
        await talking.done.wait()
        raise RuntimeError("a bug in the agent")

    talking.agents.conversation = fails
    await talking.answered(claim)
    await refuse(workspace, "attempts", "NEW.ending IS NOT NULL OR NEW.result_at IS NOT NULL")
    talking.done.set()
    await until(lambda: is_hung_up(workspace))
    await workspace.set_attempt(claim.attempt_id, owner=None)  # else who talked would be a dead worker
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    assert (await workspace.call(claim.call_id)).end_reason == "completed"
    await accept_again(workspace, "attempts")
    await talking.rests()
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "failed", "agent_failed")


async def is_hung_up(workspace):
    return workspace.carrier.hung_up == ["CA1"]


# -- attempts of one call --------------------------------------------------------------------------------------


async def test_the_end_of_an_earlier_attempt_does_not_end_the_next_ones_conversation(
    workspace, talking, claim, worker
):
    """An agent may go on with work of its own after its call, and the retry comes within that."""
    retry = {"max_attempts": 2, "on": ["busy"], "delays_s": [0]}
    await workspace.set_call(claim.call_id, retry=retry)
    first_may_end = asyncio.Event()

    async def goes_on(call):
        talking.begun.set()
        await asyncio.shield(first_may_end.wait())

    talking.agents.conversation = goes_on
    line = await talking.answered(claim)
    line.stops()
    await workspace.set_attempt(claim.attempt_id, owner=worker.id)  # one that lives
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    (second,) = await workspace.claim()
    await workspace.dial(second)
    talking.begun.clear()
    talking.agents.conversation = talking.talk
    await talking.answered(second)
    assert talking.conversations.attempt_ids == [second.attempt_id]
    first_may_end.set()
    tasks = talking.conversations._tasks
    await until(lambda: one_is_left(tasks))
    assert talking.conversations.attempt_ids == [second.attempt_id]


async def one_is_left(tasks):
    return len(tasks) == 1


# -- who answered ----------------------------------------------------------------------------------------------


async def test_a_verdict_that_does_not_come_in_time_is_unknown(workspace, talking):
    claim = await workspace.dialed(detection={"on_machine": "continue", "max_wait_s": 1})
    await talking.answered(claim)

    async def judged():
        return (await workspace.call(claim.call_id)).answered_by is not None

    await until(judged)
    answered_by = (await workspace.call(claim.call_id)).answered_by
    assert (answered_by["category"], answered_by["evidence"]) == ("unknown", ["deadline"])


async def test_that_the_callee_has_answered_is_on_record_also_when_the_call_is_over(workspace, talking):
    """A verdict may come later still."""
    claim = await workspace.dialed(detection={"on_machine": "hang_up", "max_wait_s": 30})
    line = await talking.answered(claim)
    talking.conversations.session(claim.call_id)._callee_replied()
    line.stops()
    talking.done.set()
    await talking.rests()

    async def noted():
        return (await workspace.call(claim.call_id)).answered_by is not None

    await until(noted)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    late = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), evidence=("twilio:machine_start",))
    await apply_event(workspace.engine, claim.attempt_id, late)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.answered_by["category"]) == ("completed", "unknown")
    assert call.answered_by["evidence"] == ["reply", "twilio:machine_start"]


async def test_who_answered_as_far_as_it_is_known_in_the_end_is_on_record(workspace, talking):
    claim = await workspace.dialed(detection={"by": "local", "on_machine": "hang_up", "max_wait_s": 1})
    line = await talking.answered(claim)

    async def judged():
        return (await workspace.call(claim.call_id)).answered_by is not None

    await until(judged)
    conversation = talking.conversations._held[claim.call_id]
    last = Verdict(
        answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), evidence=("said 'mailbox'",), revises=True, at_end=True
    )
    conversation.detection.at_end = lambda: last
    line.stops()
    talking.done.set()
    await talking.rests()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.answered_by["category"]) == ("completed", "machine")
    assert call.answered_by["evidence"] == ["deadline", "said 'mailbox'"]


async def test_without_detection_there_is_no_verdict_to_wait_for(workspace, talking, claim):
    await talking.answered(claim)
    assert talking.conversations.session(claim.call_id).max_wait_s is None


VOICEMAIL = "You have reached Jane Miller. Please leave a message after the tone."


@pytest.mark.parametrize("down", [False, True], ids=["database there", "database out of order"])
async def test_a_voicemail_that_gave_itself_away_is_hung_up_on_and_on_record(workspace, talking, claim, down):
    await talking.answered(claim)
    if down:
        await refuse(workspace, "calls", "NEW.answered_by IS NOT NULL")
    talking.conversations.session(claim.call_id).answering.heard(500, VOICEMAIL)
    await talking.rests()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    if down:
        await accept_again(workspace, "calls")

    async def noted():
        return (await workspace.call(claim.call_id)).answered_by is not None

    await until(noted)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, call.ended_by, call.outcome) == ("machine", "agent", None)
    assert (call.answered_by["category"], call.answered_by["evidence"]) == ("machine", ["words"])
    assert call.answered_by["after_answer_ms"] is not None
    [told] = await workspace.events(claim.call_id, "answered_by")
    assert (told["category"], told["evidence"]) == ("machine", ["words"])


async def test_an_agent_that_talks_to_machines_knows_of_it_and_goes_on(workspace, talking, claim):
    talking.agents.machine_action = "continue"
    await talking.answered(claim)
    session = talking.conversations.session(claim.call_id)
    session.answering.heard(500, VOICEMAIL)

    async def noted():
        return (await workspace.call(claim.call_id)).answered_by is not None

    await until(noted)
    assert talking.conversations.count == 1
    talking.done.set()
    await talking.rests()
    assert (await workspace.call(claim.call_id)).end_reason == "completed"


# -- back from a transfer ----------------------------------------------------------------------------------------


async def back(talking, claim, outcome=TransferOutcome.BUSY):
    """The audio of a call that nobody took over comes back to its agent."""
    token = await prepare_return(talking.workspace.engine, claim.attempt_id, outcome)
    start = await talking.open(claim, token=token)
    assert start is not None
    line = Line()
    line.media_line = start(line)
    line.starts()
    return line


async def test_an_agent_goes_on_after_a_transfer_that_nobody_took(workspace, talking):
    claim = await workspace.dialed(detection={"on_machine": "hang_up", "message": None, "max_wait_s": 30})
    await workspace.hears(claim.attempt_id, CallState.RINGING)
    seen = []

    async def agent(call):
        seen.append((call.failed_transfer, call.last_event["type"], dict(call.noted)))
        talking.begun.set()
        if call.failed_transfer is None:
            call.noted["asked"] = True
            await call.transfer("+15551230009", failed="sorry")
        await call.say("Nobody is free.")

    talking.agents.conversation = agent
    await talking.answered(claim)
    await talking.rests()
    assert (await workspace.attempt(claim.attempt_id)).owner is None
    line = await back(talking, claim)
    assert (await workspace.attempt(claim.attempt_id)).owner == talking.lease.owner
    session = talking.conversations.session(claim.call_id)
    assert (session.max_wait_s, session._facts.machine.action) == (None, "continue")
    line.stops()
    await talking.rests()
    failed = FailedTransfer(step="sorry", to="+15551230009", result=TransferOutcome.BUSY)
    assert seen == [(None, "launch", {}), (failed, "transfer_failed", {"asked": True})]
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    call = await workspace.call(claim.call_id)
    assert (call.end_reason, len(await workspace.attempts(claim.call_id))) == ("completed", 1)
    assert call.noted == {"asked": True}
    folder = workspace.settings.data_dir / "recordings" / workspace.id
    assert len(list(folder.glob("*.wav"))) == 2


async def test_the_longest_duration_is_that_of_the_whole_call(workspace, talking, claim):
    async def agent(call):
        talking.begun.set()
        await call.transfer("+15551230009", failed="sorry")

    talking.agents.conversation = agent
    await talking.answered(claim)
    await talking.rests()
    answered_at = datetime.now(UTC) - timedelta(seconds=590)
    await workspace.set_call(claim.call_id, max_duration_s=600, answered_at=answered_at)
    talking.agents.conversation = talking.talk
    await back(talking, claim)
    session = talking.conversations.session(claim.call_id)
    assert session._facts.max_duration_s == pytest.approx(10, abs=2)
    talking.done.set()
    await talking.rests()


async def test_a_call_that_comes_back_waits_for_the_end_of_the_conversation_before(workspace, talking, claim):
    """Its last words are still being written down."""
    writes_down = asyncio.Event()

    async def agent(call):
        talking.begun.set()
        try:
            await call.transfer("+15551230009", failed="sorry")
        finally:
            await writes_down.wait()

    talking.agents.conversation = agent
    await talking.answered(claim)

    async def transferred():
        return bool(await workspace.transfers(claim.call_id))

    await until(transferred)
    talking.agents.conversation = talking.talk
    coming = asyncio.create_task(back(talking, claim))
    await asyncio.sleep(0.3)
    assert not coming.done()
    writes_down.set()
    async with asyncio.timeout(30):
        await coming
    talking.done.set()
    await talking.rests()


def transferring(talking):
    """An agent that transfers the call at once, and says a sentence when it is back."""

    async def agent(call):
        talking.begun.set()
        if call.failed_transfer is None:
            call.noted["asked"] = True
            await call.say("One moment.")
            await call.transfer("+15551230009", failed="sorry")
        await call.say("Nobody is free.")

    return agent


async def test_the_second_conversation_is_written_down_after_the_first(workspace, talking, claim):
    talking.agents.conversation = transferring(talking)
    await talking.answered(claim)
    await talking.rests()
    await back(talking, claim)
    await talking.rests()
    turns = await workspace.events(claim.call_id, "transcript")
    assert [turn["text"] for turn in turns if turn["end_ms"] is not None] == ["One moment.", "Nobody is free."]
    assert len({turn["seq"] for turn in turns}) == 2
    call = await workspace.call(claim.call_id)
    assert (call.state, call.ended_by, call.noted) == ("ended", "agent", {"asked": True})
    before = turns[0]["seq"]
    assert call.recording.partition(call.id)[2] == f"-0{before}.wav"
    assert list(talking.spool.folder.glob("*.json")) == []


async def test_a_result_that_is_not_written_yet_keeps_the_call_from_coming_back(workspace, talking, claim):
    talking.agents.conversation = transferring(talking)
    await refuse(workspace, "calls", "NEW.noted <> OLD.noted")
    await talking.answered(claim)

    async def is_kept():
        return (talking.spool.folder / f"{claim.attempt_id}.json").exists()

    await until(is_kept)
    coming = asyncio.create_task(back(talking, claim))
    await asyncio.sleep(0.3)
    assert not coming.done()
    await accept_again(workspace, "calls")
    async with asyncio.timeout(30):
        await coming
    await talking.rests()
    assert (await workspace.call(claim.call_id)).noted == {"asked": True}
    assert list(talking.spool.folder.glob("*.json")) == []


async def test_the_end_of_the_process_interrupts_nobody_who_is_connected_elsewhere(workspace, talking, claim):
    """Its result isn't written yet: whoever finds it lets go of the call."""
    talking.agents.conversation = transferring(talking)
    await refuse(workspace, "calls", "NEW.noted <> OLD.noted")
    await talking.answered(claim)

    async def transferred():
        return bool(await workspace.transfers(claim.call_id))

    await until(transferred)
    await talking.conversations.aclose(at_most_s=0.5)
    await accept_again(workspace, "calls")
    await talking.spool.aclose()
    assert await deliver_left(workspace.engine, workspace.settings.data_dir) == 1
    attempt = await workspace.attempt(claim.attempt_id)
    assert (attempt.state, attempt.owner, attempt.ending) == ("in_progress", None, None)
    assert (await workspace.call(claim.call_id)).noted == {"asked": True}
    assert workspace.carrier.hung_up == []


# -- what the log has of it ------------------------------------------------------------------------------------

SAID, PRESSED = "Your card ends in nine", "4271"


class Log(logging.Handler):
    """Every line, as it would be written."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonFormatter())
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@pytest.fixture
def log():
    """At level debug, as `logs.set_up` has it."""
    root, log = logging.getLogger(), Log()
    before = root.level, root.handlers[:]
    logs.set_up("debug", stream=io.StringIO())
    root.handlers[:] = [log]
    yield log
    root.level, root.handlers[:] = before


async def test_the_log_of_a_call_has_no_number_no_words_and_no_key_at_any_level(workspace, talking, log):
    async def talks(call):
        talking.begun.set()
        await call.say(SAID)
        call.noted["outcome"] = f"{SAID} {CALLEE}"
        digits = await call.listen(max_digits=len(PRESSED))
        assert digits.digits == PRESSED
        raise RuntimeError(f"No booking for {CALLEE}.")

    talking.agents.conversation = talks
    busy = await ringing(workspace)  # an attempt that fails, and is tried again
    await workspace.set_call(busy.call_id, retry={"max_attempts": 2, "on": ["busy"], "delays_s": [0]})
    await workspace.hears(busy.attempt_id, CallState.ENDED, EndReason.BUSY)
    await workspace.set_call(busy.call_id, due_at=datetime.now(UTC) - timedelta(seconds=1))
    (claim,) = await workspace.claim()
    refusal = CarrierRefused(FailureCode.CARRIER_REFUSED, f"No such call to {CALLEE}.")
    workspace.carrier.refuses_hang_ups.append(refusal)
    await workspace.dial(claim)
    assert await talking.open(claim, token="forged") is None
    line = await talking.answered(claim)
    for digit in PRESSED:
        line.presses(digit)
    await talking.rests()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    told = "\n".join(log.lines)
    assert [json.loads(each)["message"] for each in log.lines].count("Call ended") == 1
    assert (told.count("Attempt failed"), told.count("Agent failed")) == (2, 1)
    for secret in (CALLEE, CALLER, CALLEE[1:], SAID, PRESSED, claim.stream_token, AUTH_TOKEN):
        assert secret not in told, secret
