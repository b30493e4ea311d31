"""Who answered, and what to do: the rules that hold whatever the weights say."""

import pytest

from conversation.detection.calls import beep, evidence, windows, words
from outdial.conversation.detection.judge import Decision, judge
from outdial.conversation.detection.talk import WINDOW_MS
from outdial.media.tone_tracker import ToneKind
from outdial.telephony.verdict import AnsweredBy

HUMAN, MACHINE, NETWORK = AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.NETWORK
OTHERS = (AnsweredBy.SCREENING, AnsweredBy.MENU, NETWORK, AnsweredBy.SILENCE, AnsweredBy.UNKNOWN)
TAPE = "I can't come to the phone. Please leave a message."


def likely(category, share=0.95):
    rest = (1 - share) / 6
    return dict.fromkeys((HUMAN, MACHINE, *OTHERS), rest) | {category: share}


def greeting(until_ms=5500, text=None):
    heard = windows((480, 4480), until_ms=until_ms)
    return [*heard, words(text, 480, 4480)] if text else heard


def decided(*heard, now_ms, who=HUMAN, share=0.95):
    found = judge(evidence(*heard, now_ms=now_ms), likely(who, share))
    return found.category, found.decision


# -- hanging up --------------------------------------------------------------------------------------------------


def test_two_independent_cues_and_a_high_likelihood_hang_up():
    assert decided(greeting(text=TAPE), beep(4800), now_ms=5500, who=MACHINE) == (MACHINE, Decision.HANG_UP)


@pytest.mark.parametrize("heard", [greeting(), [*greeting(), beep(4800)], greeting(text="You have reached Tom.")])
def test_one_cue_never_does(heard):
    assert decided(heard, now_ms=5500, who=MACHINE)[1] is not Decision.HANG_UP


def test_nor_does_a_likelihood_that_is_not_high():
    assert decided(greeting(text=TAPE), beep(4800), now_ms=5500, who=MACHINE, share=0.4)[1] is Decision.HOLD


def test_with_somebody_talking_behind_it_takes_a_third_cue_and_a_higher_likelihood():
    tape = [*windows((480, 4480), until_ms=8000, behind=((5000, 8000),)), words(TAPE, 480, 4480)]
    assert decided(tape, now_ms=8000, who=MACHINE)[1] is not Decision.HANG_UP
    assert decided(tape, beep(4800), now_ms=8000, who=MACHINE)[1] is Decision.HANG_UP
    assert decided(tape, beep(4800), now_ms=8000, who=MACHINE, share=0.6)[1] is not Decision.HANG_UP


def test_who_beeps_and_is_silent_takes_less():
    assert decided(greeting(until_ms=7500), beep(4800), now_ms=7500, who=MACHINE, share=0.45)[1] is Decision.HANG_UP


@pytest.mark.parametrize(
    "text",
    [
        "She can't come to the phone right now, leave your number and she'll call you back.",
        "I can't come to the phone for long, who is this? Don't leave a message.",
    ],
)
def test_who_says_what_people_say_is_hung_up_on_for_a_beep_only(text):
    assert decided(greeting(text=text), now_ms=5500, who=MACHINE)[1] is not Decision.HANG_UP
    assert decided(greeting(text=text), beep(4800), now_ms=5500, who=MACHINE)[1] is Decision.HANG_UP


def test_who_asks_for_a_name_takes_more():
    heard = greeting(text="At the tone, please say your name.")
    assert decided(heard, now_ms=5500, who=MACHINE, share=0.75)[1] is not Decision.HANG_UP


def test_a_fax_is_hung_up_on_at_once_and_who_speaks_is_none():
    fax = beep(500, 1600, ToneKind.FAX, (2100.0,))
    assert decided(windows(until_ms=2200), fax, now_ms=2200) == (AnsweredBy.FAX, Decision.HANG_UP)
    assert decided(greeting(), fax, now_ms=5500)[0] is HUMAN


# -- the leash ---------------------------------------------------------------------------------------------------


def test_nobody_spoke_for_two_seconds():
    assert decided(windows(until_ms=1920), now_ms=1920)[1] is Decision.HOLD
    assert decided(windows(until_ms=2016), now_ms=2016)[1] is Decision.SPEAK


@pytest.mark.parametrize(("first_ms", "speaks_ms"), [(0, 2000), (400, 2000), (1700, 2200), (3000, 3500)])
def test_audio_that_comes_late_is_listened_to_before_anybody_is_said_not_to_have_spoken(first_ms, speaks_ms):
    heard = [one for one in windows(until_ms=4000) if one.at_ms - WINDOW_MS >= first_ms]
    by_time = {one.at_ms: decided([each for each in heard if each.at_ms <= one.at_ms], now_ms=one.at_ms)[1]
               for one in heard}  # fmt: skip
    first = next(at_ms for at_ms, decision in by_time.items() if decision is Decision.SPEAK)
    assert speaks_ms <= first <= speaks_ms + 2 * WINDOW_MS


@pytest.mark.parametrize(("quiet_ms", "decision"), [(320, Decision.HOLD), (480, Decision.SPEAK)])
def test_who_is_most_likely_a_person_is_answered_at_once(quiet_ms, decision):
    heard = [*windows((480, 1088), until_ms=3000), words("Hello?", 480, 1088)]
    assert decided(heard, now_ms=1088 + quiet_ms) == (HUMAN, decision)


@pytest.mark.parametrize(("quiet_ms", "decision"), [(800, Decision.HOLD), (1050, Decision.SPEAK)])
def test_whose_words_are_not_known_waits_a_second(quiet_ms, decision):
    assert decided(windows((480, 1088), until_ms=3000), now_ms=1088 + quiet_ms, share=0.4)[1] is decision


def test_a_person_who_says_a_machines_words_is_answered_as_well():
    heard = [*windows((480, 2080), until_ms=4000), words("Thank you for calling, how can I help?", 480, 2080)]
    assert decided(heard, now_ms=2900) == (HUMAN, Decision.SPEAK)
    assert decided(heard, now_ms=2900, share=0.4)[1] is Decision.SPEAK  # a question
    told = [*windows((480, 2080), until_ms=4000), words("Thank you for calling.", 480, 2080)]
    assert decided(told, now_ms=2900, share=0.4)[1] is Decision.HOLD
    assert decided(told, now_ms=3500, share=0.4)[1] is Decision.SPEAK


def test_who_talks_without_an_end_is_spoken_to():
    assert decided(windows((480, 6800), until_ms=6800), now_ms=6800)[1] is Decision.HOLD
    assert decided(windows((480, 7040), until_ms=7040), now_ms=7040)[1] is Decision.SPEAK


# -- categories --------------------------------------------------------------------------------------------------


def test_a_machine_without_any_cue_takes_a_higher_likelihood():
    assert decided(windows((480, 2080), until_ms=3000), now_ms=2500, who=MACHINE, share=0.7)[0] is HUMAN
    assert decided(windows((480, 2080), until_ms=3000), now_ms=2500, who=MACHINE, share=0.9)[0] is MACHINE


def test_who_spoke_is_not_silent():
    assert decided(windows((480, 2080), until_ms=3000), now_ms=2500, who=AnsweredBy.SILENCE)[0] is HUMAN


def test_silence_takes_its_time():
    assert decided(windows(until_ms=4000), now_ms=4000, who=AnsweredBy.SILENCE)[0] is AnsweredBy.UNKNOWN
    assert decided(windows(until_ms=5100), now_ms=5100, who=AnsweredBy.SILENCE)[0] is AnsweredBy.SILENCE


def test_a_judgement_says_why():
    found = judge(evidence(greeting(text=TAPE), beep(4800), now_ms=5500), likely(MACHINE))
    assert found.evidence[:2] == ("beep at 4.8 s, 1000 Hz", "said 'leave a message'")
    assert found.confidence == 0.95
