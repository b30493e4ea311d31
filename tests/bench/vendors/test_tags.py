"""Whose audio and whose words these are, as simulated vendors find out."""

import pytest

from bench.vendors import tags
from outdial.media.g711 import pcm_to_ulaw, rms, ulaw_to_pcm

NOISE = pcm_to_ulaw(b"\x10\x00\xf0\xff" * 80)


@pytest.mark.parametrize("number", [0, 7, 1234, 9999])
def test_a_number_is_in_the_noise_and_in_a_word(number):
    frame = tags.marked(number, NOISE)
    assert len(frame) == len(NOISE)
    assert tags.number_heard(NOISE + frame + NOISE, mulaw=True) == number
    assert tags.number_heard(ulaw_to_pcm(NOISE + frame), mulaw=False) == number
    assert rms(ulaw_to_pcm(frame)) < 60, "no voice"
    assert tags.number_in(f"{tags.word(number)}, that works well for us. ") == number


def test_nothing_is_found_where_nothing_is():
    assert tags.number_heard(NOISE, mulaw=True) is None
    assert tags.number_heard(tags.marked(5, NOISE)[:18], mulaw=True) is None, "not whole"
    assert tags.number_in("That works well for us.") is None
    assert tags.number_of("+15550000042") == 42
