"""Sound files on calls in memory, as agents of users are tried."""

import pytest

from outdial.conversation.verb_results import CallEnded
from outdial.media.sounds import SoundFailed
from outdial.testing.callee import Hears, Interrupts, Says
from outdial.testing.text_call import TextCall, hold_call

HOLD = "https://files.example/hold.wav?key=secret"


async def test_a_callee_in_memory_hears_the_file_s_name_and_for_how_long_it_is_played():
    said = []

    async def agent(call):
        said.append(await call.play(HOLD, loop=3))
        call.noted["heard"] = (await call.listen()).text

    call = TextCall([Hears("[hold.wav]"), Says("Nice music.")])
    call.sounds.lengths_ms = {HOLD: 4000}
    await hold_call(agent, call)
    assert [(one.text, one.played_ms, one.complete) for one in said] == [("", 12_000, True)]
    assert [turn.text for turn in call.turns] == ["[hold.wav]", "Nice music."]
    assert call.noted == {"heard": "Nice music."}


async def test_a_callee_in_memory_interrupts_it():
    async def agent(call):
        assert (await call.play(HOLD, loop=1000)).interrupted
        call.noted["heard"] = (await call.listen()).text

    call = TextCall([Interrupts(after="[hold.wav]", says="Stop that, please.")])
    await hold_call(agent, call)
    assert call.noted == {"heard": "Stop that, please."}


async def test_one_that_fails_is_told_to_the_agent():
    async def agent(call):
        with pytest.raises(SoundFailed):
            await call.play(HOLD)
        await call.say("Without music, then.")

    call = TextCall()
    call.sounds.fail = {HOLD: "http_404"}
    await hold_call(agent, call)
    assert [turn.text for turn in call.turns] == ["Without music, then."]


async def test_a_call_that_is_over_plays_nothing():
    async def agent(call):
        with pytest.raises(CallEnded):
            await call.hang_up()
        with pytest.raises(CallEnded):
            await call.play(HOLD)

    await hold_call(agent, TextCall())
