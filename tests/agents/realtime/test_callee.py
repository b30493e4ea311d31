"""What is kept of a callee's turns, as a realtime model's server tells them."""

from outdial.agents.realtime.callee import MOST_TURNS, Callee


def test_a_turn_is_kept_until_its_words_are_known():
    callee = Callee(padding_ms=300, silence_ms=500)
    callee.sent.sent(4000, 9000)
    callee.began("one", 700)
    turn = callee.stopped("one", 3000)
    assert (turn.start_ms, turn.end_ms) == (6000, 7500)
    assert callee.is_pending
    assert callee.known("one", "Yes.") is turn
    assert not callee.is_pending
    assert callee.known("one", "Yes.") is None


def test_a_server_that_writes_nothing_down_is_waited_for_no_longer_than_some_turns():
    callee = Callee(padding_ms=300, silence_ms=500)
    left = []
    for number in range(3 * MOST_TURNS):
        callee.began(f"{number}", 0)
        callee.stopped(f"{number}", 0)
        left += callee.overdue()
    assert [turn.item for turn in left] == [f"{number}" for number in range(2 * MOST_TURNS)]
    assert len(callee.begin_anew()) == MOST_TURNS
