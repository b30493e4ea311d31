import wave

import pytest

from outdial.media.frames import silence
from outdial.media.levels import levels
from outdial.media.recording import Recording
from outdial.media.tones import tone


def test_a_recording_in_numbers(tmp_path):
    recording = Recording(tmp_path / "call.wav")
    recording.agent(200, tone((440,), 1000, level_dbfs=-20))
    recording.callee(1000, tone((300,), 600, level_dbfs=-30))
    found = levels(recording.close(2010))
    assert found.duration_ms == 2000
    assert (found.agent.first_sound_ms, found.agent.last_sound_ms) == (200, 1200)
    assert found.agent.rms_dbfs == pytest.approx(-20, abs=0.3)
    assert found.callee.sound_ms == 600
    assert found.callee.rms_dbfs == pytest.approx(-30, abs=0.3)
    assert found.overlap_ms == 200


@pytest.mark.parametrize("end_ms", [0, 10, 500])
def test_a_silent_recording_has_no_level(tmp_path, end_ms):
    found = levels(Recording(tmp_path / "call.wav").close(end_ms))
    assert found.callee.rms_dbfs is None
    assert found.callee.first_sound_ms is None
    assert found.agent.sound_ms == found.overlap_ms == 0


def test_other_files_are_refused(tmp_path):
    with wave.open(str(tmp_path / "mono.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        file.writeframes(silence(100))
    with pytest.raises(ValueError, match="not a recording"):
        levels(tmp_path / "mono.wav")
