"""How a call ends, from whichever side and at whatever moment; `Stage.run` checks that nothing is left of it."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from conversation.peers import Carrier, EngineBroke, Stage, refused, sound
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.opening import HEARD_OUT_MS
from outdial.conversation.session import AFTER_CALL_S, GOODBYE_S, VERDICT_WAIT_S
from outdial.conversation.session_end import AUDIO_LOST, SessionEnd
from outdial.conversation.stopping import PATIENCE_S
from outdial.conversation.verb_results import CallEnded, SpeechFailed, TransferFailed
from outdial.media.frames import FRAME_MS
from outdial.telephony.failures import INTERRUPTED, FailureCode
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.verdict import WORDS, AnsweredBy, Verdict

GREETING = "Hello Jane, this is the assistant of the clinic in Main Street."
QUESTION = "Can you make it on Monday?"
MESSAGE = "Please call the clinic back."  # 1.68 s
COMPLETED = EndReason.COMPLETED

ended: list[str] = []


def over(by=EndedBy.AGENT, *, responded=False, reason=COMPLETED, **facts):
    return SessionEnd(end_reason=reason, ended_by=by, callee_responded=responded, **facts)


async def chat(call):
    """An agent that uses what there is and notes where it ended."""
    ended.clear()
    verb = "nothing"
    try:
        verb = "greeting"
        await call.say(GREETING)
        verb = "listening"
        await call.listen(no_reply_s=3)
        verb = "digits"
        await call.send_digits("123")
        verb = "reading"
        await call.listen(max_digits=4, no_reply_s=4)
        verb = "goodbye"
        await call.say("Goodbye, and thank you very much.", interruptible=False)
        verb = "hang-up"
        await call.hang_up()
    except CallEnded:
        ended.append(f"ended while {verb}")
        raise
    except asyncio.CancelledError:
        ended.append(f"cancelled while {verb}")
        raise


def busy_callee(stage):
    stage.at(4.5, stage.callee_says, "Yes of course I can.")
    stage.at(7.5, stage.carrier.press, "12")
    stage.at(8.5, stage.carrier.press, "34")


# -- the end by itself ---------------------------------------------------------------------------------------


async def test_a_conversation_that_comes_to_its_end_is_completed_and_the_carrier_has_to_hang_up():
    stage = Stage(chat)
    busy_callee(stage)
    assert await stage.run() == over(responded=True, still_up=True)
    assert ended == ["ended while hang-up"]


async def test_an_agent_that_goes_on_after_hanging_up_is_not_heard():
    async def agent(call):
        with suppress(CallEnded):
            await call.hang_up()
        await call.say("One more thing!")

    stage = Stage(agent)
    assert (await stage.run()).end_reason is COMPLETED
    assert stage.voice.spoken == []


async def test_an_agent_that_never_gives_up_neither_blocks_the_loop_nor_keeps_the_call(caplog):
    attempts = 0

    async def agent(call):
        nonlocal attempts
        while True:
            try:
                await call.say(GREETING)
            except CallEnded:
                attempts += 1

    stage = Stage(agent)
    stage.at(1.0, stage.carrier.stop)
    assert await stage.run() == over(EndedBy.CALLEE, still_up=False)
    assert stage.now_s() == pytest.approx(1.0 + AFTER_CALL_S, abs=0.2)
    assert attempts <= 101
    assert [record.message for record in caplog.records] == ["Agent still running after its call"]


async def test_an_agent_may_finish_its_own_work_after_the_call():
    async def agent(call):
        try:
            await call.say(GREETING)
        finally:
            await asyncio.sleep(3)
            done.append("summary written")

    done = []
    stage = Stage(agent)
    stage.at(1.0, stage.carrier.stop)
    await stage.run()
    assert done == ["summary written"]


# -- by the callee, the network, the user, at every moment ---------------------------------------------------

MOMENTS_S = [0.0, 0.01, 0.03, 0.04, 1.0, 3.79, 3.81, 4.0, 4.6, 6.0, 6.25, 6.3, 6.4, 7.0, 7.2, 7.6, 8.55, 9.0, 10.5]
UNANSWERED_S = [moment for moment in MOMENTS_S if moment < 8.5]  # the callee has not pressed all of its keys yet
ENDS = {
    "stop": (lambda stage: stage.carrier.stop(), over(EndedBy.CALLEE, still_up=False)),
    "cut": (lambda stage: stage.carrier.cut(), over(EndedBy.CARRIER, reason=EndReason.FAILED, error=AUDIO_LOST)),
    "hang-up": (lambda stage: stage.session.ask_hang_up(), over(EndedBy.OPERATOR, still_up=True)),
}


@pytest.mark.parametrize("at_s", MOMENTS_S)
@pytest.mark.parametrize("how", ENDS)
async def test_a_call_ends_in_order_at_any_moment(how, at_s):
    do, expected = ENDS[how]
    stage = Stage(chat)
    busy_callee(stage)
    stage.loop.call_soon(lambda: stage.at(at_s, do, stage))  # after the stream's start
    end = await stage.run()
    assert end == replace(expected, callee_responded=at_s >= 4.6)
    assert stage.now_s() < at_s + 2.2
    if ended:
        assert ("cancelled" if how == "hang-up" else "ended") in ended[0]


# -- who left first ------------------------------------------------------------------------------------------


async def test_an_agent_that_has_hung_up_ended_the_call_though_the_callee_leaves_while_it_works_on():
    async def agent(call):
        try:
            await call.hang_up()
        finally:
            await asyncio.sleep(3)

    stage = Stage(agent)
    stage.at(1.0, stage.carrier.stop)
    assert (await stage.run()).ended_by is EndedBy.AGENT


async def test_a_callee_who_has_left_ended_the_call_though_the_agent_hangs_up_after():
    async def agent(call):
        with suppress(CallEnded):
            await call.say(GREETING)
        await call.hang_up()

    stage = Stage(agent)
    stage.at(1.0, stage.carrier.stop)
    assert (await stage.run()).ended_by is EndedBy.CALLEE


async def test_a_callee_who_leaves_while_a_verdict_is_waited_for_ended_the_call():
    stage = Stage(brief, machine=LEAVE)
    stage.at(3.0, stage.carrier.stop)
    assert (await stage.run()).ended_by is EndedBy.CALLEE


async def test_a_server_that_stops_ended_the_call():
    stage = Stage(chat)
    stage.at(1.0, stage.session.ask_hang_up, EndedBy.SYSTEM)
    assert (await stage.run()).ended_by is EndedBy.SYSTEM


async def test_an_agent_that_breaks_is_a_fault_of_the_system():
    assert (await Stage(crash_later).run()).ended_by is EndedBy.SYSTEM


# -- whether the callee responded ----------------------------------------------------------------------------


async def announce(call):
    await call.say(GREETING, interruptible=False)


@pytest.mark.parametrize("do", ["says", "presses", "is loud", "nothing"])
async def test_a_callee_responds_by_voice_or_key_whether_it_is_listened_to_or_not(do):
    stage = Stage(announce if do in ("is loud", "nothing") else chat)
    if do == "says":
        stage.at(4.5, stage.callee_says, "Yes.")
    elif do == "presses":
        stage.at(1.0, stage.carrier.press, "1")
    elif do == "is loud":
        stage.at(1.0, stage.carrier.mouth.extend, [sound(2000, FRAME_MS)] * 20)
    end = await stage.run()
    assert end.callee_responded is (do != "nothing")
    assert stage.session.responded.is_set() is (do != "nothing")


async def test_words_that_are_never_recognised_hold_up_no_end():
    stage = Stage(chat)
    stage.ears.takes_s = 3600
    stage.at(4.5, stage.callee_says, "Yes.")
    stage.at(8.0, stage.carrier.stop)
    assert (await stage.run()).end_reason is COMPLETED
    assert ended == ["ended while listening"]
    assert stage.now_s() < 10.1


async def test_a_voice_that_hangs_holds_up_no_end():
    stage = Stage(chat)
    stage.voice.hangs_after = 1
    stage.at(8.0, stage.carrier.stop)
    assert (await stage.run()).end_reason is COMPLETED
    assert ended == ["ended while greeting"]
    assert stage.notes.lines == ["agent: Hello Jane,"]


async def test_a_hang_up_wish_excuses_a_lost_connection_but_the_carrier_is_still_told():
    stage = Stage(chat)
    stage.at(1.0, stage.session.ask_hang_up)
    stage.at(1.0, stage.carrier.cut)
    assert await stage.run() == over(EndedBy.OPERATOR, still_up=True)


async def test_a_session_that_is_cancelled_leaves_nothing_behind():
    stage = Stage(chat)
    run = asyncio.create_task(stage.session.run(10))
    stage.loop.call_soon(stage.carrier.start)
    await asyncio.sleep(1)
    run.cancel()
    await asyncio.wait({run})
    assert run.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert stage.notes.turns[-1].end_ms == 1000
    stage.media_line.close()


# -- before it begins ----------------------------------------------------------------------------------------


async def test_a_call_without_audio_fails():
    stage = Stage(chat)
    stage.carrier.start = lambda: None
    end = await stage.run(start_timeout_s=5)
    assert (end.end_reason, end.error.code, end.still_up) == (EndReason.FAILED, "no_media", True)
    assert stage.now_s() == 5


async def test_a_connection_lost_before_the_start_runs_no_agent():
    ended.clear()
    stage = Stage(chat)
    stage.carrier.start = lambda: None
    stage.at(1.0, stage.carrier.cut)
    end = await stage.run()
    assert (end.end_reason, end.error.code, end.still_up) == (EndReason.FAILED, "no_media", True)
    assert (stage.now_s(), ended) == (1.0, [])


async def test_a_hang_up_wish_before_the_start_says_nothing():
    ended.clear()
    stage = Stage(chat)
    stage.session.ask_hang_up()
    assert await stage.run() == over(EndedBy.OPERATOR, responded=None, still_up=True)
    assert (stage.voice.spoken, ended) == ([], [])


# -- limits and faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_duration_s", [0.5, 3.78, 5.0])
async def test_a_call_lasts_no_longer_than_allowed(max_duration_s):
    stage = Stage(chat, max_duration_s=max_duration_s)
    end = await stage.run()
    assert end == over(EndedBy.LIMIT, still_up=True)
    assert stage.now_s() == pytest.approx(max_duration_s, abs=0.001)
    assert stage.notes.events == [("limit", {"max_duration_s": max_duration_s})]


async def crash_at_once(call):
    raise ValueError("a bug")


async def crash_later(call):
    await call.say(GREETING)
    raise ValueError("a bug")


async def crash_in_a_group(call):
    async with asyncio.TaskGroup() as group:
        group.create_task(crash_later(call))


async def cancel_itself(call):
    asyncio.current_task().cancel()
    await asyncio.sleep(1)


def no_coroutine(call):
    return None


@pytest.mark.parametrize("agent", [crash_at_once, crash_later, crash_in_a_group, cancel_itself, no_coroutine])
async def test_an_agent_that_crashes_fails_its_call(agent, caplog):
    stage = Stage(agent)
    end = await stage.run()
    assert (end.end_reason, end.error.code, end.still_up) == (EndReason.FAILED, "agent_failed", True)
    assert [record.message for record in caplog.records] == ["Agent failed"]


async def test_an_agent_that_talks_in_a_task_group_ends_as_any_other():
    async def agent(call):
        async with asyncio.TaskGroup() as group:
            group.create_task(call.say(GREETING))

    stage = Stage(agent)
    stage.at(1.0, stage.carrier.stop)
    assert await stage.run() == over(EndedBy.CALLEE, still_up=False)


async def test_an_agent_that_crashes_on_a_lost_call_is_the_failure():
    async def agent(call):
        try:
            await call.say(GREETING)
        except CallEnded:
            raise RuntimeError("can't stand it") from None

    stage = Stage(agent)
    stage.at(1.0, stage.carrier.cut)
    end = await stage.run()
    assert (end.error.code, end.still_up) == ("agent_failed", True)


async def test_an_agent_that_will_not_be_stopped_is_abandoned(caplog):
    release = asyncio.Event()

    async def agent(call):
        while not release.is_set():
            with suppress(asyncio.CancelledError, CallEnded):
                await call.say(GREETING)
                await release.wait()

    stage = Stage(agent)
    stage.at(1.0, stage.session.ask_hang_up)
    before = asyncio.all_tasks()
    stage.loop.call_soon(stage.carrier.start)
    end = await stage.session.run(10)
    assert end == over(EndedBy.OPERATOR, still_up=True)
    assert stage.now_s() == pytest.approx(1.0 + PATIENCE_S, abs=0.01)
    assert [record.message for record in caplog.records] == ["Call task did not stop"]
    release.set()
    await asyncio.sleep(1)
    assert asyncio.all_tasks() == before
    stage.media_line.close()


@pytest.mark.parametrize("broken", ["voice", "ears"])
async def test_broken_speech_ends_the_call_with_its_reason(broken):
    stage = Stage(chat)
    stage.voice.fails_after = 0 if broken == "voice" else None
    stage.ears.fails = broken == "ears"
    busy_callee(stage)
    end = await stage.run()
    assert (end.end_reason, end.error.code, end.still_up) == (EndReason.FAILED, "speech_failed", True)


async def test_the_cause_of_broken_speech_is_kept_for_the_agent():
    async def agent(call):
        with pytest.raises(SpeechFailed) as caught:
            await call.say(GREETING)
        assert isinstance(caught.value.__cause__, EngineBroke)

    stage = Stage(agent)
    stage.voice.fails_after = 1
    assert (await stage.run()).error is None


# -- machines ------------------------------------------------------------------------------------------------

LEAVE = MachinePolicy(action="leave_message", message=lambda call: MESSAGE, max_wait_s=30)
HANG_UP = MachinePolicy()
CONTINUE = MachinePolicy(action="continue")
MACHINE = EndReason.MACHINE


@pytest.mark.parametrize("at_s", UNANSWERED_S)
@pytest.mark.parametrize("category", [AnsweredBy.MACHINE, AnsweredBy.FAX])
async def test_a_machine_is_hung_up_on_at_once(at_s, category):
    stage = Stage(chat, machine=HANG_UP)
    busy_callee(stage)
    stage.at(at_s, stage.answered_by, category)
    responded = None if at_s == 0 else at_s >= 4.6  # at 0 the agent hadn't begun to listen
    assert await stage.run() == over(reason=MACHINE, responded=responded, still_up=True)
    assert stage.now_s() < at_s + 0.25


async def asks_twice(call):
    """An agent that puts two questions, and notes what it heard."""
    ended.clear()
    for question in (GREETING, "Can you make it on Monday, or would Tuesday suit you better?"):
        await call.say(question)
        ended.append((await call.listen(no_reply_s=3)).text)


def answers_twice(stage):
    """At 4.5 s; we speak from 5.6 to 9.2; and again."""
    stage.at(4.5, stage.callee_says, "Speaking.")
    stage.at(9.7, stage.callee_says, "On Monday, yes, in the morning if you can.")


@pytest.mark.parametrize("machine", [HANG_UP, LEAVE])
@pytest.mark.parametrize("category", [AnsweredBy.MACHINE, AnsweredBy.FAX])
@pytest.mark.parametrize("at_s", [7.8, 9.0, 9.5, 10.5, 12.6])
async def test_nobody_who_has_answered_is_taken_for_a_machine(machine, category, at_s):
    stage = Stage(asks_twice, machine=machine)
    answers_twice(stage)
    stage.at(at_s, stage.answered_by, category)
    assert await stage.run() == over(responded=True, still_up=True)
    assert ended == ["Speaking.", "On Monday, yes, in the morning if you can."]
    assert stage.session.replied.is_set()
    assert not stage.session.answering.is_judged


@pytest.mark.parametrize("at_s", [4.4, 5.3, 7.0])
async def test_until_then_a_machine_is_obeyed(at_s):
    stage = Stage(asks_twice, machine=HANG_UP)
    answers_twice(stage)
    stage.at(at_s, stage.answered_by, AnsweredBy.MACHINE)
    assert await stage.run() == over(reason=MACHINE, responded=at_s > 4.5, still_up=True)
    assert not stage.session.replied.is_set()


async def test_nobody_who_has_answered_waits_in_silence_for_a_verdict():
    stage = Stage(asks_twice, machine=LEAVE)
    answers_twice(stage)
    assert await stage.run() == over(responded=True, still_up=True)
    assert stage.now_s() < 14


@pytest.mark.parametrize("category", [AnsweredBy.MACHINE, AnsweredBy.HUMAN])
async def test_who_answered_is_not_asked_again_once_that_is_known(category):
    stage = Stage(asks_twice, machine=CONTINUE)
    stage.at(1.0, stage.answered_by, category)
    answers_twice(stage)
    await stage.run()
    assert not stage.session.replied.is_set()


async def test_the_greeting_of_a_machine_is_no_answer():
    """It begins when we have said our first words, and talks on over the next."""

    async def agent(call):
        await call.say("Hello?")
        await call.listen()
        await call.say(GREETING)
        await call.listen(no_reply_s=20)

    stage = Stage(agent, machine=HANG_UP)
    stage.at(0.6, stage.callee_says, "This is Jane.")
    stage.at(2.4, stage.callee_says, "Leave me a message after the tone, please.")
    stage.at(5.0, stage.answered_by, AnsweredBy.MACHINE)
    assert await stage.run() == over(reason=MACHINE, responded=True, still_up=True)


@pytest.mark.parametrize("at_s", UNANSWERED_S)
async def test_a_message_is_left_whatever_the_agent_was_doing(at_s):
    stage = Stage(chat, machine=LEAVE)
    busy_callee(stage)
    stage.at(at_s, stage.answered_by, AnsweredBy.MACHINE)
    end = await stage.run()
    assert end == over(responded=end.callee_responded, still_up=True, message_delivered=True)
    assert stage.notes.lines[-1] == f"agent: {MESSAGE}"
    soonest_s = at_s + 0.4 + 1.67
    assert soonest_s <= stage.now_s() <= soonest_s + 1.0, "a word is finished first"


async def test_a_verdict_before_the_first_word_leaves_the_greeting_unsaid():
    stage = Stage(chat, machine=LEAVE)
    stage.answered_by(AnsweredBy.MACHINE)
    end = await stage.run()
    assert end.message_delivered
    assert stage.voice.spoken == [MESSAGE]


async def test_a_message_whose_mark_never_came_counts_as_not_delivered():
    stage = Stage(chat, machine=LEAVE)
    stage.carrier.marks_come = False
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    assert await stage.run() == over(reason=MACHINE, still_up=True, message_delivered=False)


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        (Carrier.stop, over(EndedBy.CALLEE, reason=MACHINE, still_up=False, message_delivered=False)),
        (
            Carrier.cut,
            over(EndedBy.CARRIER, reason=EndReason.FAILED, error=AUDIO_LOST, message_delivered=False),
        ),
    ],
)
@pytest.mark.parametrize("after_s", [0.1, 0.42, 1.0, 2.0])
async def test_a_message_cut_off_counts_as_not_delivered(do, expected, after_s):
    stage = Stage(chat, machine=LEAVE)
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    stage.at(1.0 + after_s, do, stage.carrier)
    assert await stage.run() == expected


async def test_a_hang_up_wish_cuts_a_message():
    stage = Stage(chat, machine=LEAVE)
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    stage.at(2.0, stage.session.ask_hang_up)
    assert await stage.run() == over(EndedBy.OPERATOR, reason=MACHINE, still_up=True, message_delivered=False)


async def test_the_longest_duration_cuts_a_message():
    stage = Stage(chat, machine=LEAVE, max_duration_s=2.0)
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    assert await stage.run() == over(EndedBy.LIMIT, reason=MACHINE, still_up=True, message_delivered=False)


async def test_a_message_that_cannot_be_spoken_fails():
    stage = Stage(chat, machine=LEAVE)
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    stage.at(1.2, setattr, stage.voice, "fails_after", 0)
    end = await stage.run()
    assert (end.end_reason, end.error.code, end.message_delivered) == (EndReason.FAILED, "speech_failed", False)


async def test_a_message_is_worded_for_its_call():
    def worded(call):
        return f"Message for {call.user_id}."

    stage = Stage(chat, machine=MachinePolicy(action="leave_message", message=worded, max_wait_s=30))
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    assert (await stage.run()).message_delivered
    assert stage.notes.lines[-1] == "agent: Message for +15550001."


async def test_a_machine_for_which_there_are_no_words_is_hung_up_on():
    stage = Stage(chat, machine=MachinePolicy(action="leave_message"))
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    assert await stage.run() == over(reason=MACHINE, still_up=True)


async def test_a_message_that_cannot_be_worded_fails(caplog):
    stage = Stage(chat, machine=MachinePolicy(action="leave_message", message=lambda call: call.variables["name"]))
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    assert (await stage.run()).error.code == "agent_failed"


async def brief(call):
    await call.say("Goodbye.")


async def test_a_message_is_left_to_a_machine_the_agent_said_goodbye_to():
    stage = Stage(brief, machine=LEAVE)
    stage.at(5.0, stage.answered_by, AnsweredBy.MACHINE)
    end = await stage.run()
    assert end == over(still_up=True, message_delivered=True)
    assert stage.notes.lines == ["agent: Goodbye.", f"agent: {MESSAGE}"]


@pytest.mark.parametrize("category", [AnsweredBy.HUMAN, AnsweredBy.UNKNOWN])
async def test_a_call_ends_after_the_goodbye_as_soon_as_no_message_is_to_be_left(category):
    stage = Stage(brief, machine=LEAVE)
    stage.at(5.0, stage.answered_by, category)
    assert await stage.run() == over(still_up=True)
    assert stage.now_s() == pytest.approx(5.0, abs=0.1)


async def test_a_verdict_that_never_comes_is_not_waited_for_forever():
    stage = Stage(brief, machine=LEAVE)
    assert await stage.run() == over(still_up=True)
    assert stage.now_s() < VERDICT_WAIT_S + 3


async def test_nothing_is_waited_for_when_the_call_is_to_be_hung_up():
    stage = Stage(brief, machine=LEAVE)
    stage.at(3.0, stage.session.ask_hang_up)
    assert await stage.run() == over(EndedBy.OPERATOR, still_up=True)
    assert stage.now_s() == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("category", [AnsweredBy.FAX, AnsweredBy.NETWORK])
async def test_a_message_is_left_to_nobody_who_takes_none(category):
    stage = Stage(chat, machine=LEAVE)
    stage.at(1.0, stage.answered_by, category)
    assert (await stage.run()).message_delivered is None


async def test_a_voicemail_greeting_does_not_interrupt_the_message():
    stage = Stage(chat, machine=LEAVE)
    stage.at(0.5, stage.callee_says, "You have reached the voicemail of Jane.")
    stage.at(1.0, stage.answered_by, AnsweredBy.MACHINE)
    assert (await stage.run()).message_delivered


@pytest.mark.parametrize(
    ("machine", "category"),
    [(CONTINUE, AnsweredBy.MACHINE), (HANG_UP, AnsweredBy.HUMAN), (LEAVE, AnsweredBy.UNKNOWN)],
)
async def test_other_verdicts_change_nothing_but_are_known_to_the_agent(machine, category):
    async def agent(call):
        known.append(call.answered_by)
        assert (await call.say(GREETING)).complete
        known.append(call.answered_by)

    known = []
    stage = Stage(agent, machine=machine)
    stage.at(1.0, stage.answered_by, category)
    assert await stage.run() == over(still_up=True)
    assert known == [None, category]


async def test_an_early_verdict_is_known_from_the_start():
    async def agent(call):
        known.append(call.answered_by)

    known = []
    stage = Stage(agent)
    stage.answered_by(AnsweredBy.HUMAN)
    await stage.run()
    assert known == [AnsweredBy.HUMAN]


# -- transfer ------------------------------------------------------------------------------------------------


async def transfer(call):
    await call.say("One moment.")
    await call.transfer("+15550003")
    await call.say("This is never said.")


async def test_a_transferred_call_is_left_to_the_carrier():
    stage = Stage(transfer)
    assert await stage.run() == over(None, still_up=False, transferred=True)
    assert stage.switch.transfers == ["+15550003"]
    assert stage.switch.failed_steps == [None]


@pytest.mark.parametrize("end", [Carrier.stop, Carrier.cut])
async def test_a_stream_that_ends_because_of_the_transfer_is_no_loss(end):
    stage = Stage(transfer)
    stage.at(0.7, end, stage.carrier)  # before the carrier's reply
    assert await stage.run() == over(None, still_up=False, transferred=True)


async def test_a_stream_that_breaks_while_the_carrier_is_asked_is_not_told_as_a_loss():
    """The word would stay, and the call could not come back."""
    stage = Stage(transfer)
    stage.at(0.7, Carrier.cut, stage.carrier)
    await stage.run()
    assert not stage.session.lost.is_set()


@pytest.mark.parametrize("refused_", [False, True])
async def test_a_server_that_stops_hears_first_what_becomes_of_a_transfer(refused_):
    stage = Stage(transfer)
    if refused_:
        stage.switch.refuses = refused(FailureCode.NUMBER_INVALID, "Not a number.")
    stage.at(0.7, stage.session.interrupt, "")
    end = await stage.run()
    if refused_:
        assert (end.error, end.still_up) == (INTERRUPTED, True)
    else:
        assert end == over(None, still_up=False, transferred=True)


@pytest.mark.parametrize(("at_s", "transferred"), [(0.2, False), (0.7, True), (1.5, True)])
async def test_a_conversation_that_is_cut_short_says_where_the_callee_is(at_s, transferred):
    told = []
    stage = Stage(transfer)
    stage.at(at_s, lambda: told.append(stage.session.cut_short()))
    stage.at(2.0, stage.carrier.stop)
    await asyncio.gather(stage.run(), asyncio.sleep(3))
    assert [(end.transferred, end.error) for end in told] == [(transferred, None if transferred else INTERRUPTED)]


async def test_a_refused_transfer_is_told_to_the_agent_and_the_call_goes_on():
    async def agent(call):
        with pytest.raises(TransferFailed):
            await call.transfer("+15550003")
        await call.say("Sorry, nobody is there.")

    stage = Stage(agent)
    stage.switch.refuses = refused(FailureCode.NUMBER_INVALID, "Not a number.", carrier_code="21211")
    assert await stage.run() == over(still_up=True)
    assert stage.notes.lines == ["agent: Sorry, nobody is there."]


async def test_a_transfer_refused_because_the_callee_hung_up_is_the_end():
    stage = Stage(transfer)
    stage.switch.refuses = refused(FailureCode.WRONG_CALL_STATE, "Call is not in-progress.")
    stage.at(0.7, stage.carrier.stop)
    assert await stage.run() == over(EndedBy.CALLEE, still_up=False)


# -- what the agent knows ------------------------------------------------------------------------------------


async def test_the_agent_knows_whom_it_talks_to():
    async def agent(call):
        assert call.call_id == "call_1"
        assert call.user_id == "+15550001"
        assert call.last_event == {
            "type": "launch",
            "payload": {"callType": "outbound", "userNumber": "+15550001", "agentNumber": "+15550002"},
        }
        assert call.variables == {"name": "Jane"}
        assert call.noted == {"mood": "good"}

    stage = Stage(agent, variables={"name": "Jane"}, noted={"mood": "good"})
    assert (await stage.run()).error is None


async def test_an_agent_notes_and_leaves_alone_what_was_sent():
    async def agent(call):
        call.noted["name"] = "Jim"
        with pytest.raises(TypeError):
            call.variables["name"] = "Jim"
        for name in ("variables", "noted"):
            with pytest.raises(AttributeError):
                setattr(call, name, {})
        assert call.variables == {"name": "Jane"}

    stage = Stage(agent, variables={"name": "Jane"})
    assert (await stage.run()).error is None
    assert stage.session.noted == {"name": "Jim"}


# -- a message after the greeting ----------------------------------------------------------------------------


async def greet(call):
    await call.say(GREETING)


def judged(stage, at_s, *, message_end, beeped=False, evidence=()):
    verdict = Verdict(
        answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), message_end=message_end, beeped=beeped, evidence=evidence
    )
    stage.at(at_s, stage.session.answering.judged, verdict)


def with_message():
    return Stage(greet, machine=MachinePolicy(action="leave_message", message=lambda call: MESSAGE, max_wait_s=30))


async def test_a_message_waits_for_the_end_of_the_machines_greeting():
    stage = with_message()
    stage.at(1.1, stage.callee_says, "You have reached Jane.", 7800)
    judged(stage, 1.0, message_end=False)
    judged(stage, 9.0, message_end=True)
    end = await stage.run()
    assert end.message_delivered
    greeting, *_, message = stage.notes.turns
    assert greeting.interrupted
    assert greeting.end_ms < 1000 + 250, "silent while the machine talks: no longer than a word, and what is sent ahead"
    assert message.text == MESSAGE
    assert 9400 <= message.start_ms < 9600


async def test_nobody_whom_a_carrier_takes_for_a_machine_waits_in_silence_for_its_beep():
    stage = with_message()
    stage.at(0.9, stage.callee_says, "Hello, this is Jane.", 3000)
    judged(stage, 1.0, message_end=False)
    end = await stage.run()
    assert end.message_delivered
    assert 3850 + HEARD_OUT_MS <= stage.notes.turns[-1].start_ms <= 3900 + 2000


@pytest.mark.parametrize("before", [(), (3.5,)])
async def test_a_carrier_that_tells_of_a_beep_late_has_the_message_begin_once_more(before):
    stage = with_message()
    judged(stage, 1.0, message_end=False)
    for at_s in before:
        judged(stage, at_s, message_end=True)
    for at_s in (4.0, 5.0):
        judged(stage, at_s, message_end=True, beeped=True)
    end = await stage.run()
    assert end.message_delivered
    _, first, second = stage.notes.turns
    assert (first.interrupted, second.interrupted) == (True, False)
    assert (second.text, second.start_ms) == (MESSAGE, pytest.approx(4400, abs=60))


@pytest.mark.parametrize(
    ("found", "over_s", "told_s"),
    [
        ("telnyx:machine", 3.48, 6.0),  # then greeting_no_beep_detected
        (WORDS, 3.72, 6.2),             # then machine_end_silence
    ],
)
async def test_a_message_under_way_is_not_cut_for_late_word_that_the_greeting_is_over(found, over_s, told_s):
    stage = with_message()
    stage.at(0.9, stage.callee_says, "You have reached Jane.", round(over_s * 1000) - 900)
    judged(stage, 1.0, message_end=False, evidence=(found,))
    judged(stage, told_s, message_end=True, evidence=("greeting over",))
    end = await stage.run()
    assert end.message_delivered
    [message] = [turn for turn in stage.notes.turns if turn.text == MESSAGE]
    assert not message.interrupted
    assert message.start_ms < told_s * 1000 < message.end_ms


@pytest.mark.parametrize("how", ["stop", "ask_hang_up"])
async def test_waiting_for_a_greeting_ends_with_the_call(how):
    stage = with_message()
    judged(stage, 1.0, message_end=False)
    stage.at(3.0, stage.carrier.stop if how == "stop" else stage.session.ask_hang_up)
    end = await stage.run()
    assert stage.now_s() == pytest.approx(3.0, abs=0.1)
    assert not end.message_delivered


# -- the server stops ------------------------------------------------------------------------------------------

SORRY = "I am sorry, I have to end this call."
CUT = SessionEnd(
    end_reason=EndReason.FAILED, error=INTERRUPTED, ended_by=EndedBy.SYSTEM, callee_responded=False, still_up=True
)


async def listens(call):
    await call.say("Hello.", interruptible=False)
    await call.listen(no_reply_s=60)


async def test_a_conversation_that_is_cut_off_ends_with_a_goodbye_and_is_told_as_interrupted():
    stage = Stage(listens)
    stage.at(5, stage.session.interrupt, SORRY)
    assert await stage.run() == CUT
    assert stage.voice.spoken == ["Hello.", SORRY]
    assert stage.notes.turns[-1].text == SORRY
    assert stage.now_s() < 5 + GOODBYE_S


async def test_an_agent_that_speaks_is_cut_short_for_the_goodbye():
    async def agent(call):
        await call.say(GREETING, interruptible=False)
        raise AssertionError("the agent goes on")

    stage = Stage(agent)
    stage.at(1, stage.session.interrupt, SORRY)
    assert await stage.run() == CUT
    assert stage.voice.spoken == [GREETING, SORRY]


async def test_whoever_is_in_a_hurry_says_nothing():
    stage = Stage(listens)
    stage.at(5, stage.session.interrupt, "")
    assert await stage.run() == CUT
    assert stage.voice.spoken == ["Hello."]
    assert stage.now_s() < 5.5


async def test_a_goodbye_is_cut_short_by_hurry():
    stage = Stage(listens)
    stage.at(5, stage.session.interrupt, SORRY)
    stage.at(5.5, stage.session.interrupt, "")
    assert await stage.run() == CUT
    assert stage.now_s() < 6


async def test_a_callee_who_hangs_up_during_the_goodbye_was_interrupted_all_the_same():
    stage = Stage(listens)
    stage.at(5, stage.session.interrupt, SORRY)
    stage.at(5.5, stage.carrier.stop)
    end = await stage.run()
    assert (end.end_reason, end.error) == (EndReason.FAILED, INTERRUPTED)


async def test_a_goodbye_that_can_not_be_spoken_keeps_no_call():
    stage = Stage(listens)
    stage.at(4, setattr, stage.voice, "hangs_after", 0)
    stage.at(5, stage.session.interrupt, SORRY)
    assert (await stage.run()).error == INTERRUPTED
    assert stage.now_s() < 5 + GOODBYE_S + PATIENCE_S


async def test_a_conversation_that_was_over_when_the_server_stopped_was_not_interrupted():
    async def winds_up(call):
        with suppress(CallEnded):
            await call.listen(no_reply_s=60)
        await asyncio.sleep(5)

    stage = Stage(winds_up)
    stage.at(2, stage.carrier.stop)
    stage.at(3, stage.session.interrupt, SORRY)
    assert (await stage.run()).end_reason is COMPLETED
    assert stage.voice.spoken == []


async def test_a_call_whose_audio_has_not_begun_is_interrupted_too():
    stage = Stage(listens)
    stage.carrier.start = lambda: None
    stage.at(1, stage.session.interrupt, SORRY)
    assert await stage.run() == replace(CUT, callee_responded=None)


async def test_a_machine_hears_no_goodbye():
    stage = Stage(listens, machine=MachinePolicy(action="leave_message", message=lambda call: MESSAGE, max_wait_s=30))
    stage.at(3, stage.answered_by, AnsweredBy.MACHINE)
    stage.at(3.8, stage.session.interrupt, SORRY)
    end = await stage.run()
    assert (end.end_reason, end.message_delivered) == (EndReason.MACHINE, False)
    assert end.ended_by is EndedBy.SYSTEM
    assert SORRY not in stage.voice.spoken
