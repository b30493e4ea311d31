"""How late a frame is, as the load generator counts it."""

import pytest

from bench.listening import Utterance

LEAD_FRAMES = 10  # sent at once: 200 ms


def heard(utterance, arrivals):
    return [(round(late * 1000), gap) for late, gap in map(utterance.frame, arrivals)]


def on_time(count, began=100.0):
    return [began + max(0, number - LEAD_FRAMES + 1) * 0.02 for number in range(count)]


def test_frames_on_schedule_are_not_late():
    assert heard(Utterance(100.0), on_time(50)) == [(0, False)] * 50


def test_a_frame_is_late_by_what_it_misses_its_schedule():
    arrivals = on_time(20)
    arrivals[15] += 0.03
    assert heard(Utterance(100.0), arrivals)[14:17] == [(0, False), (30, False), (0, False)]


def test_a_gap_is_heard_once_what_the_carrier_held_has_run_out():
    arrivals = on_time(20)
    arrivals[15:] = [at + 0.25 for at in arrivals[15:]]
    late = heard(Utterance(100.0), arrivals)
    assert [gap for _, gap in late] == [False] * 15 + [True] + [False] * 4
    assert late[15][0] == pytest.approx(250)
