"""What a line does to audio: as much as a plan says, and the same each time."""

import numpy as np
import pytest

from outdial.media.frames import FRAME_SAMPLES
from outdial.testing.callee_voice import LEVEL
from outdial.testing.line_audio import Line, LineAudio

SILENCE = np.zeros(FRAME_SAMPLES, np.float32)


def tone(seed=0, level=3000.0):
    return np.random.default_rng(seed).normal(0, level, FRAME_SAMPLES).astype(np.float32)


def sent(line, frames, behind=None, seed=1):
    """The samples of all frames; each is (said, heard)."""
    audio = LineAudio(line, behind, seed)
    return np.concatenate([np.frombuffer(audio.frame(*frame), "<i2") for frame in frames]).astype(float)


def level_db(samples):
    return 20 * np.log10(np.sqrt(np.mean(samples**2)) / 32768)


@pytest.mark.parametrize(("db", "delay_ms"), [(-10, 40), (-25, 150), (-25, 600)])
def test_our_voice_comes_back_so_much_quieter_and_later(db, delay_ms):
    frames = [(SILENCE, tone())] + [(SILENCE, SILENCE)] * 40
    audio = sent(Line(echo_db=db, echo_ms=delay_ms), frames)
    loud = np.flatnonzero(np.abs(audio) > 100)
    assert loud[0] // 8 == pytest.approx(delay_ms, abs=2)
    first = delay_ms * 8
    assert level_db(audio[first : first + FRAME_SAMPLES]) == pytest.approx(level_db(tone()) + db, abs=0.5)


def test_a_rough_loudspeaker_clips():
    frames = [(SILENCE, tone(level=9000.0))] * 20
    plain, rough = (sent(Line(echo_db=-6, echo_ms=20, rough=rough), frames) for rough in (False, True))
    assert np.abs(rough).max() < 0.15 * 32768 * 0.51 + 200 < np.abs(plain).max()


def test_noise_is_so_far_below_the_callee_whatever_the_gain():
    for gain_db in (-12.0, 0.0, 6.0):
        audio = sent(Line(noise_db=20, gain_db=gain_db), [(SILENCE, SILENCE)] * 50)
        assert level_db(audio) == pytest.approx(20 * np.log10(LEVEL / 32768) + gain_db - 20, abs=0.5)


def test_lost_frames_are_silent():
    audio = sent(Line(lost=0.1), [(tone(number), SILENCE) for number in range(500)])
    silent = sum(not frame.any() for frame in audio.reshape(-1, FRAME_SAMPLES))
    assert 25 < silent < 85


def test_who_talks_behind_the_callee_goes_on_and_on():
    behind = np.concatenate([tone(1), tone(2), tone(3)])[: FRAME_SAMPLES * 5 // 2]
    audio = sent(Line(behind="news", behind_db=20), [(SILENCE, SILENCE)] * 10, behind)
    assert level_db(audio) == pytest.approx(level_db(behind) - 20, abs=0.7)


def test_the_same_seed_gives_the_same_audio():
    frames = [(tone(number), tone(-number % 7)) for number in range(20)]
    line = Line(noise_db=20, echo_db=-20, lost=0.1)
    assert np.array_equal(sent(line, frames), sent(line, frames))
    assert not np.array_equal(sent(line, frames), sent(line, frames, seed=2))
