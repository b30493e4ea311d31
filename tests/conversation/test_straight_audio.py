"""A talk in audio alone: played in time, cut off where it was heard, and written down as that."""

import asyncio

import pytest

from conversation.peers import Stage
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.commands import Say
from outdial.conversation.straight_audio import Speech
from outdial.telephony.verdict import AnsweredBy
from outdial.testing import Phone, run
from outdial.testing.engines import sound

WORDS = "One two three four five six seven eight nine ten."
MESSAGE = "Please call the clinic back on Monday."


class Ears:
    def __init__(self):
        self.frames, self.digits = [], ""

    def hears(self, pcm, at_ms):
        self.frames.append((at_ms, pcm))

    def sees_digit(self, digit):
        self.digits += digit


def held(agent, act=None):
    async def call():
        phone = Phone(agent)
        phone.greets("Hello?")
        if act is not None:
            act(phone)
        return phone, await phone.talk()

    return run(call())


def speech(ms, text=WORDS, *, whole=True):
    one = Speech()
    one.text = text
    one.feed(sound(1500, ms))
    if whole:
        one.finish()
    return one


async def until_over(line, one):
    while not one.is_done:
        await line.wait(1000)


def test_what_is_said_is_heard_whole_and_what_the_callee_says_comes_frame_by_frame():
    ears, said = Ears(), speech(2000)

    async def agent(call):
        async with call.straight(ears) as line:
            line.speak(said)
            await until_over(line, said)
        await call.hang_up()

    phone, _ = held(agent)
    assert (said.heard, said.played_ms, said.interrupted) == (WORDS, 2000, False)
    [turn] = [turn for turn in phone.turns.values() if turn.speaker == "agent"]
    assert (turn.text, turn.end_ms - turn.start_ms, turn.interrupted) == (WORDS, 2000, False)
    assert turn.start_ms > 1000  # after the callee's hello
    times = [at_ms for at_ms, _ in ears.frames]
    assert len(times) in range(95, 120)
    assert times == sorted(times)


def test_it_is_cut_off_where_it_was_heard():
    said = speech(5000)

    async def agent(call):
        async with call.straight(Ears()) as line:
            line.speak(said)
            await line.wait(1500)
            await line.wait(1000)
            assert line.cut() is said
            with pytest.raises(ValueError, match="verb"):
                await call.say("Hello.")
        await call.say("Goodbye.")
        await call.hang_up()

    phone, _ = held(agent)
    assert said.interrupted
    assert WORDS.startswith(said.heard)
    [turn] = [turn for turn in phone.turns.values() if turn.interrupted]
    assert turn.text == said.heard
    assert abs(turn.end_ms - turn.start_ms - said.played_ms) <= 20
    assert phone.lines[-1] == "agent: Goodbye."


def test_words_that_are_known_late_are_written_down():
    said = speech(1000, "", whole=False)

    async def agent(call):
        async with call.straight(Ears()) as line:
            line.speak(said)
            await line.wait(300)
            said.text = "Hello there."
            line.words_are_known()
            said.finish()
            await until_over(line, said)
            line.callee_said("Good day.", 3000, 3400)
        await call.hang_up()

    phone, _ = held(agent)
    assert phone.lines[1:] == ["agent: Hello there.", "callee: Good day."]


def test_the_end_of_the_call_ends_it():
    said, ended = speech(60_000), []

    async def agent(call):
        async with call.straight(Ears()) as line:
            line.speak(said)
            await until_over(line, said)
            await line.wait(1000)
        ended.append("not reached")

    held(agent, lambda phone: phone.hangs_up(after="One", over=True, pause_s=2))
    assert ended == []
    assert said.is_done
    assert 0 < said.played_ms < 3000


def test_somebody_from_outside_is_given_the_floor():
    wanted = []

    async def agent(call):
        async with call.straight(Ears()) as line:
            while not line.is_wanted:
                await line.wait(1000)
            wanted.append(line.now_ms())
        async with call.straight(Ears()) as line:
            await line.wait(100)
        await call.hang_up()

    async def call():
        phone = Phone(agent)
        talk = asyncio.create_task(phone.talk())
        await asyncio.sleep(4)
        await phone._session.carry_out(Say(text="One moment.", interrupt=False))
        await talk
        return phone

    phone = run(call())
    assert len(wanted) == 1
    assert phone.lines == ["agent: One moment."]


WORD, PAUSE = sound(1500, 400), bytes(16 * 100)


class Talks:
    """An agent that says ten words, 500 ms each, one after the other; `said`: what was heard of them."""

    def __init__(self, *, whole):
        self.said = Speech()
        self._is_whole = whole

    async def __call__(self, call):
        self.said.text = WORDS
        self.said.feed((WORD + PAUSE) * 10)
        if self._is_whole:
            self.said.finish()
        async with call.straight(Ears()) as line:
            line.speak(self.said)
            await until_over(line, self.said)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("at_s", [1.1, 1.3, 1.45])
async def test_a_word_is_finished_before_a_machine_has_its_message(at_s, whole):
    agent = Talks(whole=whole)
    stage = Stage(agent, machine=MachinePolicy(action="leave_message", message=lambda call: MESSAGE, max_wait_s=30))
    stage.at(at_s, stage.answered_by, AnsweredBy.MACHINE)
    end = await stage.run()
    assert end.message_delivered
    said, message = stage.notes.turns
    assert message.text == MESSAGE
    assert said.interrupted
    assert WORDS.startswith(said.text)
    assert said.text
    assert agent.said.played_ms % 500 == 400
    assert at_s * 1000 - 100 <= said.end_ms <= at_s * 1000 + 700
    assert (agent.said.is_done, agent.said.interrupted) == (True, False)


@pytest.mark.parametrize("end", ["stop", "ask_hang_up"])
async def test_who_hangs_up_waits_for_no_word(end):
    agent = Talks(whole=True)
    stage = Stage(agent)
    stage.at(1.1, stage.carrier.stop if end == "stop" else stage.session.ask_hang_up)
    await stage.run()
    assert stage.now_s() == pytest.approx(1.1, abs=0.05)
    assert agent.said.played_ms == pytest.approx(1100, abs=50)


def test_who_sends_without_end_is_not_played_without_end():
    one = Speech()
    assert all(one.feed(sound(1500, 60_000)) for _ in range(4))
    assert not one.feed(sound(1500, 20))
