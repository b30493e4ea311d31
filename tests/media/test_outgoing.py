"""What the other side has just heard of us."""

import numpy as np

from outdial.media.frames import FRAME_MS, FRAME_SAMPLES
from outdial.media.outgoing import KEPT_FRAMES, Outgoing


def frame(value):
    return np.full(FRAME_SAMPLES, value, dtype="<i2").tobytes()


def test_it_is_given_by_the_clock_with_silence_where_there_was_nothing():
    outgoing = Outgoing()
    assert outgoing.end_ms is None
    outgoing.add(100, frame(1))
    outgoing.add(120, frame(2))
    outgoing.add(200, frame(3))
    assert outgoing.end_ms == 220
    wave = outgoing.samples(90, 230)
    assert [wave[8 * ms] for ms in (0, 9, 10, 29, 30, 49, 50, 109, 110, 129, 130)] == [0, 0, 1, 1, 2, 2, 0, 0, 3, 3, 0]
    assert list(outgoing.samples(110, 130)) == [1] * 80 + [2] * 80


def test_what_was_cleared_was_never_heard():
    outgoing = Outgoing()
    for number in range(5):
        outgoing.add(number * FRAME_MS, frame(number + 1))
    outgoing.truncate(2 * FRAME_MS)
    assert outgoing.end_ms == 40
    assert set(outgoing.samples(0, 100)) == {0, 1, 2}


def test_only_the_newest_is_kept():
    outgoing = Outgoing()
    for number in range(KEPT_FRAMES + 50):
        outgoing.add(number * FRAME_MS, frame(1))
    assert not outgoing.samples(0, 50 * FRAME_MS).any()
    assert outgoing.samples(50 * FRAME_MS, 60 * FRAME_MS).all()
