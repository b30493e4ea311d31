"""What belongs to one turn, of what server, model and carrier noted."""

import pytest

from bench.llm import joined

ONE, OTHER = "+15550000001", "+15550000002"


def test_a_turn_is_what_happened_to_one_callee_between_its_word_and_the_reply():
    decisions = [[ONE, 10.5], [OTHER, 10.6], [ONE, 20.5], ["", 20.55]]
    answers = [[ONE, 10.504, 10.8, 10.9], [OTHER, 10.61, 10.9, 11.0], [ONE, 20.507, 20.8, 20.9]]
    replies = [[ONE, 10.0, 10.901], [ONE, 20.0, 20.903], [OTHER, 30.0, 30.9]]
    first, second = joined(decisions, answers, replies)
    assert (first.before, first.after) == pytest.approx((4, 1))
    assert (second.before, second.after) == pytest.approx((7, 3))


def test_what_was_under_way_is_no_turn():
    assert joined([[ONE, 10.5]], [[ONE, 10.504, 10.8, 10.95]], [[ONE, 10.0, 10.9]]) == [], "a filler was heard first"
    assert joined([], [[ONE, 10.504, 10.8, 10.9]], [[ONE, 10.0, 10.95]]) == []
    assert joined([[ONE, 9.5]], [[ONE, 10.504, 10.8, 10.9]], [[ONE, 10.0, 10.95]]) == []
