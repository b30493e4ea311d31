"""Evidence, in words that a person understands."""

import pytest

from conversation.detection.calls import beep, evidence, windows, words
from outdial.media.tone_tracker import ToneKind
from outdial.telephony.verdict import AnsweredBy

MACHINE, HUMAN = AnsweredBy.MACHINE, AnsweredBy.HUMAN
GREETING = windows((480, 4480), until_ms=8000)


def test_what_speaks_for_a_machine():
    found = evidence(
        GREETING, words("I can't come to the phone. Please leave a message.", 480, 4480), beep(6200), now_ms=8000
    )
    told = found.in_words(MACHINE)
    assert told[0] == "beep at 6.2 s, 1000 Hz"
    assert "said 'leave a message'" in told
    assert found.machine_cues() >= 3


def test_long_talk_is_told_with_its_length():
    found = evidence(windows((480, 7680), until_ms=8000), now_ms=8000)
    assert "spoke 7 s without a pause" in found.in_words(MACHINE)
    assert found.machine_cues() == 1


def test_what_speaks_for_a_person():
    found = evidence(windows((480, 1088), until_ms=2000), words("Hello?", 480, 1088), now_ms=2000)
    assert found.in_words(HUMAN) == ("said hello", "asked a question", "spoke 0.6 s, then paused")
    assert found.machine_cues() == 0


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        ([beep(500)], "nobody has spoken before"),
        ([*GREETING, beep(4500), beep(5000), beep(5500)], "so many are music"),
    ],
)
def test_a_beep_that_is_no_machines(heard, why):
    assert evidence(heard, now_ms=8000).beep is None, why


def test_silence_after_the_beep_is_a_cue_of_its_own():
    soon, later = (evidence(GREETING, beep(4800), now_ms=now_ms) for now_ms in (5600, 7500))
    assert later.machine_cues() == soon.machine_cues() + 1
    talks_on = evidence(windows((480, 4480), (5600, 7000), until_ms=8000), beep(4800), now_ms=8000)
    assert not talks_on.is_quiet_after_beep


def test_two_phrases_of_a_tape_are_two_cues():
    one = evidence(GREETING, words("You have reached Tom.", 480, 4480), now_ms=5000)
    two = evidence(GREETING, words("You have reached Tom. I am not available.", 480, 4480), now_ms=5000)
    assert (one.machine_cues(), two.machine_cues()) == (1, 2)


def test_words_recognised_again_take_the_place_of_those_before():
    found = evidence(GREETING, words("You have reached.", 480, 2400), words("Hello there.", 480, 4480), now_ms=6000)
    assert found.said.text == "Hello there."
    assert found.said.known == 2


def test_who_talks_behind_is_told():
    found = evidence(windows((480, 1280), until_ms=6000, behind=((2000, 6000),)), now_ms=6000)
    assert found.talk_behind
    assert "somebody talks in the background" in found.in_words(HUMAN)


def test_a_language_nobody_recognises_is_told():
    found = evidence(GREETING, now_ms=5000, language=None)
    assert "words not known in this language" in found.in_words(HUMAN)


def test_the_networks_tone():
    found = evidence(beep(300, 1000, ToneKind.SIT, (985.0,)), GREETING, now_ms=5000)
    assert found.in_words(AnsweredBy.NETWORK)[0] == "information tone at 0.3 s, 985 Hz"


def test_loops_are_what_an_english_recogniser_makes_of_another_language():
    loop = evidence(GREETING, words("The first is the first is the first is the first.", 480, 4480), now_ms=5000)
    plain = evidence(GREETING, words("I was in the garden, who is this?", 480, 4480), now_ms=5000)
    assert loop.said.loops > 0.4 > plain.said.loops
