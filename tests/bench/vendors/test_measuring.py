"""What belongs to one turn, of what vendors, model and carrier noted; and when a number of calls is held."""

import math
from types import SimpleNamespace

import pytest

from bench.vendors.against_pipecat import Heard
from bench.vendors.measuring import Turn, holds, joined

ONE, OTHER = "+15550000001", "+15550000002"


def test_a_turn_is_what_is_noted_of_one_callee_between_its_word_and_the_reply():
    ends = [[1, 10.5], [2, 10.6], [1, 20.5]]
    answers = [[ONE, 10.504, 10.8, 10.9], [OTHER, 10.61, 10.9, 11.0], [ONE, 20.507, 20.8, 20.9], ["", 1.0, 1.0, 1.0]]
    spoken = [[1, 10.902, 11.02], [1, 20.901, 21.02]]
    replies = [[ONE, 10.0, 11.021], [ONE, 20.0, 21.024], [OTHER, 30.0, 30.9]]
    first, second = joined(ends, answers, spoken, replies)
    assert (first.before, first.between, first.after, first.heard) == pytest.approx((4, 2, 1, 1021))
    assert second.added == pytest.approx(7 + 1 + 4)


def test_what_was_under_way_is_no_turn():
    assert joined([[1, 10.5]], [[ONE, 10.504, 10.8, 10.9]], [], [[ONE, 10.0, 11.0]]) == []
    assert joined([], [[ONE, 10.504, 10.8, 10.9]], [[1, 10.902, 10.95]], [[ONE, 10.0, 11.0]]) == []
    assert not holds([])


def heard(*turns_ms, **counted):
    turns = [Turn(before=1, between=1, after=1, heard=ms) for ms in turns_ms]
    tally = {"unanswered": 0, "long_gaps": 0, "utterances": 200} | counted
    return Heard(step=SimpleNamespace(heard=tally), turns=turns)


def test_calls_are_held_while_turns_are_as_fast_as_with_few_and_nobody_is_left_alone():
    few = heard(950, 960)
    assert heard(1000, 1050).keeps_up(few)
    assert not heard(1000, 1070).keeps_up(few)
    assert not heard(950, unanswered=1).keeps_up(few)
    assert heard(950, long_gaps=2).keeps_up(few)
    assert not heard(950, long_gaps=3).keeps_up(few)
    assert not heard().keeps_up(few), "nobody was answered"
    assert math.isnan(heard().turn_p95_ms)
