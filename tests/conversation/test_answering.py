"""A recording gives itself away by what it says, and the call takes the course that was wanted for machines."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from conversation.peers import Stage
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.opening import HEARD_OUT_MS, Greet
from outdial.telephony.state import CallDirection, EndedBy, EndReason
from outdial.telephony.verdict import WORDS, AnsweredBy, Verdict

GREETING = "Hello Jane, this is the assistant of the clinic."
QUESTION = "Are you coming to your appointment on Monday?"
MESSAGE = "Please call the clinic back."
VOICEMAIL = ("Hi, you have reached Jane Miller.", "I can't take your call right now.", "Please leave a message.")
SCREENING = "Please say your name and why you are calling, and I will see if this person is available."
MENU = "For sales, press one. For support, press two."

HANG_UP = MachinePolicy()
LEAVE = MachinePolicy(action="leave_message", message=lambda call: MESSAGE)
CONTINUE = MachinePolicy(action="continue")


async def ask(call):
    await call.say(GREETING)
    while not (await call.listen(no_reply_s=4)).silent:
        await call.say(QUESTION)


def machine(stage, at_s=0.4, sentences=VOICEMAIL):
    """Its sentences, with half a second between them; when it has finished (s)."""
    for text in sentences:
        stage.at(at_s, stage.callee_says, text, 1500)
        at_s += 2.0
    return at_s - 0.5


def told(stage):
    queue = stage.session.answering.own
    return [queue.get_nowait() for _ in range(queue.qsize())]


def agent_lines(stage):
    return [turn.text for turn in stage.notes.turns if turn.speaker == "agent"]


@pytest.mark.parametrize("greet", list(Greet))
async def test_a_voicemail_is_hung_up_on_as_agents_want_it(greet):
    stage = Stage(ask, machine=HANG_UP, greet=greet)
    over_s = machine(stage)
    end = await stage.run()
    assert (end.end_reason, end.ended_by) == (EndReason.MACHINE, EndedBy.AGENT)
    assert stage.now_s() < over_s + 1.5
    [verdict] = told(stage)
    assert (verdict.answered_by, verdict.evidence) == (AnsweredBy.MACHINE, (WORDS,))


async def test_a_voicemail_that_is_let_speak_first_hears_nothing_of_us():
    stage = Stage(ask, machine=HANG_UP, greet=Greet.AFTER_HELLO)
    machine(stage)
    await stage.run()
    assert agent_lines(stage) == []


@pytest.mark.parametrize("greet", list(Greet))
async def test_a_message_is_left_when_the_greeting_is_over(greet):
    stage = Stage(ask, machine=LEAVE, greet=greet)
    over_s = machine(stage)
    end = await stage.run()
    assert (end.end_reason, end.message_delivered, end.ended_by) == (EndReason.COMPLETED, True, EndedBy.AGENT)
    message = stage.notes.turns[-1]
    assert message.text == MESSAGE
    # Where a voice ends is known to a window of 32 ms.
    assert over_s * 1000 + HEARD_OUT_MS - 32 <= message.start_ms <= over_s * 1000 + 2000


async def test_a_message_waits_for_all_of_a_long_greeting():
    stage = Stage(ask, machine=LEAVE, greet=Greet.AFTER_HELLO)
    over_s = machine(stage, sentences=(*VOICEMAIL, "If it is urgent,", "call my office,", "or my colleague Tom."))
    await stage.run()
    assert stage.notes.turns[-1].start_ms >= over_s * 1000 + HEARD_OUT_MS


async def test_a_machine_that_never_ends_gets_its_message_all_the_same():
    stage = Stage(ask, machine=LEAVE, greet=Greet.AFTER_HELLO)
    machine(stage, sentences=(*VOICEMAIL, *["And so on."] * 30))
    end = await stage.run()
    assert end.message_delivered
    assert 30_000 <= stage.notes.turns[-1].start_ms <= 42_000


async def test_a_beep_that_is_known_is_not_forgotten_for_an_older_record():
    answering = Stage(ask, machine=LEAVE).session.answering
    silent = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), message_end=True)
    answering.judged(silent)
    assert (answering.takes_message, answering.has_beeped) == (True, False)
    answering.judged(replace(silent, beeped=True))
    for older in (silent, replace(silent, message_end=False)):
        answering.judged(older)
        assert (answering.takes_message, answering.has_beeped) == (True, True)


async def test_a_machine_that_hangs_up_meanwhile_has_ended_the_call():
    stage = Stage(ask, machine=LEAVE, greet=Greet.AFTER_HELLO)
    over_s = machine(stage)
    stage.at(over_s + 1.0, stage.carrier.stop)
    end = await stage.run()
    assert (end.ended_by, end.message_delivered) == (EndedBy.CALLEE, False)


async def test_who_wants_to_talk_to_machines_does_and_knows_it():
    seen = []

    async def agent(call):
        await call.say(GREETING)
        seen.append(call.answered_by)

    stage = Stage(agent, machine=CONTINUE, greet=Greet.AFTER_HELLO)
    machine(stage)
    end = await stage.run()
    assert (end.end_reason, agent_lines(stage), seen) == (EndReason.COMPLETED, [GREETING], [AnsweredBy.MACHINE])
    assert [verdict.answered_by for verdict in told(stage)] == [AnsweredBy.MACHINE]


@pytest.mark.parametrize(("words", "category"), [(SCREENING, AnsweredBy.SCREENING), (MENU, AnsweredBy.MENU)])
async def test_nobody_hangs_up_on_who_may_be_behind_a_gate(words, category):
    stage = Stage(ask, machine=HANG_UP, greet=Greet.AFTER_HELLO)
    stage.at(0.4, stage.callee_says, words)
    stage.at(20.0, stage.callee_says, "Hello, this is Jane.")
    end = await stage.run()
    assert (end.end_reason, agent_lines(stage)[0]) == (EndReason.COMPLETED, GREETING)
    assert [verdict.answered_by for verdict in told(stage)] == [category]


async def test_a_voicemail_behind_a_screening_service_is_one():
    stage = Stage(ask, machine=HANG_UP, greet=Greet.AFTER_HELLO)
    stage.at(0.4, stage.callee_says, SCREENING, 4000)
    machine(stage, at_s=10.0)
    assert (await stage.run()).end_reason is EndReason.MACHINE
    assert [verdict.answered_by for verdict in told(stage)] == [AnsweredBy.SCREENING, AnsweredBy.MACHINE]


async def test_a_menu_before_our_words_is_for_the_agent():
    async def agent(call):
        await call.say(GREETING)
        heard.append((await call.listen(no_reply_s=1)).text)

    heard = []
    stage = Stage(agent, greet=Greet.AFTER_HELLO)
    stage.at(0.4, stage.callee_says, MENU)
    await stage.run()
    assert heard == [MENU]


async def test_what_a_person_says_later_is_no_greeting():
    async def talk(call):
        for _ in range(4):
            await call.say(QUESTION)
            await call.listen(no_reply_s=4)

    stage = Stage(talk, machine=HANG_UP, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "Hello?")
    for at_s in (5.0, 9.5):
        stage.at(at_s, stage.callee_says, "Yes, I think so.")
    stage.at(14.5, stage.callee_says, "I am away from my desk then, leave a message after the tone.")
    assert (await stage.run()).end_reason is EndReason.COMPLETED
    assert told(stage) == []


@pytest.mark.parametrize("hello", ["Hello?", "Good morning, Miller and Sons, Jane speaking."])
@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, she can't come to the phone right now, leave your number and she'll call you back.",
        "I'm not available, leave a message and I'll get back to you.",  # a voicemail, had nobody said hello
        "You've reached the wrong person, please leave your name and number.",
    ],
)
async def test_nobody_who_said_hello_and_heard_us_is_hung_up_on_for_a_voicemails_wishes(hello, reply):
    stage = Stage(ask, machine=HANG_UP, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, hello, 600)
    stage.at(5.5, stage.callee_says, reply, 4000)
    assert (await stage.run()).end_reason is EndReason.COMPLETED
    assert told(stage) == []


async def test_who_interrupts_us_after_a_hello_and_hears_us_then_has_listened_too():
    async def talk(call):
        for _ in range(3):
            await call.say(QUESTION)
            await call.listen(no_reply_s=4)

    stage = Stage(talk, machine=HANG_UP, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "Hello?", 600)
    stage.at(2.6, stage.callee_says, "Sorry, who is this, and what is all of this about, if I may ask?", 2000)
    stage.at(8.5, stage.callee_says, "I'm not available, leave a message and I'll get back to you.", 3000)
    assert (await stage.run()).end_reason is EndReason.COMPLETED
    assert told(stage) == []


async def test_a_voicemail_that_comes_after_a_hello_speaks_of_its_tone():
    stage = Stage(ask, machine=HANG_UP, greet=Greet.AFTER_HELLO)
    stage.at(0.3, stage.callee_says, "Hello?", 600)
    stage.at(5.5, stage.callee_says, "Just kidding, I can't take your call, leave a message after the beep.", 4000)
    assert (await stage.run()).end_reason is EndReason.MACHINE


async def test_who_talks_over_our_words_has_not_said_hello_and_listened():
    stage = Stage(ask, machine=HANG_UP, greet=Greet.AT_ONCE)
    stage.at(0.4, stage.callee_says, "Hello.", 500)
    stage.at(1.6, stage.callee_says, "I am not available right now.", 1500)
    stage.at(3.6, stage.callee_says, "Leave your name, and I will get back to you.", 2500)
    assert (await stage.run()).end_reason is EndReason.MACHINE


@pytest.mark.parametrize("known", [AnsweredBy.HUMAN, AnsweredBy.FAX])
async def test_a_verdict_of_detection_counts_for_more(known):
    stage = Stage(ask, machine=MachinePolicy(action="continue", max_wait_s=30), greet=Greet.AFTER_HELLO)
    stage.at(0.2, stage.answered_by, known)
    machine(stage)
    await stage.run()
    assert (told(stage), stage.session.answering.category) == ([], known)


async def test_an_older_verdict_does_not_take_the_words_back():
    stage = Stage(ask, machine=LEAVE, greet=Greet.AFTER_HELLO)
    over_s = machine(stage)
    stage.at(over_s + 0.5, stage.answered_by, AnsweredBy.SCREENING)
    assert (await stage.run()).message_delivered


async def test_a_caller_is_never_a_machine():
    stage = Stage(ask, machine=HANG_UP, direction=CallDirection.INBOUND)
    machine(stage, at_s=4.0)
    assert (await stage.run()).end_reason is EndReason.COMPLETED
    assert told(stage) == []


async def test_without_recognition_nothing_is_found():
    stage = Stage(ask, machine=HANG_UP, greet=Greet.AFTER_HELLO)
    stage.ears.fails = True
    machine(stage)
    assert (await stage.run()).end_reason is EndReason.COMPLETED
    assert told(stage) == []


async def test_our_own_words_come_back_are_not_the_machines():
    async def say(call):
        await call.say("I can leave a message after the tone, I am not available right now.")
        await call.listen(no_reply_s=2)

    stage = Stage(say, machine=HANG_UP)
    stage.at(2.5, stage.callee_says, "leave a message after the tone, I am not available")
    assert (await stage.run()).end_reason is EndReason.COMPLETED
    assert told(stage) == []
