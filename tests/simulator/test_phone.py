"""The callees, played in virtual time: a frame is 20 ms."""

import numpy as np
import pytest

from outdial.media.frames import FRAME_MS, SILENT_FRAME, frames, silence
from outdial.media.tones import dtmf, tone
from outdial.simulator.callee_steps import AskForDigit, Say, Sound, Step, Tone, Wait, utterances
from outdial.simulator.callees import CALLEES, HUMAN, Reaction, callee_at, number_of
from outdial.simulator.phone import Ear, ScriptedPhone

LOUD = tone((200,), FRAME_MS)
ANSWERING = [callee for callee in CALLEES.values() if callee.reaction is Reaction.ANSWERS]
SPOKEN_MS_PER_CHARACTER = 65


class Conversation:
    """Plays a script against an agent; `diary` notes what the callee begins, and when (ms)."""

    def __init__(self, script: tuple[Step, ...]) -> None:
        voice = {text: silence(SPOKEN_MS_PER_CHARACTER * len(text)) for text in utterances(script)}
        self.phone = ScriptedPhone(script, voice)
        self.now_ms = 0
        self.diary: list[tuple[int, str]] = []
        self.digits = ""
        self._sound = Sound.SILENCE

    def run(self, ms: int, agent: bytes = SILENT_FRAME) -> "Conversation":
        """`ms` of this agent's audio; stops when the callee hangs up."""
        for _ in range(ms // FRAME_MS):
            if self.phone.hung_up:
                break
            self.phone.frame()
            self.phone.hear(agent)
            if self.phone.sound is not self._sound and self.phone.sound is not Sound.SILENCE:
                self.diary.append((self.now_ms, self.phone.sound))
            self._sound = self.phone.sound
            self.digits += self.phone.pressed or ""
            self.now_ms += FRAME_MS
        return self

    def speak(self, ms: int = 1000) -> "Conversation":
        return self.run(ms, LOUD)

    @property
    def utterances(self) -> int:
        return sum(1 for _, sound in self.diary if sound is Sound.SPEECH)


def test_every_number_of_the_product_has_its_callee():
    assert list(CALLEES) == [f"{number:02}" for number in range(31)]
    assert callee_at("+12025550105") is CALLEES["05"]
    for other in ("+12025550131", "+12025550199", "+15551234567", "+120255501050", "05"):
        assert callee_at(other) is HUMAN
    assert all(callee_at(number_of(id_)) is callee for id_, callee in CALLEES.items())


@pytest.mark.parametrize("callee", ANSWERING, ids=lambda callee: callee.id)
def test_no_callee_stays_on_a_silent_line_for_ever(callee):
    talk = Conversation(callee.script).run(200_000)
    assert talk.phone.hung_up


@pytest.mark.parametrize("callee", ANSWERING, ids=lambda callee: callee.id)
def test_no_callee_stays_for_ever_with_an_agent_that_never_stops(callee):
    talk = Conversation(callee.script)
    for _ in range(80):
        talk.speak(2000).run(1500)
    assert talk.phone.hung_up


def test_the_human_says_hello_then_answers_each_turn_and_says_goodbye():
    talk = Conversation(HUMAN.script).run(1500)
    assert talk.diary == [(300, Sound.SPEECH)]
    for turn in range(3):
        talk.speak(3000).run(680)
        assert talk.utterances == 1 + turn, "it lets us finish"
        talk.run(3000)
        assert talk.utterances == 2 + turn
    talk.speak().run(1400)
    assert not talk.phone.hung_up, "it waits for a goodbye"
    talk.run(500)
    assert talk.phone.hung_up


def test_a_pause_between_two_sentences_is_not_the_end_of_a_turn():
    talk = Conversation(HUMAN.script).run(1500).speak().run(500).speak()
    assert talk.utterances == 1


def test_a_click_is_not_speech():
    talk = Conversation(HUMAN.script).run(1500).run(40, LOUD).run(2000)
    assert talk.utterances == 1


def test_the_human_asks_whether_anybody_is_there_and_then_hangs_up():
    talk = Conversation(HUMAN.script).run(40_000)
    assert talk.utterances == 3  # hello, and two nudges
    assert talk.phone.hung_up


def test_the_slow_human_speaks_after_four_seconds():
    assert Conversation(CALLEES["01"].script).run(6000).diary == [(4000, Sound.SPEECH)]


def test_the_impatient_callee_cuts_in_one_and_a_half_seconds_into_the_greeting():
    talk = Conversation(CALLEES["12"].script).run(2000)
    start_ms = talk.now_ms
    talk.speak(5000)
    assert talk.utterances == 2
    assert 1500 <= talk.diary[1][0] - start_ms <= 1600


def test_after_cutting_in_it_waits_for_our_answer():
    talk = Conversation(CALLEES["12"].script).run(2000).speak(1600).run(6000)
    assert talk.utterances == 2
    talk.speak().run(2000)
    assert talk.utterances == 3


def test_the_phone_menu_repeats_itself_until_a_digit_comes():
    script = CALLEES["10"].script
    [prompt] = [step.prompt for step in script if isinstance(step, AskForDigit)]
    round_ms = SPOKEN_MS_PER_CHARACTER * len(prompt) + 4000
    talk = Conversation(script).run(300 + round_ms + 200)
    assert talk.utterances == 2
    for frame in frames(dtmf("1")):
        talk.run(20, frame)
    assert talk.phone.sound is Sound.SILENCE, "the digit cuts the prompt short"
    talk.run(1000)
    assert talk.utterances == 3


def test_some_people_press_1_instead_of_talking():
    talk = Conversation(CALLEES["14"].script).run(1500).speak().run(2000).speak().run(2000)
    assert talk.digits == "11"
    assert talk.utterances == 1


def test_a_voicemail_greets_beeps_and_records():
    talk = Conversation(CALLEES["05"].script).run(60_000)
    assert [sound for _, sound in talk.diary] == [Sound.SPEECH, Sound.BEEP]
    assert not talk.phone.hung_up
    greeting = next(step.text for step in CALLEES["05"].script if isinstance(step, Say))
    beep_at_ms = talk.diary[1][0]
    assert beep_at_ms - 500 - SPOKEN_MS_PER_CHARACTER * len(greeting) in range(380, 440)


def test_the_screening_assistant_hands_over_to_the_human():
    talk = Conversation(CALLEES["09"].script).run(8000)
    assert talk.utterances == 1
    talk.speak().run(6000)  # we say who we are; "please hold", "hello"
    assert talk.utterances == 3
    talk.speak().run(2000)
    assert talk.utterances == 4


def test_a_caller_waits_to_be_greeted():
    talk = Conversation(HUMAN.as_caller()).run(2000)
    assert talk.utterances == 0
    talk.speak().run(2000)
    assert talk.utterances == 1


def test_the_ear_takes_60_ms_of_sound_for_speech_and_200_ms_of_silence_for_its_end():
    ear = Ear()
    heard = []
    for frame in [LOUD] * 4 + [SILENT_FRAME] * 12:
        ear.hear(frame)
        heard.append(ear.speaking)
    assert heard == [False] * 2 + [True] * 11 + [False] * 3
    assert ear.silent_ms == 240


def said_of(callee_id: str, ms: int) -> list[tuple[int, str]]:
    return Conversation(CALLEES[callee_id].script).run(ms).diary


def test_who_screens_a_call_for_somebody_waits_for_our_reason_before_the_person_comes():
    for callee_id in ("26", "28"):
        talk = Conversation(CALLEES[callee_id].script).run(7500)
        before = talk.utterances
        talk.speak(2000).run(14_000)
        assert talk.utterances == before + 2, "it says that it connects us, and then somebody says hello"


def test_a_screening_that_nobody_takes_ends_at_a_beep():
    talk = Conversation(CALLEES["27"].script).run(11_000).speak(2000).run(25_000)
    assert talk.diary[-1][1] is Sound.BEEP


def test_a_second_beep_comes_after_more_words():
    sounds = [sound for _, sound in said_of("25", 40_000)]
    assert sounds == [Sound.SPEECH, Sound.BEEP, Sound.SPEECH, Sound.BEEP]


def test_an_announcement_follows_three_rising_tones():
    assert said_of("30", 5000) == [(200, Sound.SIT), (1400, Sound.SPEECH)]


def test_music_plays_as_long_as_it_is_to():
    [(began, _)] = [entry for entry in said_of("29", 30_000) if entry[1] is Sound.MUSIC]
    talk = Conversation((Tone(Sound.MUSIC, 12_000), Say("Hello.")))
    assert talk.run(13_000).diary == [(0, Sound.MUSIC), (12_000, Sound.SPEECH)]
    assert began > 0


def test_what_is_said_near_the_phone_is_heard_all_the_time_and_20_db_fainter():
    voice = {"news": tone((300,), 500, level_dbfs=-10.0)}
    phone = ScriptedPhone((Wait(3000),), voice, behind="news")
    heard = b"".join(phone.frame() for _ in range(100))
    samples = np.frombuffer(heard, dtype="<i2").astype(float)
    assert 20 * np.log10(np.sqrt(np.mean(samples**2)) / 32767) == pytest.approx(-30.0, abs=0.5)
    assert CALLEES["22"].behind in CALLEES["22"].utterances
