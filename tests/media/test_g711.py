import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm

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
    with pytest.raises(ValueError, match="even number"):
        pcm_to_ulaw(b"\x00\x01\x02")
