from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from outdial.media.audio_clock import MAX_LATE_MS, AudioClock


def ends(arrivals_ms):
    clock = AudioClock()
    return [clock.end_of(now_ms, 20) for now_ms in arrivals_ms]


def test_frames_in_time_end_when_they_come():
    assert ends(range(20, 400, 20)) == list(range(20, 400, 20))


def test_frames_held_up_and_delivered_at_once_follow_each_other_all_the_same():
    in_time = [20, 40, 60]
    burst = [1060] * 50
    told = ends([*in_time, *burst, 1080, 1100])
    assert told[:4] == [20, 40, 60, 80]
    assert all(19 <= later - earlier <= 21 for earlier, later in pairwise(told[:50]))
    assert told[-3:] == [1060, 1080, 1100]


def test_jitter_is_smoothed():
    told = ends([20, 55, 61, 95, 100, 135, 140])
    assert all(abs(end - (number + 1) * 20) <= 3 for number, end in enumerate(told))


def test_audio_that_was_lost_leaves_a_gap():
    assert ends([20, 40, 40 + MAX_LATE_MS + 21, 60 + MAX_LATE_MS + 21]) == [20, 40, 2061, 2081]


def test_a_network_that_has_become_slower_is_followed_in_the_end():
    told = ends([20, 40, *range(360, 20_360, 20)])  # 300 ms later from the third frame on
    assert told[2] == 60
    assert told[-1] == 20_340


@given(st.lists(st.integers(0, 5000), max_size=200))
def test_time_never_runs_backwards_nor_ahead(pauses_ms):
    arrivals, now_ms = [], 0
    for pause_ms in pauses_ms:
        now_ms += pause_ms
        arrivals.append(now_ms)
    told = ends(arrivals)
    assert all(end <= now for end, now in zip(told, arrivals, strict=True))
    assert told == sorted(told)
