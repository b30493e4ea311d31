"""Which windows are a tone."""

import numpy as np
import pytest

from outdial.media.tonal_windows import WINDOW_SAMPLES, tonal_windows

RNG = np.random.default_rng(5)
TIME = np.arange(WINDOW_SAMPLES) / 8000


def window(*frequencies_hz, level=0.1, noise=0.0):
    wave = sum((level * np.sin(2 * np.pi * hz * TIME) for hz in frequencies_hz), np.zeros(WINDOW_SAMPLES))
    return (wave + noise * RNG.standard_normal(WINDOW_SAMPLES)).astype(np.float32)


@pytest.mark.parametrize("hz", [440, 1000, 1400, 2100, 2800])
def test_a_tone_has_its_frequency(hz):
    (found,) = tonal_windows(np.stack([window(hz, noise=0.01)]))
    assert found.hz == pytest.approx((hz,), abs=4)
    assert found.pure > 0.9


def test_two_tones_have_two():
    (found,) = tonal_windows(np.stack([window(1000, 1333)]))
    assert sorted(found.hz) == pytest.approx([1000, 1333], abs=6)


@pytest.mark.parametrize(
    "wave", [window(noise=0.1), window(level=0.0), window(1000, level=0.002), window(300, 700, 1500, 2300)]
)
def test_anything_else_has_none(wave):
    (found,) = tonal_windows(np.stack([wave]))
    assert found.hz == ()


def test_each_of_many_is_found_where_it_is():
    found = tonal_windows(np.stack([window(500), window(noise=0.1), window(2000), window(level=0.0)]))
    assert [len(one.hz) for one in found] == [1, 0, 1, 0]
