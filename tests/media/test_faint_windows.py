import numpy as np
import pytest

from outdial.media.faint_windows import GOES_ON_WINDOWS, FaintWindows, power_of

SLOT = np.array([0])


class Line:
    """One stream: what it is told, and what the detector would have said of it."""

    def __init__(self):
        self.windows = FaintWindows()
        self.windows.grow(1)
        self.windows.open(0)

    def faint(self, dbfs, *, voice=0.0, far_dbfs=None):
        """Whether a window of this level isn't looked at."""
        power = np.array([[power_of(dbfs)]], np.float32)
        far = np.array([0.0 if far_dbfs is None else power_of(far_dbfs)], np.float32)
        faint = bool(self.windows.are_faint(SLOT, power, far)[0])
        self.windows.passed(SLOT, power, None if faint else np.array([[voice]], np.float32))
        return faint

    def faint_for(self, dbfs, windows, **more):
        return [self.faint(dbfs, **more) for _ in range(windows)]


@pytest.fixture
def line():
    return Line()


def test_a_line_that_carries_nothing_is_faint_at_once(line):
    assert line.faint(-90)
    assert line.faint(-66)


def test_what_may_be_a_soft_voice_is_looked_at(line):
    assert not line.faint(-60)


def test_noise_is_faint_once_it_is_known_and_a_voice_above_it_is_not(line):
    assert not line.faint(-48)
    line.faint_for(-48, 40)
    assert all(line.faint_for(-48, 20))
    assert not line.faint(-44)


def test_noise_that_grows_louder_is_learned_again(line):
    line.faint_for(-55, 60)
    assert not line.faint(-45)
    assert line.faint_for(-45, 60)[-1]


def test_noise_that_stops_is_forgotten_at_once(line):
    line.faint_for(-45, 60)
    line.faint_for(-80, 6)
    assert not line.faint(-52)


def test_loud_noise_is_never_taken_for_silence(line):
    """What is so loud may be somebody who speaks softly: the detector says whether it is."""
    assert not any(line.faint_for(-35, 200))


def test_a_voice_goes_on_however_soft_it_gets(line):
    line.faint(-30, voice=0.9)
    assert line.faint_for(-80, GOES_ON_WINDOWS + 2) == [False] * GOES_ON_WINDOWS + [True, True]


def test_a_voice_is_no_noise(line):
    line.faint_for(-50, 60)
    line.faint_for(-42, 60, voice=0.9)
    line.faint_for(-50, 40)
    assert not line.faint(-42)


def test_what_is_far_below_the_callee_is_nobody_near(line):
    assert not line.faint(-45)
    assert line.faint(-45, far_dbfs=-42)


def test_every_window_of_several_must_be_faint(line):
    power = np.array([[power_of(-70)], [power_of(-30)]], np.float32)
    assert not line.windows.are_faint(SLOT, power, np.zeros(1, np.float32))[0]


def test_streams_know_only_their_own_line():
    windows = FaintWindows()
    windows.grow(2)
    slots, far = np.array([0, 1]), np.zeros(2, np.float32)
    for _ in range(60):
        windows.passed(slots, np.array([[power_of(-48), power_of(-70)]], np.float32), np.zeros((1, 2), np.float32))
    assert windows.are_faint(slots, np.full((1, 2), power_of(-48), np.float32), far).tolist() == [True, False]
    windows.open(0)  # by another call
    assert not windows.are_faint(slots, np.full((1, 2), power_of(-48), np.float32), far).any()
