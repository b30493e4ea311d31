"""Since when a callee is silent, by level."""

import pytest

from outdial.conversation.quiet import Quiet


def sound_until(levels, *, noise=0.0):
    """The end of the last of these frames that can be voice, in frames."""
    quiet = Quiet(0, noise)
    for place, level in enumerate(levels, 1):
        quiet.frame(level, place * 20)
    return quiet.sound_ms // 20


@pytest.mark.parametrize(
    ("tail", "noise", "frames"),
    [
        ([0, 0, 0], 0.0, 3),
        ([100, 100, 0], 0.0, 5),   # a soft consonant, 26 dB below
        ([40, 40, 40], 0.0, 3),    # nothing that a telephone carries
        ([100, 100, 100], 80.0, 3),  # no louder than the line was before
        ([180, 40, 40], 80.0, 4),
        ([250, 250, 250], 500.0, 6),  # a line so noisy that its level tells nothing
    ],
)
def test_what_is_faint_beside_the_voice_and_no_louder_than_the_line_is_no_sound(tail, noise, frames):
    assert sound_until([1000, 2000, 2000, *tail], noise=noise) == frames


def test_nothing_heard_is_silence_from_the_start():
    assert Quiet(500, 0.0).sound_ms == 500
