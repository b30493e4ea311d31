"""What voice detection passes over costs no voice: the measurement `bench.talk.faint` in short."""

import pytest

from bench.talk import faint, voices


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voices, "FOLDER", tmp_path_factory.mktemp("talk"))
        patch.setattr(faint, "ROUNDS", 1)
        voices.prepare(faint.texts(voices.EVERYWHERE))
        yield


@pytest.mark.parametrize(
    ("line", "lost", "later_ms"), [("clean", 0.02, 32), ("noise at 20 dB", 0.02, 32), ("12 dB quieter", 0.05, 128)]
)
def test_most_windows_are_passed_over_and_no_voice_is_missed(spoken, line, lost, later_ms):
    found = faint.measure(faint.LINES[line], voices.EVERYWHERE)
    assert found.seen < 0.3 * found.windows
    assert found.lost <= lost * found.voiced
    assert found.missed == 0
    assert max(found.later_ms) <= later_ms
