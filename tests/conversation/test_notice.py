"""The sentence that tells a callee that somebody may listen."""

from contextlib import suppress

from conversation.peers import Stage
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.notice import Notice
from outdial.conversation.verb_results import SpeechFailed
from outdial.telephony.verdict import AnsweredBy

NOTICE = "This call may be listened to."


async def greets(call):
    await call.say("Hello Jane.")
    await call.say("Goodbye.")


async def test_before_the_first_words_it_is_said_once():
    stage = Stage(greets)
    stage.session.notice.before_greeting = NOTICE
    await stage.run()
    assert stage.notes.lines == [f"agent: {NOTICE}", "agent: Hello Jane.", "agent: Goodbye."]
    assert not stage.session.notice.is_due


async def test_the_callee_cannot_talk_it_away():
    stage = Stage(greets)
    stage.session.notice.before_greeting = NOTICE
    stage.at(0.5, stage.callee_says, "Who is this calling me now?")
    await stage.run()
    first = stage.notes.turns[0]
    assert (first.text, first.interrupted) == (NOTICE, False)


async def test_a_machine_is_left_the_message_alone():
    policy = MachinePolicy(action="leave_message", message=lambda call: "Please call us back.", max_wait_s=5.0)
    stage = Stage(greets, machine=policy)
    stage.session.notice.before_greeting = NOTICE
    stage.at(0.02, stage.answered_by, AnsweredBy.MACHINE)
    await stage.run()
    assert stage.notes.lines[-1] == "agent: Please call us back."
    assert f"agent: {NOTICE}" not in stage.notes.lines[1:]


async def test_a_voice_that_fails_leaves_it_to_be_said_when_somebody_listens():
    due = []

    async def greets_at_last(call):
        stage.voice.fails_after = 0
        with suppress(SpeechFailed):
            await call.say("Hello Jane.")
        due.append(stage.session.notice.is_due)

    stage = Stage(greets_at_last)
    stage.session.notice.before_greeting = NOTICE
    await stage.run()
    assert due == [True]


def test_it_is_due_when_somebody_listens_unless_it_was_said_or_will_be():
    assert Notice(language="en").is_due
    assert not Notice(language="en", before_greeting=NOTICE).is_due
    said = Notice(language="en", before_greeting=NOTICE)
    assert said.take() == NOTICE
    assert said.take() is None
    assert not said.is_due
