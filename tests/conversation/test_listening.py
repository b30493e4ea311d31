"""Listening: replies, silence, noise, digits, and how long everything took."""

import asyncio
from itertools import pairwise

import pytest

from conversation.peers import CALLEE, Detector, Notes, Recogniser, Stage, Voice, sound, speech_ms
from outdial.background import Background
from outdial.conversation.call_facts import Engines
from outdial.conversation.endpointing import Patience
from outdial.conversation.floor import Floor
from outdial.conversation.hearing import MAX_UTTERANCE_MS
from outdial.conversation.listening import Listening
from outdial.conversation.transcript import Transcript
from outdial.conversation.turn_words import Asked
from outdial.conversation.turns import TurnEvent, TurnState
from outdial.conversation.verb_results import CallEnded, Heard, SpeechFailed
from outdial.media.frames import FRAME_MS

QUESTION = "Can you make it on Monday?"  # 1.56 s
SORRY = "Sorry, I didn't get that."


class Asking:
    """An agent that asks questions and keeps the replies."""

    def __init__(self, *questions, **how):
        self.questions = questions
        self.how = how
        self.heard = []
        self.replied_s = []

    async def __call__(self, call):
        for question in self.questions:
            if question:
                await call.say(question)
            self.heard.append(await call.listen(**self.how))
            self.replied_s.append(asyncio.get_running_loop().time())


async def test_an_answer_is_heard_word_for_word():
    agent = Asking(QUESTION)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Yes, I can.")
    await stage.run()
    assert agent.heard == [Heard(text="Yes, I can.")]
    assert stage.notes.lines == [f"agent: {QUESTION}", "callee: Yes, I can."]
    turn = stage.notes.turns[1]
    assert turn.start_ms == pytest.approx(2000, abs=40)
    assert turn.end_ms == pytest.approx(2000 + speech_ms("Yes, I can."), abs=40)


async def test_the_beginning_of_an_answer_is_not_cut_off():
    fed = []
    stage = Stage(Asking(QUESTION))
    recognition = stage.ears.recognition

    def watched():
        fed.append(recognition())
        return fed[-1]

    stage.ears.recognition = watched
    stage.at(2.0, stage.callee_says, "Yes.")
    await stage.run()
    assert fed[0].fed_ms(CALLEE) == 240


async def test_words_are_heard_however_far_voice_detection_falls_behind():
    agent = Asking(QUESTION, "What time?", until_silence_s=0.3)
    stage = Stage(agent)
    stage.at(1.9, stage.detector.stall, 1.7)
    stage.at(2.0, stage.callee_says, "Yes.")
    stage.at(2.9, stage.callee_says, "I can.")  # both are worked off together
    await stage.run()
    assert agent.heard[0] == Heard(text="Yes. I can.")
    assert stage.notes.lines[:2] == [f"agent: {QUESTION}", "callee: Yes. I can."]


async def test_nobody_says_anything():
    agent = Asking(QUESTION, no_reply_s=4.0)
    stage = Stage(agent)
    await stage.run()
    assert agent.heard == [Heard(silent=True)]
    assert stage.now_s() == pytest.approx(1.6 + 4.0, abs=0.05)
    assert stage.ears.started == 0


async def test_somebody_still_speaking_is_not_silent():
    agent = Asking(QUESTION, no_reply_s=3.0)
    stage = Stage(agent)
    long = "Well, that depends, let me think about that for a little while, I would say that I can."
    stage.at(4.0, stage.callee_says, long)
    await stage.run()
    assert agent.heard == [Heard(text=long)]


async def test_a_pause_shorter_than_the_end_is_part_of_the_answer():
    agent = Asking(QUESTION)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Well,")
    stage.at(2.65, stage.callee_says, "yes.")  # 350 ms later; recognition has begun by then
    await stage.run()
    assert agent.heard == [Heard(text="Well, yes.")]
    assert stage.ears.started == 2


async def test_recognition_runs_while_we_wait_for_the_end():
    agent = Asking(QUESTION)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Yes.")
    await stage.run()
    # Silent for 500 ms: 200 until recognition began, 100 for that, the rest only waiting. Windows come every 32 ms.
    assert agent.replied_s[0] - stage.began == pytest.approx(2.24 + 0.5, abs=0.05)


@pytest.mark.parametrize("until_silence_s", [0.1, 0.3, 0.8, 1.5])
async def test_how_much_silence_is_the_end_is_the_agents_choice(until_silence_s):
    agent = Asking(QUESTION, until_silence_s=until_silence_s)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Yes.")
    await stage.run()
    assert agent.heard == [Heard(text="Yes.")]
    assert agent.replied_s[0] - stage.began == pytest.approx(2.24 + max(0.2, until_silence_s), abs=0.15)


async def test_noise_is_no_answer_and_gives_the_callee_the_time_again():
    agent = Asking(QUESTION, no_reply_s=3.0)
    stage = Stage(agent)
    stage.at(4.0, stage.callee_says, None)
    stage.at(7.0, stage.callee_says, "Yes.")  # 5.4 s after the question, but not 3 s after the cough
    await stage.run()
    assert agent.heard == [Heard(text="Yes.")]
    assert stage.notes.lines == [f"agent: {QUESTION}", "callee: Yes."]


TELEVISION = 250  # -42 dBFS: too faint for a callee of whom nothing is known
YES = Asked(question=QUESTION, is_answer=lambda text: "yes" in text.casefold())


async def test_a_television_takes_none_of_the_callees_time():
    agent = Asking(QUESTION, no_reply_s=3.0, asked=YES)
    stage = Stage(agent)
    stage.ears.words[TELEVISION] = "and now the weather"
    for at_s in (2.0, 3.0, 4.0):
        stage.at(at_s, stage.carrier.say, TELEVISION, 400)
    await stage.run()
    assert agent.heard == [Heard(silent=True)]
    assert agent.replied_s[0] - stage.began == pytest.approx(1.6 + 3.0, abs=0.1)


async def test_who_coughs_again_and_again_gets_the_time_again_once():
    agent = Asking(QUESTION, no_reply_s=3.0)
    stage = Stage(agent)
    for at_s in (4.0, 6.0, 8.0, 10.0):
        stage.at(at_s, stage.callee_says, None)
    await stage.run()
    assert agent.heard == [Heard(silent=True)]
    assert agent.replied_s[0] - stage.began < 9.0


async def test_a_television_over_our_words_before_the_question_does_not_answer_it():
    heard = []

    async def agent(call):
        await call.say("This is a reminder of Monday.")  # 1.74 s
        await call.say(QUESTION)
        heard.append(await call.listen(no_reply_s=2.0, asked=YES))

    stage = Stage(agent)
    stage.ears.words[TELEVISION] = "and yes, some snow"
    stage.at(0.5, stage.carrier.say, TELEVISION, 2600)
    await stage.run()
    assert heard == [Heard(silent=True)]


async def test_a_syllable_well_below_the_callees_level_is_nobodys_answer():
    agent = Asking(QUESTION, "And on Tuesday?", no_reply_s=2.0)
    stage = Stage(agent)
    stage.ears.words[600] = "enough"
    stage.at(2.0, stage.callee_says, "Yes, I can.")
    stage.at(5.2, stage.carrier.say, 600, 140)  # 10 dB below
    await stage.run()
    assert agent.heard == [Heard(text="Yes, I can."), Heard(silent=True)]


async def test_words_before_the_question_are_no_answer_to_it_but_are_written_down():
    async def agent(call):
        await call.say("Hello.")
        await asyncio.sleep(3)  # thinks
        await call.say(QUESTION)
        heard.append(await call.listen(no_reply_s=2.0))

    heard = []
    stage = Stage(agent)
    stage.at(1.0, stage.callee_says, "No!")
    await stage.run()
    assert heard == [Heard(silent=True)]
    assert stage.notes.lines == ["agent: Hello.", "callee: No!", f"agent: {QUESTION}"]


async def test_an_answer_that_begins_before_the_end_of_the_question_counts():
    agent = Asking("Hello.", QUESTION)
    stage = Stage(agent)
    stage.at(1.0, stage.callee_says, "Hi.")
    stage.at(1.55 + 1.56 - 0.1, stage.callee_says, "Yes, on Monday.")
    await stage.run()
    assert agent.heard[1] == Heard(text="Yes, on Monday.")


async def test_all_that_was_said_while_the_agent_was_away_is_the_answer():
    async def agent(call):
        await call.say(QUESTION)
        await asyncio.sleep(6)
        heard.append(await call.listen())

    heard = []
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Yes.")
    stage.at(4.0, stage.callee_says, None)
    stage.at(5.0, stage.callee_says, "Hello?")
    await stage.run()
    assert heard == [Heard(text="Yes. Hello?")]
    assert stage.notes.lines[1:] == ["callee: Yes.", "callee: Hello?"]


async def test_endless_speech_is_ended():
    agent = Asking(QUESTION)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "A radio.", 50_000)
    await stage.run()
    assert agent.heard == [Heard(text="A radio.")]
    assert agent.replied_s[0] - stage.began == pytest.approx(2.1 + MAX_UTTERANCE_MS / 1000, abs=0.15)


async def test_audio_that_stops_in_the_middle_of_a_word_ends_it():
    agent = Asking(QUESTION)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Yes, of course I will.")
    stage.at(2.7, setattr, stage.carrier, "muted", True)
    await stage.run()
    assert agent.heard == [Heard(text="Yes, of course I will.")]
    assert agent.replied_s[0] - stage.began < 5.0


async def test_failed_recognition_is_told_to_the_agent_and_the_call_goes_on(caplog):
    async def agent(call):
        await call.say(QUESTION)
        with pytest.raises(SpeechFailed):
            await call.listen()
        stage.ears.fails = False
        await call.say("Please say that again.")
        heard.append(await call.listen())

    heard = []
    stage = Stage(agent)
    stage.ears.fails = True
    stage.at(2.0, stage.callee_says, "Yes.")
    stage.at(5.0, stage.callee_says, "I said yes.")
    end = await stage.run()
    assert end.error is None
    assert heard == [Heard(text="I said yes.")]
    assert [record.message for record in caplog.records] == ["Speech recognition failed"]


async def test_words_that_were_lost_are_asked_for_again_and_the_agent_hears_what_is_said_then(caplog):
    agent = Asking(QUESTION)
    stage = Stage(agent)
    stage.ears.loses = True
    stage.at(2.0, stage.callee_says, "Yes, I will.")
    stage.at(4.0, setattr, stage.ears, "loses", False)
    stage.at(6.0, stage.callee_says, "I said yes.")
    await stage.run()
    assert agent.heard == [Heard(text="I said yes.")]
    assert stage.notes.lines == [f"agent: {QUESTION}", f"agent: {SORRY}", "callee: I said yes."]
    assert [record.message for record in caplog.records] == ["Speech recognition lost words"]


async def test_a_callee_may_repeat_lost_words_while_it_is_asked_to():
    agent = Asking(QUESTION)
    stage = Stage(agent)
    stage.ears.loses = True
    stage.at(2.0, stage.callee_says, "Yes, I will.")
    stage.at(3.4, setattr, stage.ears, "loses", False)
    stage.at(4.0, stage.callee_says, "I said yes, I will.")
    await stage.run()
    assert agent.heard == [Heard(text="I said yes, I will.")]


async def test_a_recognition_that_was_dropped_may_fail_unheard(caplog):
    agent = Asking(QUESTION)
    stage = Stage(agent)
    stage.ears.takes_s, stage.ears.fails = 0.1, True
    stage.at(2.0, stage.callee_says, "Well,")
    stage.at(2.63, setattr, stage.ears, "fails", False)
    stage.at(2.65, stage.callee_says, "yes.")
    await stage.run()
    assert agent.heard == [Heard(text="Well, yes.")]
    assert caplog.records == []


# -- digits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "max_digits", "read", "after_s"),
    [("1", 1, "1", 0.0), ("1234", 4, "1234", 0.9), ("12#", 4, "12", 0.6), ("12", 4, "12", 2.3), ("*", 1, "*", 0.0)],
)
async def test_digits_are_read_up_to_their_number_a_hash_or_a_pause(keys, max_digits, read, after_s):
    agent = Asking(QUESTION, max_digits=max_digits)
    stage = Stage(agent)
    for place, key in enumerate(keys):
        stage.at(3.0 + 0.3 * place, stage.carrier.press, key)
    await stage.run()
    assert agent.heard == [Heard(digits=read)]
    assert agent.replied_s[0] - stage.began == pytest.approx(3.0 + after_s, abs=0.01)
    shown = f"[{read}]" if len(read) == 1 else f"[pressed {len(read)} digits]"
    assert stage.notes.lines == [f"agent: {QUESTION}", f"callee: {shown}"]


async def test_a_word_between_digits_does_not_end_them():
    agent = Asking(QUESTION, max_digits=4)
    stage = Stage(agent)
    stage.at(3.0, stage.carrier.press, "1")
    stage.at(3.1, stage.callee_says, "Uh.")
    stage.at(4.5, stage.carrier.press, "234")
    await stage.run()
    assert agent.heard == [Heard(digits="1234")]


async def test_a_callee_who_knows_the_menu_types_ahead():
    agent = Asking("Press one for English.", "Enter your number.", "Press one to confirm.", max_digits=1)
    stage = Stage(agent)
    stage.at(0.5, stage.carrier.press, "123")
    await stage.run()
    assert agent.heard == [Heard(digits="1"), Heard(digits="2"), Heard(digits="3")]


async def test_digits_nobody_asked_for_answer_no_later_question():
    async def agent(call):
        await call.say("How are you?")
        heard.append(await call.listen(no_reply_s=2.0))
        await call.say("Press one to confirm.")
        heard.append(await call.listen(no_reply_s=2.0, max_digits=1))

    heard = []
    stage = Stage(agent)
    stage.at(1.5, stage.carrier.press, "1")
    await stage.run()
    assert heard == [Heard(silent=True), Heard(silent=True)]


async def test_digits_come_before_words():
    agent = Asking(QUESTION, max_digits=1)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "I press one, is that right?")
    stage.at(2.5, stage.carrier.press, "1")
    await stage.run()
    assert agent.heard == [Heard(digits="1")]
    assert stage.notes.lines[1:] == ["callee: I press one, is that right?", "callee: [1]"]


async def test_which_digits_were_pressed_is_no_event():
    stage = Stage(Asking(QUESTION, max_digits=4))
    stage.at(3.0, stage.carrier.press, "4921")
    await stage.run()
    assert stage.notes.events == [("digit", {"at_ms": 3000})] * 4


# -- latency -------------------------------------------------------------------------------------------------


async def test_latency_of_an_answer_is_told_step_by_step():
    async def agent(call):
        await call.say(QUESTION)
        await call.listen()
        await asyncio.sleep(0.2)
        await call.say("Fine.")
        await call.say("See you.")

    stage = Stage(agent)
    stage.ears.takes_s = 0.5  # from the first moment of quiet: 100 ms longer than the end of the silence
    stage.at(2.0, stage.callee_says, "Yes.")
    await stage.run()
    first, _, answer, following = stage.notes.turns
    assert first.latency is following.latency is None
    assert answer.latency["silence"] == pytest.approx(500, abs=40)
    assert answer.latency["recognition"] == pytest.approx(100, abs=40)
    assert answer.latency["decision"] == 200
    assert answer.latency["synthesis"] == 30
    steps = [ms for name, ms in answer.latency.items() if name != "total"]
    assert answer.latency["total"] == sum(steps)
    heard_again = next(begun for begun, _ in stage.carrier.ear() if begun > 2.0)
    assert answer.latency["total"] == pytest.approx((heard_again - 2.24) * 1000, abs=40)


async def test_what_words_waited_for_other_calls_words_is_told_apart():
    agent = Asking(QUESTION, "Fine.", no_reply_s=1.0)
    stage = Stage(agent)
    stage.ears.waits_ms, stage.ears.takes_s = 600, 0.1
    stage.at(2.0, stage.callee_says, "Yes.")
    await stage.run()
    latency = stage.notes.turns[2].latency
    assert latency["waiting"] + latency["recognition"] == pytest.approx(300, abs=40)
    assert latency["recognition"] == 0
    assert latency["total"] == sum(ms for name, ms in latency.items() if name != "total")


async def test_a_callee_whose_words_are_recognised_late_hears_so_once_and_is_understood():
    agent = Asking(QUESTION, "And on Tuesday?", no_reply_s=2.0)
    stage = Stage(agent)
    stage.ears.takes_s = 2.5
    stage.at(2.0, stage.callee_says, "Yes, I can.")
    stage.at(8.0, stage.callee_says, "No.")
    await stage.run()
    assert agent.heard == [Heard(text="Yes, I can."), Heard(text="No.")]
    assert stage.notes.lines == [
        f"agent: {QUESTION}",
        "callee: Yes, I can.",
        "agent: One moment, please.",
        "agent: And on Tuesday?",
        "callee: No.",
        "agent: One moment, please.",
    ]
    filler = stage.notes.turns[2]
    assert filler.start_ms - stage.notes.turns[1].end_ms == pytest.approx(1200, abs=260)
    told = [type_ for type_, _ in stage.notes.events if type_ != "turn_times"]
    assert told == ["recognition_late"], "once a call"


async def test_words_known_in_time_need_no_filler():
    agent = Asking(QUESTION, no_reply_s=2.0)
    stage = Stage(agent)
    stage.ears.takes_s = 0.9
    stage.at(2.0, stage.callee_says, "Yes, I can.")
    await stage.run()
    assert stage.notes.lines == [f"agent: {QUESTION}", "callee: Yes, I can."]
    assert stage.notes.events == []


async def test_latency_after_digits_counts_from_the_last_one():
    agent = Asking(QUESTION, "Thank you.", max_digits=4, no_reply_s=1.0)
    stage = Stage(agent)
    stage.at(2.0, stage.carrier.press, "1")
    stage.at(2.5, stage.carrier.press, "2")
    await stage.run()
    latency = stage.notes.turns[2].latency
    assert latency == {"silence": 2000, "waiting": 0, "recognition": 0, "decision": 0, "synthesis": 30, "total": 2030}


async def test_a_turn_after_silence_answers_nothing():
    stage = Stage(Asking(QUESTION, "Are you still there?", no_reply_s=1.0))
    await stage.run()
    assert [turn.latency for turn in stage.notes.turns] == [None, None]


# -- the transcript ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begins_at_s", [1.9, 1.97, 2.0, 2.02, 2.05, 2.2])
async def test_the_transcript_is_in_the_order_in_which_everybody_began(begins_at_s):
    async def agent(call):
        await asyncio.sleep(1.97)
        await call.say(QUESTION, interruptible=True)
        await call.listen(no_reply_s=1.0)

    stage = Stage(agent)
    stage.at(begins_at_s, stage.callee_says, "Hm.")
    await stage.run()
    starts = [turn.start_ms for turn in stage.notes.turns]
    assert starts == sorted(starts)


# -- a whole conversation ------------------------------------------------------------------------------------


async def test_a_conversation_by_turns():
    agent = Asking("Hello, am I speaking to Jane?", QUESTION, "Until Monday then, goodbye.")
    stage = Stage(agent)
    stage.at(2.5, stage.callee_says, "Speaking.")
    stage.at(5.8, stage.callee_says, "Monday is fine.")
    stage.at(9.5, stage.callee_says, "Goodbye.")
    stage.at(10.4, stage.carrier.stop)
    await stage.run()
    assert stage.notes.lines == [
        "agent: Hello, am I speaking to Jane?",
        "callee: Speaking.",
        f"agent: {QUESTION}",
        "callee: Monday is fine.",
        "agent: Until Monday then, goodbye.",
        "callee: Goodbye.",
    ]
    assert all(turn.end_ms <= following.start_ms for turn, following in pairwise(stage.notes.turns))


async def test_the_last_words_before_a_hang_up_are_written_down():
    async def agent(call):
        await call.say(QUESTION)
        with pytest.raises(CallEnded):
            await call.listen()

    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "No, and don't call again!")
    stage.at(3.5, stage.carrier.stop)
    await stage.run()
    assert stage.notes.lines == [f"agent: {QUESTION}", "callee: No, and don't call again!"]


# -- alone, without a session --------------------------------------------------------------------------------


class Alone:
    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.ears = Recogniser(words={CALLEE: "yes", CALLEE + 1: "no"})
        self.floor = Floor()
        self.notes = Notes()
        self.background = Background()
        engines = Engines(speech_to_text=self.ears, text_to_speech=Voice(), voice_activity=Detector()).of_call()
        self.listening = Listening(
            "call_1", self.floor, engines, self.now_ms, Transcript(self.notes), self.background, lambda utterance: None
        )

    def now_ms(self):
        return round(self.loop.time() * 1000)

    async def hears(self, number, ms):
        for _ in range(ms // FRAME_MS):
            await asyncio.sleep(FRAME_MS / 1000)
            self.listening.hearing.audio(sound(number, FRAME_MS), self.now_ms())

    async def reply(self, *, no_reply_s=1.0, max_digits=0):
        async with self.floor.verb():
            return await self.listening.listen(
                patience=Patience(), no_reply_ms=round(no_reply_s * 1000), max_digits=max_digits
            )


@pytest.fixture
async def alone():
    alone = Alone()
    yield alone
    alone.listening.hearing.disable()
    await alone.background.finish(1)


async def test_words_said_before_are_a_reply_until_they_are_forgotten(alone):
    alone.listening.hearing.enable()
    await alone.hears(CALLEE, 600)
    await alone.hears(0, 600)
    assert await alone.reply() == Heard(text="yes")
    await alone.hears(CALLEE + 1, 600)
    await alone.hears(0, 600)
    alone.listening.forget_words()
    assert await alone.reply() == Heard(silent=True)
    assert alone.notes.lines == ["callee: yes", "callee: no"], "written down all the same"


async def test_words_over_our_voice_are_no_reply(alone):
    alone.listening.hearing.enable()
    alone.floor.move(TurnEvent.SAY)
    await alone.hears(CALLEE, 600)
    await alone.hears(0, 600)
    alone.floor.move(TurnEvent.PLAYED)
    assert await alone.reply() == Heard(silent=True)
    assert alone.notes.lines == ["callee: yes"]


async def test_which_keys_mean_something(alone):
    listening = alone.listening
    assert listening.digit("1", 0), "typed ahead"
    assert await alone.reply(max_digits=1) == Heard(digits="1")
    asking = asyncio.create_task(alone.reply(max_digits=2))
    await asyncio.sleep(0.1)
    assert [listening.digit(key, alone.now_ms()) for key in "42"] == [True, True]
    assert await asking == Heard(digits="42")
    assert not listening.digit("#", alone.now_ms()), "the habitual one after an entry"
    unasked = asyncio.create_task(alone.reply())
    await asyncio.sleep(0.1)
    assert not listening.digit("5", alone.now_ms())
    assert await unasked == Heard(silent=True)


async def test_the_latency_of_a_reply_is_told_once(alone):
    alone.listening.digit("1", 0)
    await alone.reply(max_digits=1)
    asked_ms = alone.now_ms()
    assert alone.listening.latency(asked_ms, asked_ms + 30)["synthesis"] == 30
    assert alone.listening.latency(asked_ms, asked_ms + 30) is None


async def test_the_turn_is_given_back_whatever_came(alone):
    await alone.reply()
    assert alone.floor.turn is TurnState.THINKING
    alone.listening.hearing.enable()
    alone.ears.fails = True
    await alone.hears(CALLEE, 600)
    await alone.hears(0, 600)
    with pytest.raises(SpeechFailed):
        await alone.reply()
    assert alone.floor.turn is TurnState.THINKING
