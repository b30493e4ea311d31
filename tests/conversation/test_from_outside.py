"""A person who listens takes the call over, or whispers to its agent."""

import asyncio
from contextlib import contextmanager

import pytest

from conversation.peers import Stage, refused
from conversation.test_commands import GREETING, Outside, ask
from outdial.conversation.commands import TakeOver, Whisper
from outdial.conversation.from_outside import NO_WHISPER
from outdial.conversation.understanding.language import known_languages, language_of
from outdial.conversation.whispers import MAX_WAITING
from outdial.speech.reading.reader import AMERICAN
from outdial.telephony.failures import FailureCode

HANDING_OVER = "My colleague takes over now."


async def test_who_takes_over_cuts_in_and_the_agent_says_a_sentence_first():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(1.0, TakeOver(to="+15550003", text=HANDING_OVER))
    end = await stage.run()
    assert end.transferred
    assert stage.switch.transfers == ["+15550003"]
    greeting, handing_over = stage.notes.turns
    assert greeting.interrupted
    assert GREETING.startswith(greeting.text)
    assert (handing_over.text, handing_over.interrupted) == (HANDING_OVER, False)
    assert outside.answers == [{}]


async def test_without_words_of_ones_own_the_agent_says_that_it_connects_the_callee():
    stage = Stage(ask)
    Outside(stage).wants(1.0, TakeOver(to="+15550003"))
    await stage.run()
    assert stage.notes.turns[-1].text == language_of(AMERICAN.language).texts["taking_over"]
    assert len({language_of(tag).texts["taking_over"] for tag in known_languages()}) == len(known_languages())


async def test_a_carrier_that_refuses_leaves_the_call_to_its_agent():
    stage = Stage(ask)
    stage.switch.refuses = refused(FailureCode.WRONG_CALL_STATE, "The call is not in progress.")
    outside = Outside(stage)
    outside.wants(1.0, TakeOver(to="+15550003", text=HANDING_OVER))
    end = await stage.run()
    assert outside.answers == ["carrier_refused"]
    assert not end.transferred
    assert stage.notes.lines[-2:] == [f"agent: {HANDING_OVER}", "agent: Nobody there?"]


async def test_a_voice_that_fails_keeps_nobody_from_taking_over():
    stage = Stage(ask)
    stage.at(0.9, lambda: setattr(stage.voice, "fails_after", 0))
    outside = Outside(stage)
    outside.wants(1.0, TakeOver(to="+15550003", text=HANDING_OVER))
    assert (await stage.run()).transferred
    assert stage.switch.transfers == ["+15550003"]


async def test_the_agent_says_nothing_between_the_sentence_and_the_carriers_word():
    async def talks_on(call):
        for number in range(20):
            await call.say(f"Sentence number {number}.")

    stage = Stage(talks_on)
    Outside(stage).wants(1.0, TakeOver(to="+15550003", text=HANDING_OVER))
    await stage.run()
    assert stage.notes.turns[-1].text == HANDING_OVER


async def test_who_hangs_up_during_the_sentence_is_connected_to_nobody():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(1.0, TakeOver(to="+15550003", text=HANDING_OVER))
    stage.at(1.5, stage.carrier.hang_up)
    end = await stage.run()
    assert not end.transferred
    assert stage.switch.transfers == []
    assert outside.answers == ["call_ended"]


@contextmanager
def taking(call):
    call.whispers.takers += 1
    yield
    call.whispers.takers -= 1


async def test_a_whisper_is_for_whoever_takes_it_and_never_said():
    taken = []

    async def takes(call):
        with taking(call):
            await call.say(GREETING)
        taken.extend(call.whispers.take())

    stage = Stage(takes)
    outside = Outside(stage)
    outside.wants(1.0, Whisper(text="She is a vip."))
    await stage.run()
    assert taken == ["She is a vip."]
    assert outside.answers == [{}]
    assert stage.notes.lines == [f"agent: {GREETING}"]
    assert stage.notes.events == [("whispered", {"chars": 13})]  # its words are nobody else's


async def test_where_nobody_takes_whispers_that_is_said():
    stage = Stage(ask)
    outside = Outside(stage)
    outside.wants(1.0, Whisper(text="She is a vip."))
    await stage.run()
    assert outside.answers == ["no_whisper"]
    assert stage.notes.events == []
    assert "script" in NO_WHISPER
    assert "Python" in NO_WHISPER


@pytest.mark.parametrize("more", [0, 1])
async def test_only_so_many_whispers_wait_for_a_turn(more):
    async def takes(call):
        with taking(call):
            await asyncio.sleep(3)

    stage = Stage(takes)
    outside = Outside(stage)
    for _ in range(MAX_WAITING + more):
        outside.wants(1.0, Whisper(text="Be brief."))
    await stage.run()
    assert outside.answers == [{}] * MAX_WAITING + ["no_whisper"] * more
