"""When a machine takes a message."""

import pytest

from conversation.detection.calls import beep, evidence, windows, words
from outdial.conversation.detection.greeting_end import GreetingEnd, greeting_end, live_phrases

FOUND_MS = 3000
GREETING = (200, 2900)


def end(*spoken, now_ms, said=(), tones=()):
    heard = [windows(GREETING, *spoken, until_ms=now_ms), *said, *tones]
    return greeting_end(evidence(*heard, now_ms=now_ms), FOUND_MS, 0)


def test_it_ends_with_a_beep_that_nobody_talks_after():
    assert end(now_ms=4000, tones=[beep(3400)]) is GreetingEnd.BEEP
    assert end((3900, 4400), now_ms=4600, tones=[beep(3400)]) is None


def test_it_ends_with_silence():
    assert end(now_ms=4500) is None
    assert end(now_ms=4700) is GreetingEnd.SILENCE


def test_what_goes_on_softly_may_be_its_own_end_for_nearly_two_seconds():
    soft = windows(GREETING, behind=[(2900, 6000)], until_ms=4850)
    assert greeting_end(evidence(soft, now_ms=4700), FOUND_MS, 0) is None
    assert greeting_end(evidence(soft, now_ms=4850), FOUND_MS, 0) is GreetingEnd.SILENCE


def test_what_goes_on_softly_is_waited_for_longer_while_its_words_may_come():
    soft = windows(GREETING, behind=[(2900, 8000)], until_ms=6400)
    assert greeting_end(evidence(soft, now_ms=6200), FOUND_MS, 0, words_due=True) is None
    assert greeting_end(evidence(soft, now_ms=6400), FOUND_MS, 0, words_due=True) is GreetingEnd.SILENCE
    silent = windows(GREETING, until_ms=4700)
    assert greeting_end(evidence(silent, now_ms=4700), FOUND_MS, 0, words_due=True) is GreetingEnd.SILENCE


@pytest.mark.parametrize(
    ("later", "now_ms", "ends"),
    [
        ([(3700, 4200)], 5000, False),                                # once
        ([(3700, 4200), (5200, 5700)], 6500, True),                   # "Hello? … Hello?"
        ([(3700, 4200), (5200, 5700)], 6200, False),                  # may go on yet
        ([(3700, 4200), (4600, 5100), (5500, 6000)], 6800, False),    # sentences of a greeting
        ([(3700, 4200), (5200, 7700)], 8500, False),                  # one of which is long
    ],
)
def test_it_ends_where_somebody_asks_and_asks_again(later, now_ms, ends):
    assert end(*later, now_ms=now_ms) is (GreetingEnd.ASKS if ends else None)


def test_what_was_said_before_it_was_found_is_no_question_after_it():
    assert greeting_end(evidence(windows((500, 900), (2000, 2400), until_ms=3200), now_ms=3200), FOUND_MS, 0) is None


def test_words_of_people_need_be_heard_once():
    who = words("Who is this?", 3700, 4200)
    assert end((3700, 4200), now_ms=5250, said=[who]) is GreetingEnd.ASKS
    assert end((3700, 4200), now_ms=5000, said=[who]) is None
    before = evidence(windows(GREETING, (3700, 4200), until_ms=5250), who, now_ms=5250)
    assert greeting_end(before, FOUND_MS, live_phrases(before)) is None, "they were known before"
