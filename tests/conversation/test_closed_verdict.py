"""When what a closed recogniser found counts as the answer."""

import math

import pytest

from outdial.conversation.closed_verdict import Verdict, verdict
from outdial.speech.base import Closest


def found(*, fit=-48.0, lead=1000.0, alike=0.6, other_alike=0.3):
    return Closest(answer=0, fit=fit, lead=lead, alike=alike, other_alike=other_alike)


def test_all_signs_together_make_an_answer():
    assert verdict(found(), yes_or_no=False) is Verdict.ANSWER


@pytest.mark.parametrize(
    "weaker",
    [{"fit": -75.0}, {"alike": 0.2}, {"lead": -200.0, "other_alike": 0.6}, {"other_alike": 1.0, "lead": -100.0}],
)
def test_what_fits_badly_or_sounds_like_something_else_is_none(weaker):
    assert verdict(found(**weaker), yes_or_no=False) is Verdict.NOTHING


def test_nothing_found_is_nothing():
    assert verdict(None, yes_or_no=True) is Verdict.NOTHING


def test_a_yes_close_to_a_no_is_doubtful_and_a_day_close_to_another_isnt():
    close = found(lead=100.0, alike=0.8)
    assert verdict(close, yes_or_no=True) is Verdict.DOUBT
    assert verdict(close, yes_or_no=False) is Verdict.ANSWER


def test_words_that_plainly_sound_like_it_are_enough_unless_it_is_a_yes_or_a_no():
    plain = found(fit=-80.0, lead=0.0, alike=0.9, other_alike=0.4)
    assert verdict(plain, yes_or_no=False) is Verdict.ANSWER
    assert verdict(plain, yes_or_no=True) is Verdict.DOUBT


def test_an_only_answer_has_no_other_to_be_ahead_of():
    assert verdict(found(lead=math.inf, other_alike=0.0), yes_or_no=False) is Verdict.ANSWER
