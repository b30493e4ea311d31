"""Our first words, made audio before their time: between the moment at which it is our turn and the first of them
there is a tick."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from conversation.peers import Stage, speech_ms
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.message import MESSAGE_PAUSE_MS
from outdial.conversation.opening import Greet
from outdial.media.frames import FRAME_MS
from outdial.telephony.verdict import AnsweredBy, Verdict

GREETING = "Hello Jane, this is the assistant of the clinic in Main Street."
OTHER = "Sorry to disturb you."
DETECTED = MachinePolicy(action="leave_message", message=lambda call: GREETING, max_wait_s=30)
SLOW_S = 0.5  # until a vendor's voice begins


async def greets(call):
    await call.say(GREETING)


async def hears_hello_first(call):
    await call.greeting(GREETING)
    await call.say(GREETING)


async def says_something_else(call):
    await call.greeting(GREETING)
    await call.say(OTHER)


def opened(agent, **how):
    stage = Stage(agent, **{"greet": Greet.AFTER_HELLO, "machine": DETECTED} | how)
    stage.voice.first_s = SLOW_S
    return stage


def began_ms(stage):
    return next(turn.start_ms for turn in stage.notes.turns if turn.speaker == "agent")


@pytest.mark.parametrize("agent", [greets, hears_hello_first])
@pytest.mark.parametrize("at_s", [0.7, 1.0, 1.31])
async def test_from_the_verdict_to_our_first_frame_it_is_a_tick(agent, at_s):
    stage = opened(agent)
    stage.at(at_s, stage.answered_by, AnsweredBy.HUMAN)
    await stage.run()
    first_frame_s = next(at for at, message in stage.carrier.sent if isinstance(message, bytes)) - stage.began
    assert at_s <= first_frame_s <= at_s + FRAME_MS / 1000
    assert stage.voice.spoken == [GREETING]


async def test_after_a_hello_it_takes_no_longer_than_to_know_that_it_is_over():
    stage = opened(greets)
    stage.at(0.3, stage.callee_says, "Hello?")
    await stage.run()
    assert 500 - FRAME_MS <= began_ms(stage) - 300 - speech_ms("Hello?") <= 500 + 2 * FRAME_MS


async def test_words_that_are_not_said_after_all_are_let_go_of():
    stage = opened(says_something_else)
    stage.voice.piece_s = 5.0  # it is being spoken still
    await stage.run()
    assert stage.notes.lines == [f"agent: {OTHER}"]
    assert stage.voice.spoken == [GREETING, OTHER]


async def test_a_voice_that_breaks_ahead_of_time_is_told_when_it_is_our_turn():
    stage = opened(hears_hello_first)
    stage.voice.fails_after = 1
    end = await stage.run()
    assert end.error.code == "speech_failed"
    assert began_ms(stage) >= 1500


async def test_a_voice_that_breaks_over_words_that_nobody_says_is_no_failure():
    async def agent(call):
        await call.greeting(GREETING)

    stage = opened(agent)
    stage.voice.fails_after = 0
    assert (await stage.run()).error is None


async def test_that_somebody_may_listen_is_ready_too():
    stage = opened(greets)
    stage.session.notice.before_greeting = OTHER
    stage.at(0.7, stage.answered_by, AnsweredBy.HUMAN)
    await stage.run()
    notice, greeting = stage.notes.turns
    assert (notice.text, greeting.text) == (OTHER, GREETING)
    assert notice.start_ms <= 720
    assert greeting.start_ms - notice.end_ms <= 2 * FRAME_MS


async def test_a_message_is_ready_when_the_machine_beeps():
    stage = opened(greets)
    stage.callee_says("You have reached Jane.", 3000)
    machine = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC))
    stage.at(1.0, stage.session.answering.judged, machine)
    stage.at(3.4, stage.session.answering.judged, replace(machine, message_end=True))
    await stage.run()
    assert began_ms(stage) <= 3400 + MESSAGE_PAUSE_MS + 3 * FRAME_MS


@pytest.mark.parametrize("at_s", [0.1, 0.3, 0.9])
async def test_who_hangs_up_meanwhile_leaves_no_voice_behind(at_s):
    stage = opened(greets)
    stage.at(at_s, stage.carrier.stop)
    await stage.run()
    assert stage.voice.running == 0
