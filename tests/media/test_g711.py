import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm

SILENCE, NEGATIVE_ZERO = 0xFF, 0x7F


@given(st.binary(max_size=640))
def test_mu_law_survives_the_way_through_pcm(ulaw):
    # G.711 has two zeros, and PCM one: both come back as positive zero.
    expected = ulaw.replace(bytes([NEGATIVE_ZERO]), bytes([SILENCE]))
    assert pcm_to_ulaw(ulaw_to_pcm(ulaw)) == expected


def test_every_sample_comes_back_as_close_as_mu_law_is_fine():
    pcm = np.arange(-32768, 32768, dtype="<i2")
    back = np.frombuffer(ulaw_to_pcm(pcm_to_ulaw(pcm.tobytes())), dtype="<i2").astype(int)
    size = np.abs(pcm.astype(int))
    half_a_step = (size + 132) / 32  # 16 steps a segment, and segments double from the bias of 132
    cut_to_14_bits = 4
    clipped = size - 32124  # beyond the loudest code
    assert np.all(np.abs(back - pcm) <= np.maximum(half_a_step + cut_to_14_bits, clipped))


def test_known_values():
    assert ulaw_to_pcm(bytes([0xFF, 0x00, 0x80])) == np.array([0, -32124, 32124], dtype="<i2").tobytes()
    assert pcm_to_ulaw(bytes(320)) == b"\xff" * 160


def test_half_a_sample_is_refused():
    for encode in (pcm_to_ulaw, pcm_to_alaw):
        with pytest.raises(ValueError, match="even number"):
            encode(b"\x00\x01\x02")


@given(st.binary(max_size=640))
def test_a_law_survives_the_way_through_pcm(alaw):
    assert pcm_to_alaw(alaw_to_pcm(alaw)) == alaw


def test_a_law_is_not_mu_law():
    assert alaw_to_pcm(bytes([0xD5, 0x2A])) == np.array([8, -32256], dtype="<i2").tobytes()
    assert np.abs(np.frombuffer(ulaw_to_pcm(b"\xd5" * 160), dtype="<i2")).min() > 500  # silence read wrong is noise
