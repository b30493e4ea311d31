import numpy as np
import pytest

from outdial.speech.noise import less_noise

SECOND = 8000


def tone(quiet=SECOND // 2):
    """Half a second of sound between two of silence."""
    sound = 0.3 * np.sin(np.arange(SECOND // 2) * 0.3)
    return np.pad(sound, (quiet, quiet)).astype(np.float32)


def noise(level, count):
    return np.random.default_rng(1).normal(0, level, count).astype(np.float32)


def test_noise_becomes_less_and_what_was_said_stays():
    said = tone()
    heard = said + noise(0.02, len(said))
    better = less_noise(heard)
    quiet, middle = slice(400, 3600), slice(4400, 7600)
    assert np.std(better[quiet]) < 0.5 * np.std(heard[quiet])
    assert np.std((better - said)[middle]) < 0.8 * np.std((heard - said)[middle])
    assert np.std(better[middle]) == pytest.approx(np.std(said[middle]), rel=0.05)


@pytest.mark.parametrize("level", [0.0, 0.0005])
def test_a_line_with_little_noise_is_left_alone(level):
    heard = tone() + noise(level, 3 * SECOND // 2)
    assert np.array_equal(less_noise(heard), heard)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 1601])
def test_it_is_as_long_as_it_was(count):
    assert len(less_noise(noise(0.02, count))) == count


def test_what_is_all_noise_is_no_louder_after_it():
    heard = noise(0.02, SECOND)
    assert np.std(less_noise(heard)) < np.std(heard)
