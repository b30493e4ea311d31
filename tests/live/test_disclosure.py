"""What has to be disclosed counts as heard where the transcript has it as heard, whole."""

from dataclasses import replace

import pytest

from outdial.conversation.transcript import Speaker, Turn
from outdial.live.disclosure import DisclosureWatch

SENTENCE = "This is an automated call, and it's recorded."
TURN = Turn(seq=1, speaker=Speaker.AGENT, text=f"Hello Jane. {SENTENCE} May I ask you something?", start_ms=0)


@pytest.fixture
def watch():
    return DisclosureWatch(SENTENCE)


def test_it_is_heard_when_the_turn_with_it_is_over(watch):
    watch.turn(TURN)
    assert (watch.is_due, watch.heard_at_ms) == (True, None)
    watch.turn(replace(TURN, end_ms=5200))
    assert watch.heard_at_ms == 5200


def test_the_first_time_counts(watch):
    watch.turn(replace(TURN, end_ms=5200))
    watch.turn(replace(TURN, seq=2, end_ms=9000))
    assert watch.heard_at_ms == 5200


def test_spelling_does_not_matter(watch):
    watch.turn(replace(TURN, text="THIS is an automated call - and it's  recorded", end_ms=1))
    assert watch.heard_at_ms == 1


@pytest.mark.parametrize(
    "heard", ["Hello Jane. This is an automated call, and", "", "It's recorded, and this is an automated call."]
)
def test_half_of_it_does_not_count(watch, heard):
    watch.turn(replace(TURN, text=heard, end_ms=3000, interrupted=True))
    assert watch.heard_at_ms is None


def test_a_word_that_only_begins_so_is_another_one(watch):
    watch.turn(replace(TURN, text=f"{SENTENCE[:-1]}ly", end_ms=1))
    assert watch.heard_at_ms is None


def test_what_the_callee_says_discloses_nothing(watch):
    watch.turn(replace(TURN, speaker=Speaker.CALLEE, end_ms=3000))
    assert watch.heard_at_ms is None


@pytest.mark.parametrize("nothing", [None, "", " … "])
def test_nothing_to_disclose_is_never_heard(nothing):
    watch = DisclosureWatch(nothing)
    watch.turn(replace(TURN, end_ms=1))
    assert (watch.is_due, watch.heard_at_ms) == (False, None)
