"""How long lines stay free: which end makes room for which dial."""

import pytest

from bench.freed import stayed_free_ms


def test_the_end_of_a_call_makes_room_for_the_dial_that_many_lines_later():
    dialed, ended = [0.0, 0.1, 1.02, 2.05, 3.5], [1.0, 2.0, 3.1]
    assert stayed_free_ms(dialed, ended, 2) == pytest.approx([20.0, 50.0, 400.0])
    assert stayed_free_ms(dialed[:2], ended, 2) == []
