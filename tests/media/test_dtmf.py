import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.dtmf import KeyDetector, key_in
from outdial.media.frames import FRAME_BYTES, SILENT_FRAME, frames, silence
from outdial.media.tones import DTMF_KEYS, beep, busy, dtmf, fax_cng, ringback, tone

KEYS = "".join(DTMF_KEYS)


def heard(pcm: bytes) -> str:
    detector = KeyDetector()
    return "".join(key for frame in frames(pcm) if (key := detector.hear(frame)))


def pressed(keys: str, *, tone_ms: int = 100, pause_ms: int = 100) -> bytes:
    return b"".join(dtmf(key, tone_ms) + silence(pause_ms) for key in keys)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_heard_once_however_long_it_is_pressed(key: str):
    assert heard(silence(40) + dtmf(key, 1000) + silence(100)) == key


@given(keys=st.text(KEYS, max_size=6), offset_ms=st.integers(0, 19), tone_ms=st.integers(70, 200))
def test_keys_are_heard_in_order_wherever_frames_begin(keys: str, offset_ms: int, tone_ms: int):
    assert heard(silence(20 + offset_ms) + pressed(keys, tone_ms=tone_ms) + silence(40)) == keys


def test_the_same_key_twice_is_two_keys():
    assert heard(pressed("11", tone_ms=80, pause_ms=80)) == "11"


def test_a_click_is_no_key():
    assert heard(silence(40) + dtmf("5", 20) + silence(100)) == ""


@pytest.mark.parametrize("level_dbfs", [-6, -13, -30])
def test_a_key_is_heard_loud_and_quiet(level_dbfs: float):
    assert heard(tone((770, 1336), 100, level_dbfs) + silence(60)) == "5"


def test_one_tone_much_stronger_than_the_other_is_no_key():
    strong, weak = (np.frombuffer(tone((hz,), 200, level), "<i2") for hz, level in ((770, -10), (1336, -25)))
    assert heard((strong + weak).astype("<i2").tobytes()) == ""


@pytest.mark.parametrize("sound", [beep(1000), busy(2000), ringback(3000), fax_cng(3000), tone((697,), 300)])
def test_other_tones_are_no_keys(sound: bytes):
    assert heard(sound) == ""


def test_noise_is_no_key():
    noise = np.random.default_rng(1).normal(0, 3000, 8000 * 20).astype("<i2")
    assert heard(noise.tobytes()) == ""


@given(st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES))
def test_any_frame_is_a_key_or_none(frame: bytes):
    assert key_in(frame) is None or key_in(frame) in KEYS


def test_silence_is_no_key():
    assert key_in(SILENT_FRAME) is None
