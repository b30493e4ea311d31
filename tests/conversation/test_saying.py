"""Saying: the greeting, interruptions, what was really heard."""

import asyncio

import pytest

from conversation.peers import Carrier, Detector, Notes, PlainCodec, Recogniser, Stage, Tape, Voice, sound, speech_ms
from outdial.background import Background
from outdial.conversation.call_facts import Engines
from outdial.conversation.commands import Say
from outdial.conversation.floor import Floor
from outdial.conversation.listening import Listening
from outdial.conversation.media_line import MediaLine
from outdial.conversation.saying import Saying
from outdial.conversation.synthesis import Synthesis
from outdial.conversation.transcript import Transcript
from outdial.conversation.turns import TurnState
from outdial.conversation.understanding.turn_phrases import turn_phrases
from outdial.conversation.verb_results import CallEnded, SpeechFailed
from outdial.media import tones
from outdial.media.frames import frames, silence
from outdial.media.pacer import Pacer
from outdial.speech.reading.marks import Format, marked
from outdial.speech.reading.reader import AMERICAN, Reading

GREETING = "Hello Jane, this is the assistant of the clinic in Main Street."  # 3.78 s


class Talker:
    """An agent that says one thing after the other and keeps what came of it."""

    def __init__(self, *texts, interruptible=True, listen_after=False):
        self.texts = texts
        self.interruptible = interruptible
        self.listen_after = listen_after
        self.said = []
        self.heard = []

    async def __call__(self, call):
        for text in self.texts:
            self.said.append(await call.say(text, interruptible=self.interruptible))
            if self.listen_after:
                self.heard.append(await call.listen())


async def test_a_say_returns_when_the_carrier_has_played_it():
    agent = Talker(GREETING)
    stage = Stage(agent)
    await stage.run()
    (said,) = agent.said
    assert (said.text, said.played_ms, said.interrupted, said.complete) == (GREETING, 3780, False, True)
    assert stage.now_s() == pytest.approx(0.03 + 3.78, abs=0.02)
    assert len(stage.carrier.ear()) == 189
    assert stage.notes.lines == [f"agent: {GREETING}"]


async def test_the_transcript_shows_a_turn_from_its_first_frame_on():
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.voice.piece_s = 0.9  # slower than it is spoken, so the end is long in coming
    begun = []
    stage.at(0.2, lambda: begun.extend(stage.notes.turns))
    await stage.run()
    assert [(turn.text, turn.start_ms, turn.end_ms) for turn in begun] == [(GREETING, 30, None)]


async def test_a_say_without_its_mark_ends_but_proves_nothing():
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.carrier.marks_come = False
    await stage.run()
    (said,) = agent.said
    assert (said.text, said.complete) == (GREETING, False)


async def test_text_without_a_sound_is_said_at_once():
    agent = Talker("", GREETING)
    stage = Stage(agent)
    stage.at(0.3, stage.callee_says, "Hello? Yes?")
    await stage.run()
    assert [said.complete for said in agent.said] == [True, True]
    assert not agent.said[1].interrupted  # the greeting is still the first thing heard
    assert stage.notes.lines[0] == f"agent: {GREETING}"


async def test_hello_into_the_greeting_does_not_cut_it():
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.at(0.4, stage.callee_says, "Hello?")
    stage.at(1.4, stage.callee_says, "Hello?")
    await stage.run()
    assert agent.said[0].complete
    assert stage.notes.lines == [f"agent: {GREETING}", "callee: Hello?", "callee: Hello?"]
    assert not stage.notes.turns[0].interrupted


@pytest.mark.parametrize("stalled_at_s", [0.3, 0.55, 0.7])
async def test_voice_detection_that_falls_behind_makes_no_hello_longer(stalled_at_s):
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.at(0.4, stage.callee_says, "Hello?")
    stage.at(stalled_at_s, stage.detector.stall, 1.5)
    await stage.run()
    assert agent.said[0].complete
    hello = stage.notes.turns[1]
    assert (hello.text, hello.end_ms - hello.start_ms) == ("Hello?", pytest.approx(360, abs=40))
    assert hello.start_ms == pytest.approx(400, abs=40)


@pytest.mark.parametrize("held_up_at_s", [0.3, 0.55, 0.7])
async def test_a_network_that_holds_audio_up_makes_no_hello_longer(held_up_at_s):
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.at(0.4, stage.callee_says, "Hello?")
    stage.at(held_up_at_s, stage.carrier.hold_up, 1.5)
    await stage.run()
    assert agent.said[0].complete
    hello = stage.notes.turns[1]
    assert (hello.text, hello.end_ms - hello.start_ms) == ("Hello?", pytest.approx(360, abs=40))
    assert hello.start_ms == pytest.approx(400, abs=40)
    assert all(abs(at - 20 * number) <= 40 for number, (at, _) in enumerate(stage.tape.callee_frames))


async def test_hello_before_the_greeting_does_not_cut_it():
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.voice.first_s = 0.5
    stage.at(0.2, stage.callee_says, "Hello? Hello?")
    await stage.run()
    assert agent.said[0].complete


async def test_a_sentence_into_the_greeting_cuts_it():
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.at(0.5, stage.callee_says, "Who is this? What do you want?")
    await stage.run()
    (said,) = agent.said
    assert said.interrupted
    assert said.played_ms == pytest.approx(500 + 1100 - 30, abs=80)
    assert said.text == "Hello Jane, this is the"
    assert "clear" in [message for _, message in stage.carrier.sent]


async def test_an_interruption_tells_the_words_really_heard():
    agent = Talker("Hello.", GREETING, listen_after=True)
    stage = Stage(agent)
    stage.at(0.6, stage.callee_says, "Yes?")
    stage.at(3.5, stage.callee_says, "Sorry, wrong number, goodbye.")
    await stage.run()
    said = agent.said[1]
    turn = stage.notes.turns[2]
    heard_ms = 20 * sum(begun * 1000 >= turn.start_ms for begun, _ in stage.carrier.ear())
    assert said.interrupted
    assert not said.complete
    assert said.played_ms == pytest.approx(heard_ms, abs=20)
    assert GREETING.startswith(said.text)
    assert speech_ms(said.text) == pytest.approx(said.played_ms, abs=400)
    assert (turn.text, turn.interrupted, turn.end_ms - turn.start_ms) == (said.text, True, said.played_ms)
    assert max(at for at, _ in stage.tape.agent_frames) < turn.end_ms
    assert agent.heard[1].text == "Sorry, wrong number, goodbye."


async def test_an_interruption_of_unfinished_synthesis_claims_no_words_that_were_never_made():
    agent = Talker("Hi.", GREETING)
    stage = Stage(agent)
    stage.voice.piece_s, stage.voice.piece_ms = 0.5, 500
    stage.at(1.0, stage.callee_says, "Wait a moment please.")
    await stage.run()
    said = agent.said[1]
    assert said.interrupted
    assert speech_ms(said.text) <= said.played_ms + 60
    assert said.text


async def test_mm_hm_is_noted_but_does_not_interrupt():
    agent = Talker("Hello.", GREETING)
    stage = Stage(agent)
    stage.at(2.0, stage.callee_says, "Hm.")
    await stage.run()
    assert [said.complete for said in agent.said] == [True, True]
    assert stage.notes.lines == ["agent: Hello.", f"agent: {GREETING}", "callee: Hm."]


@pytest.mark.parametrize(
    ("words", "partials", "floor_taken_s"),
    [
        ("No, that is wrong, I", True, 1.0),
        ("No, that is wrong, I", False, 2.0),
        ("Okay", True, 2.0),
        ("Hello, this is", True, 2.0),
    ],
    ids=["guessed", "no guesses", "okay may be the beginning of more", "this may be she"],
)
async def test_words_guessed_over_our_voice_take_the_floor_while_they_last(words, partials, floor_taken_s):
    taken_s = []

    async def agent(call):
        await call.say("Hello.")
        said = await call.say("I am calling about the delivery of your new washing machine that was planned for today.")
        assert said.interrupted
        taken_s.append(stage.now_s())

    stage = Stage(agent)
    stage.ears.partials = partials
    stage.at(3.0, stage.callee_says, words, 3000)
    await stage.run()
    assert taken_s == [pytest.approx(3.0 + floor_taken_s, abs=0.15)]


async def test_an_uninterruptible_text_is_said_to_its_end():
    agent = Talker("Hello.", GREETING, interruptible=False)
    stage = Stage(agent)
    stage.at(1.0, stage.callee_says, "But I want to say something now!")
    await stage.run()
    assert [said.complete for said in agent.said] == [True, True]
    assert stage.ears.started == 0


async def test_words_begun_before_an_uninterruptible_text_are_not_lost():
    async def agent(call):
        await call.say("Hello.")
        await call.say("Please hold.", interruptible=False)

    stage = Stage(agent)
    stage.at(0.2, stage.callee_says, "Is anybody there?")
    await stage.run()
    assert stage.notes.lines == ["agent: Hello.", "callee: Is anybody there?", "agent: Please hold."]


async def test_an_agent_may_insist_after_an_interruption():
    agent = Talker("Hello.", GREETING, "Please let me finish.")
    stage = Stage(agent)
    stage.at(1.5, stage.callee_says, "Stop it.")
    await stage.run()
    assert [said.interrupted for said in agent.said] == [False, True, False]
    assert agent.said[2].complete


async def test_a_digit_interrupts():
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.at(1.03, stage.carrier.press, "5")
    await stage.run()
    (said,) = agent.said
    assert (said.interrupted, said.played_ms) == (True, 1000)


async def test_a_digit_before_the_first_sound_interrupts():
    agent = Talker(GREETING)
    stage = Stage(agent)
    stage.voice.first_s = 1.0
    stage.at(0.5, stage.carrier.press, "5")
    await stage.run()
    (said,) = agent.said
    assert (said.text, said.played_ms, said.interrupted) == ("", 0, True)
    assert stage.notes.lines == []


async def test_a_digit_does_not_interrupt_what_must_be_heard():
    agent = Talker(GREETING, interruptible=False)
    stage = Stage(agent)
    stage.at(1.0, stage.carrier.press, "5")
    await stage.run()
    assert agent.said[0].complete


async def test_digits_are_sent_as_tones():
    async def agent(call):
        await call.send_digits("1w#")

    stage = Stage(agent)
    await stage.run()
    pcm = tones.dtmf("1", 100) + silence(100) + silence(500) + tones.dtmf("#", 100) + silence(100)
    assert b"".join(frame for _, frame in stage.carrier.ear()) == b"".join(frames(pcm))
    assert stage.notes.events == [("digits_sent", {"count": 3})]


async def test_keys_that_do_not_exist_are_refused_and_the_call_goes_on():
    async def agent(call):
        with pytest.raises(ValueError, match="DTMF"):
            await call.send_digits("1x")
        await call.say("Sorry.")

    stage = Stage(agent)
    await stage.run()
    assert stage.notes.lines == ["agent: Sorry."]


async def test_only_one_verb_at_a_time():
    async def agent(call):
        first = asyncio.create_task(call.say(GREETING))
        await asyncio.sleep(0.5)
        with pytest.raises(ValueError, match="impossible"):
            await call.say("Meanwhile")
        with pytest.raises(ValueError, match="impossible"):
            await call.listen()
        assert (await first).complete

    stage = Stage(agent)
    assert (await stage.run()).error is None


@pytest.mark.parametrize(("fails_after", "lines"), [(0, []), (2, ["agent: Hello Jane, this is the"])])
async def test_failed_synthesis_plays_what_there_is_and_tells_the_agent(fails_after, lines, caplog):
    async def agent(call):
        with pytest.raises(SpeechFailed):
            await call.say(GREETING)
        stage.voice.fails_after = None
        assert (await call.say("Goodbye.")).complete

    stage = Stage(agent)
    stage.voice.fails_after = fails_after
    end = await stage.run()
    assert end.error is None
    assert [record.message for record in caplog.records] == ["Speech synthesis failed"]
    assert stage.notes.lines == [*lines, "agent: Goodbye."]
    assert sum(frame == sound(1000, 20) for _, frame in stage.carrier.ear()) * 20 == fails_after * 1000 + 480


async def test_every_verb_of_an_ended_call_says_so():
    refused = []

    async def agent(call):
        with pytest.raises(CallEnded):
            await call.say(GREETING)
        verbs = (
            lambda: call.say("Still there?"),
            lambda: call.listen(),
            lambda: call.send_digits("1"),
            lambda: call.transfer("+15550003"),
            lambda: call.hang_up(),
        )
        for verb in verbs:
            with pytest.raises(CallEnded):
                await verb()
            refused.append(verb)

    stage = Stage(agent)
    stage.at(1.0, stage.carrier.stop)
    await stage.run()
    assert len(refused) == 5
    assert stage.switch.transfers == []


# -- alone, without a session --------------------------------------------------------------------------------


ADDRESS = "Dr. Lee is at 12 Oak Ave. Call +1 202-555-0100 at 9 a.m."
READ = "Doctor Lee is at twelve Oak Avenue. Call two zero two, five five five, zero one zero zero at nine AM."


async def test_the_voice_says_what_people_would_and_the_transcript_has_what_was_written():
    agent = Talker(ADDRESS)
    stage = Stage(agent)
    await stage.run()
    assert stage.voice.spoken == [READ]
    assert stage.notes.lines == [f"agent: {ADDRESS}"]
    assert agent.said[0].text == ADDRESS


async def test_a_format_is_heard_and_never_seen():
    agent = Talker(f"Code {marked('1998', Format.DIGITS)}.")
    stage = Stage(agent)
    await stage.run()
    assert stage.voice.spoken == ["Code one nine nine eight."]
    assert [turn.text for turn in stage.notes.turns] == ["Code 1998."] * len(stage.notes.turns)
    assert agent.said[0].text == "Code 1998."


async def test_an_agent_s_own_pronunciations_hold_for_everything_it_says():
    reading = Reading(pronunciations=(("Nguyen", "win"),))
    stage = Stage(Talker("Hello Nguyen, how are you?", listen_after=True), reading=reading)
    command = Say(text="Dr. Nguyen!")
    stage.at(0.5, lambda: stage.commands.append(asyncio.create_task(stage.session.carry_out(command))))
    await stage.run()
    assert stage.voice.spoken == ["Hello win, how are you?", "Doctor win!"]
    assert stage.notes.lines == ["agent: Hello Nguyen, how are you?", "agent: Dr. Nguyen!"]


async def test_what_was_heard_of_a_number_is_told_by_how_long_it_takes():
    text = "Please call +1 202-555-0100 and tell them when you have the time, before noon if you can."
    agent = Talker(text)
    stage = Stage(agent)
    spoken = Reading().spoken(text)
    begins_s = 0.03 + speech_ms(spoken[: spoken.index("and tell")]) / 1000
    stage.at(begins_s, stage.callee_says, "Who is this?", 1500)
    await stage.run()
    [said] = agent.said
    assert said.interrupted
    assert said.text in ("Please call +1 202-555-0100", "Please call +1 202-555-0100 and")


class Alone:
    """Our side on a media line: a carrier plays what it says, nobody answers."""

    def __init__(self):
        self.carrier = Carrier()
        self.floor = Floor()
        self.notes = Notes()
        self.voice = Voice()
        transcript = Transcript(self.notes)
        self.media_line = MediaLine(PlainCodec(), self.carrier, Pacer(), self, Tape)
        self.carrier.media_line = self.media_line
        engines = Engines(speech_to_text=Recogniser(), text_to_speech=self.voice, voice_activity=Detector()).of_call()
        self.listening = Listening(
            "call_1", self.floor, engines, self.media_line.now_ms, transcript, Background(), lambda utterance: None
        )
        self.saying = Saying(
            "call_1",
            self.floor,
            self.media_line,
            self.voice,
            self.listening,
            transcript,
            AMERICAN,
            turn_phrases("en-US"),
        )

    def on_started(self, started): ...
    def on_audio(self, pcm, at_ms): ...
    def on_closed(self, *, orderly): ...


@pytest.fixture
async def alone():
    alone = Alone()
    alone.carrier.start()
    yield alone
    alone.media_line.close()
    alone.listening.hearing.disable()


async def test_voice_detection_runs_only_for_what_may_be_interrupted(alone):
    for interruptible in (True, False):
        speaking = asyncio.create_task(alone.saying.speak(GREETING, interruptible=interruptible))
        await asyncio.sleep(1)
        assert alone.listening.hearing.enabled is interruptible
        assert (await speaking).complete


async def test_a_key_ends_what_may_be_interrupted_and_nothing_else(alone):
    alone.saying.digit()
    assert alone.floor.turn is TurnState.THINKING
    for interruptible in (False, True):
        speaking = asyncio.create_task(alone.saying.speak(GREETING, interruptible=interruptible))
        await asyncio.sleep(1)
        alone.saying.digit()
        assert (await speaking).interrupted is interruptible


async def test_somebody_outside_cuts_off_words_but_no_tones(alone):
    alone.saying.cut_off()
    speaking = asyncio.create_task(alone.saying.speak(GREETING, interruptible=False))
    await asyncio.sleep(1)
    alone.saying.cut_off()
    said = await speaking
    assert (said.text, said.interrupted, said.complete) == ("Hello Jane, this", False, False)
    pressing = asyncio.create_task(alone.saying.press("12"))
    await asyncio.sleep(0.1)
    alone.saying.cut_off()
    assert await pressing is None
    assert [message for _, message in alone.carrier.sent].count("clear") == 1


async def test_who_gives_up_saying_something_is_not_heard_any_longer(alone):
    speaking = asyncio.create_task(alone.saying.speak(GREETING, interruptible=True))
    await asyncio.sleep(1)
    speaking.cancel()
    await asyncio.wait({speaking})
    heard = len(alone.carrier.ear())
    await asyncio.sleep(1)
    assert len(alone.carrier.ear()) == heard
    assert alone.voice.running == 0
    assert alone.floor.turn is TurnState.THINKING
    assert (await alone.saying.speak("Once more.", interruptible=True)).complete


async def test_a_key_is_pressed_to_its_end_whatever_words_were_said_before_it(alone, monkeypatch):
    monkeypatch.setattr(Synthesis, "word_ends_ms", list(range(10, 5000, 20)))
    assert (await alone.saying.speak(GREETING, interruptible=True)).complete
    spoken = len(alone.carrier.ear())
    pressing = asyncio.create_task(alone.saying.press("123456"))
    await asyncio.sleep(0.05)
    await alone.saying.finish_word()
    await pressing
    heard = b"".join(frame for _, frame in alone.carrier.ear()[spoken:])
    count = len(heard) // (16 * 2 * tones.KEY_MS) + 1
    assert heard == tones.keys("123456"[:count])[: len(heard)]
    assert len(heard) // 16 % (2 * tones.KEY_MS) in (0, tones.KEY_MS)


async def test_keys_there_are_none_of_change_nothing(alone):
    with pytest.raises(ValueError):
        await alone.saying.press("1x")
    assert alone.floor.turn is TurnState.THINKING
    assert alone.carrier.sent == []
