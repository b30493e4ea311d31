"""The callee's voice as utterances, without a conversation around it."""

import asyncio

import pytest

from conversation.peers import Detector, Recogniser, sound
from outdial.conversation.endpointing import Patience
from outdial.conversation.hearing import DEAF_MS, LOUD, MAX_UTTERANCE_MS, PRE_ROLL_MS, Hearing
from outdial.conversation.turn_words import Asked
from outdial.media.frames import FRAME_BYTES, FRAME_MS, SILENT_FRAME
from outdial.speech.base import TurnTold
from outdial.speech.by_utterance import ByUtterance


class Ear:
    def __init__(self):
        self.ms = 0
        self.engine = Recogniser(words={1: "yes", 2: "no"}, takes_s=0.0)
        self.detector = Detector()
        self.voices = []
        self.utterances = []
        self.hearing = Hearing(
            ByUtterance(self.engine), self.detector, lambda: self.ms, self.voices.append, self.utterances.append
        )

    async def hears(self, number, ms):
        """The callee makes this sound (0: none), in real time."""
        await self.hears_frames(sound(number, FRAME_MS) if number else SILENT_FRAME, ms)

    async def hears_frames(self, frame, ms):
        assert len(frame) == FRAME_BYTES
        for _ in range(ms // FRAME_MS):
            self.ms += FRAME_MS
            self.hearing.audio(frame, self.ms)
            await asyncio.sleep(FRAME_MS / 1000)


@pytest.fixture
async def ear():
    ear = Ear()
    ear.hearing.enable()
    yield ear
    ear.hearing.disable()
    assert ear.detector.open_streams == 0


async def test_an_utterance_is_from_the_first_voice_to_the_last(ear):
    await ear.hears(0, 1000)
    await ear.hears(1, 800)
    await ear.hears(0, 600)
    (utterance,) = ear.utterances
    assert ear.hearing.current is None
    assert utterance.start_ms == pytest.approx(1000, abs=40)
    assert utterance.end_ms == pytest.approx(1800, abs=40)
    assert await utterance.text() == "yes"


async def test_the_first_voice_of_the_callee_is_told_once(ear):
    told = []
    ear.hearing.on_heard = lambda: told.append(ear.ms)
    await ear.hears(0, 1000)
    assert told == []
    for _ in range(2):
        await ear.hears(1, 400)
        await ear.hears(0, 600)
    assert len(ear.utterances) == 2
    assert told == [pytest.approx(1064, abs=40)]


@pytest.mark.parametrize(
    ("number", "ms", "heard"),
    [(3000, 200, True), (3000, 180, False), (LOUD - 1, 2000, False), (LOUD, 200, True)],
    ids=["a voice", "a click", "line noise", "a quiet voice"],
)
async def test_who_speaks_into_what_nobody_may_interrupt_is_noticed_without_a_detector(ear, number, ms, heard):
    told = []
    ear.hearing.on_heard = lambda: told.append(ear.ms)
    ear.hearing.disable()
    await ear.hears(0, 500)
    await ear.hears(number, ms)
    assert (len(told) == 1) is heard
    assert ear.utterances == []


async def test_what_came_before_the_detector_was_sure_is_part_of_it(ear):
    await ear.hears(2, PRE_ROLL_MS)
    ear.hearing.disable()
    ear.hearing.enable()
    await ear.hears(1, 400)
    ear.hearing.disable()
    assert [await utterance.text() for utterance in ear.utterances] == ["no", "yes"]
    assert ear.utterances[1]._recognition.fed_ms(1) == 400, "all of it, and nothing of before it was enabled"
    assert ear.utterances[1]._recognition.fed_ms(2) == 0


async def test_what_came_before_the_detector_was_sure_is_part_of_it_also_right_after_another(ear):
    """A soft "p" that begins in the silence by which the utterance before it ended."""
    ear.hearing.patience = Patience(pause_ms=300)
    soft = sound(7, FRAME_MS)[:2].ljust(FRAME_BYTES, b"\0")  # the detector takes it for silence
    await ear.hears(1, 400)
    await ear.hears(0, 260)
    await ear.hears_frames(soft, 80)
    assert len(ear.utterances) == 1, "its silence has ended it by now"
    await ear.hears(2, 400)
    await ear.hears(0, 500)
    assert ear.utterances[1]._recognition.fed_ms(7) == 80


async def test_voice_is_told_while_it_lasts_and_not_in_pauses(ear):
    await ear.hears(1, 500)
    told = len(ear.voices)
    assert told > 5
    assert set(ear.voices) == {ear.hearing.current}
    await ear.hears(0, 400)
    assert len(ear.voices) == told
    assert ear.utterances == []


async def test_recognition_that_began_in_a_pause_begins_anew_when_the_callee_goes_on(ear):
    ear.engine.takes_s = 0.02
    await ear.hears(1, 500)
    await ear.hears(0, 300)
    assert (ear.engine.started, ear.engine.running) == (1, 0), "while we wait whether it is the end"
    await ear.hears(2, 500)
    await ear.hears(0, 600)
    (utterance,) = ear.utterances
    assert await utterance.text() == "yes no"
    assert ear.engine.started == 2


VOICE, HANGOVER = 2001, 20  # what the detector still takes for voice, 40 dB below
YES_NO = Asked(question="Does that work?", is_answer=lambda text: text == "yes")


async def test_a_whole_answer_is_taken_soon_after_its_sound_though_the_detector_goes_on(ear):
    ear.engine.words[VOICE], ear.engine.takes_s = "yes", 0.1
    ear.hearing.asked = YES_NO
    await ear.hears(0, 400)
    await ear.hears(VOICE, 600)
    await ear.hears(HANGOVER, 100)
    taken_ms = []
    ear.hearing._on_utterance = lambda utterance: taken_ms.append(ear.ms)
    await ear.hears(0, 600)
    assert taken_ms[0] - 1000 == pytest.approx(300, abs=50)


async def test_an_utterance_ends_with_its_sound_not_with_the_detectors_voice(ear):
    await ear.hears(0, 400)
    await ear.hears(VOICE, 600)
    await ear.hears(HANGOVER, 100)
    await ear.hears(0, 700)
    (utterance,) = ear.utterances
    assert utterance.end_ms == 1000
    assert utterance.enough_ms == pytest.approx(600, abs=40), "as long as before, by the detector"


async def test_words_are_asked_for_at_the_first_quiet_and_once_for_an_answer(ear):
    ear.engine.words[VOICE] = "yes"
    await ear.hears(VOICE, 600)
    await ear.hears(0, 140)
    assert ear.engine.started == 1
    await ear.hears(0, 600)
    assert await ear.utterances[0].text() == "yes"
    assert ear.engine.started == 1


async def test_short_gaps_between_words_have_a_long_speech_recognised_a_few_times_at_most(ear):
    for _ in range(20):
        await ear.hears(VOICE, 200)
        await ear.hears(0, 140)
    await ear.hears(0, 700)
    assert len(ear.utterances) == 1
    assert ear.engine.started <= 10


async def test_words_are_guessed_while_they_last_where_somebody_waits_for_them(ear):
    guessed = []
    ear.hearing.on_partial = lambda utterance, text: guessed.append((ear.ms, text))
    ear.engine.words[VOICE], ear.engine.partials = "wait a moment", True
    await ear.hears(VOICE, 1500)
    await ear.hears(0, 1000)
    assert (len(ear.utterances), guessed) == (1, [])
    await ear.hears(VOICE, 300)
    ear.hearing.be_quick()
    began_ms = ear.ms - 300
    await ear.hears(VOICE, 3700)
    assert {text for _, text in guessed} == {"wait a moment"}
    assert [ms - began_ms for ms, _ in guessed] == [pytest.approx(ms, abs=80) for ms in (1020, 1640, 2640)]


@pytest.mark.parametrize("until_silence_ms", [300, 1500])
async def test_how_much_silence_ends_it_can_be_set(ear, until_silence_ms):
    ear.hearing.patience = Patience(pause_ms=until_silence_ms)
    await ear.hears(1, 500)
    await ear.hears(0, until_silence_ms - 60)
    assert ear.utterances == []
    await ear.hears(0, 160)
    assert len(ear.utterances) == 1


async def test_endless_sound_is_cut_into_utterances(ear):
    await ear.hears(1, MAX_UTTERANCE_MS + 500)
    assert len(ear.utterances) == 1
    assert ear.hearing.current is not None


async def test_an_utterance_of_which_no_more_audio_comes_ends(ear):
    await ear.hears(1, 500)
    ear.hearing.check()
    assert ear.utterances == []
    ear.ms += DEAF_MS
    ear.hearing.check()
    (utterance,) = ear.utterances
    assert await utterance.text() == "yes"


async def test_nothing_is_heard_while_it_is_disabled(ear):
    await ear.hears(1, 500)
    ear.hearing.disable()
    ear.hearing.disable()
    assert not ear.hearing.enabled
    assert len(ear.utterances) == 1, "ended by it"
    await ear.hears(2, 1000)
    ear.hearing.enable()
    ear.hearing.enable()
    await ear.hears(0, 200)
    assert ear.hearing.current is None
    assert len(ear.utterances) == 1


class Follower(ByUtterance):
    """A recogniser that follows turns."""

    turn = TurnTold.OPEN

    def told(self, quiet_since_ms):
        return self.turn


async def test_an_utterance_ends_when_its_recogniser_says_so_and_no_sooner():
    ear = Ear()
    follower = ear.hearing._recogniser = Follower(ear.engine)
    follower.changed = ear.hearing.recogniser_told
    ear.hearing.enable()
    await ear.hears(1, 800)
    await ear.hears(0, 900)
    assert ear.utterances == []  # half a second is mostly enough
    follower.turn = TurnTold.ENDED
    follower.changed()
    (utterance,) = ear.utterances
    assert await utterance.text() == "yes"
    ear.hearing.disable()
