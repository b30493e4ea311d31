"""Sound files on a call: played and looped, interrupted, waited for, and what is known of it afterwards."""

import asyncio

import pytest

from conversation.peers import Stage
from outdial.conversation.sounds import AHEAD_MS
from outdial.conversation.verb_results import CallEnded
from outdial.media.frames import FRAME_MS
from outdial.media.sounds import SoundFailed
from outdial.testing.sounds import SoundsInMemory

HOLD = "https://files.example/hold.wav?key=secret"


class Player:
    """An agent that plays one thing after the other and keeps what came of it."""

    def __init__(self, *sources, then=None, **how):
        self.sources = sources
        self.then = then
        self.how = how
        self.said = []
        self.heard = []

    async def __call__(self, call):
        for source in self.sources:
            self.said.append(await call.play(source, **self.how))
        if self.then is not None:
            self.heard.append(await call.listen())


def sounds(ms=2000, **more):
    return SoundsInMemory({HOLD: ms}, **more)


def ear(stage):
    return b"".join(frame for _, frame in stage.carrier.ear())


async def test_a_play_returns_when_the_carrier_has_played_it():
    agent = Player(HOLD)
    stage = Stage(agent, sounds=sounds())
    await stage.run()
    [said] = agent.said
    assert (said.text, said.played_ms, said.interrupted, said.complete) == ("", 2000, False, True)
    assert stage.now_s() == pytest.approx(2.0, abs=0.02)
    assert stage.notes.lines == ["agent: [hold.wav]"]
    assert ear(stage) == sounds().sound(HOLD).pcm


async def test_a_play_without_its_mark_ends_but_proves_nothing():
    agent = Player(HOLD)
    stage = Stage(agent, sounds=sounds())
    stage.carrier.marks_come = False
    await stage.run()
    assert [said.complete for said in agent.said] == [False]


async def test_a_loop_is_played_without_a_gap_and_not_laid_out_beforehand():
    agent = Player(HOLD, loop=30)
    stage = Stage(agent, sounds=sounds(ms=1010))  # no whole number of frames
    longest = []

    def look():
        playing = stage.media_line._playing
        if playing is not None:
            longest.append(len(playing.frames) * FRAME_MS)
            stage.loop.call_later(0.5, look)

    stage.at(0.2, look)
    await stage.run()
    [said] = agent.said
    assert (said.played_ms, said.complete) == (pytest.approx(30 * 1010, abs=20), True)
    pcm = sounds(ms=1010).sound(HOLD).pcm
    assert ear(stage)[: 30 * len(pcm)] == pcm * 30
    assert max(longest) <= AHEAD_MS + 1020
    assert stage.notes.lines == ["agent: [hold.wav]"]


@pytest.mark.parametrize("loop", [0, -1, 1001])
async def test_a_loop_has_a_bound(loop):
    async def agent(call):
        with pytest.raises(ValueError, match="1 to 1000"):
            await call.play(HOLD, loop=loop)

    await Stage(agent, sounds=sounds()).run()


async def test_who_speaks_over_a_sound_stops_it_and_is_heard():
    agent = Player(HOLD, loop=100, then="listens")
    stage = Stage(agent, sounds=sounds())
    stage.at(5.0, stage.callee_says, "Excuse me, could you repeat what you want?")
    await stage.run()
    [said] = agent.said
    assert (said.text, said.interrupted, said.complete) == ("", True, False)
    assert 4500 < said.played_ms < 6500
    assert agent.heard[0].text == "Excuse me, could you repeat what you want?"
    assert stage.notes.lines == ["agent: [hold.wav]", "callee: Excuse me, could you repeat what you want?"]
    assert stage.notes.turns[0].interrupted


async def test_who_only_listens_does_not_stop_it():
    agent = Player(HOLD, loop=4)
    stage = Stage(agent, sounds=sounds())
    stage.at(3.0, stage.callee_says, "Okay.")
    await stage.run()
    assert [said.complete for said in agent.said] == [True]


async def test_one_that_may_not_be_interrupted_isn_t():
    agent = Player(HOLD, loop=4, interruptible=False)
    stage = Stage(agent, sounds=sounds())
    stage.at(2.0, stage.callee_says, "Stop that noise, please, I want to talk!")
    await stage.run()
    assert [(said.complete, said.played_ms) for said in agent.said] == [(True, 8000)]


async def test_a_key_stops_it():
    agent = Player(HOLD, loop=50)
    stage = Stage(agent, sounds=sounds())
    stage.at(3.0, stage.carrier.press, "1")
    await stage.run()
    assert agent.said[0].interrupted


async def test_the_callee_never_hears_four_seconds_of_nothing_while_a_file_is_fetched():
    agent = Player(HOLD)
    stage = Stage(agent, sounds=sounds(slow={HOLD: 9.5}))
    await stage.run()
    turns = stage.notes.turns
    assert [turn.text for turn in turns][-1] == "[hold.wav]"
    texts = {turn.text for turn in turns[:-1]}
    assert texts == {"One moment, please."}
    ends = [0, *(turn.end_ms for turn in turns)]
    assert max(turn.start_ms - end for turn, end in zip(turns, ends, strict=False)) < 4000


async def test_what_the_callee_says_while_a_file_is_fetched_is_heard():
    agent = Player(HOLD, then="listens")
    stage = Stage(agent, sounds=sounds(slow={HOLD: 3.0}))
    stage.at(2.0, stage.callee_says, "I have another question about the bill.")
    await stage.run()
    assert agent.heard[0].text == "I have another question about the bill."


async def test_a_file_that_fails_is_told_to_the_agent_and_in_the_feed():
    words = []

    async def agent(call):
        with pytest.raises(SoundFailed) as failed:
            await call.play(HOLD)
        words.append(failed.value.word)
        await call.say("Then without music.")

    stage = Stage(agent, sounds=sounds(fail={HOLD: "http_404"}))
    await stage.run()
    assert words == ["http_404"]
    assert stage.notes.events.count(("sound_failed", {"error": "http_404"})) == 1
    assert stage.notes.lines == ["agent: Then without music."]


async def test_a_call_that_ends_while_a_file_is_fetched_leaves_nothing_behind():
    ended = []

    async def agent(call):
        try:
            await call.play(HOLD)
        except CallEnded:
            ended.append(True)
            raise

    stage = Stage(agent, sounds=sounds(slow={HOLD: 60.0}))
    stage.at(1.0, stage.carrier.stop)
    await stage.run()  # checks that no task is left
    assert ended == [True]
    assert stage.now_s() < 2.0


async def test_a_sound_that_was_fetched_before_is_played_at_once():
    files = sounds(slow={HOLD: 1.0})

    async def agent(call):
        fetching = asyncio.create_task(call.fetch_sound(HOLD))
        await call.say("Let me put you on hold for a short while.")
        await call.play(await fetching)
        await call.play(await fetching)

    stage = Stage(agent, sounds=files)
    await stage.run()
    assert files.asked == [HOLD]
    assert [turn.text for turn in stage.notes.turns][-2:] == ["[hold.wav]"] * 2
