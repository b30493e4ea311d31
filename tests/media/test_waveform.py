import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.recording import Recording
from outdial.media.waveform import MAX_POINTS, peaks, waveform


def record(path, seconds, *, callee=0, agent=0):
    """Constant levels; the agent's from the second half on."""
    recording = Recording(path)
    for second in range(seconds):
        recording.callee(second * 1000, np.full(8000, callee, "<i2").tobytes())
        recording.agent(second * 1000, np.full(8000, agent if second * 2 >= seconds else 0, "<i2").tobytes())
        recording.flush(second * 1000)
    return recording.close(seconds * 1000)


def test_the_peaks_of_both_channels_are_where_the_sound_is(tmp_path):
    wave = peaks(record(tmp_path / "a.wav", 4, callee=-16384, agent=32767))
    assert wave["duration_ms"] == 4000
    assert len(wave["callee"]) == len(wave["agent"]) == 400  # 10 ms each
    assert set(wave["callee"]) == {0.5}
    assert wave["agent"] == [0.0] * 200 + [1.0] * 200


def test_a_long_recording_has_no_more_points_than_can_be_drawn(tmp_path):
    wave = peaks(record(tmp_path / "a.wav", 130, callee=100))
    assert MAX_POINTS * 0.9 < len(wave["callee"]) <= MAX_POINTS


@given(points=st.integers(1, 50))
def test_there_are_never_more_points_than_asked_for(tmp_path_factory, points):
    path = tmp_path_factory.getbasetemp() / "some.wav"
    if not path.exists():
        record(path, 3, callee=-32768)
    wave = peaks(path, points)
    assert 1 <= len(wave["callee"]) <= points
    assert set(wave["callee"]) == {1.0}


def test_an_empty_recording_has_no_points(tmp_path):
    assert peaks(record(tmp_path / "a.wav", 0)) == {"duration_ms": 0, "callee": [], "agent": []}


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a recording at all", b"RIFF\x24\0\0\0WAVEfmt "])
def test_what_is_no_recording_is_refused(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ValueError):
        peaks(tmp_path / "a.wav")


def test_it_is_made_once_and_again_for_another_recording(tmp_path):
    path = record(tmp_path / "a.wav", 1, callee=16384)
    first = waveform(path)
    kept = tmp_path / "a.waveform.json"
    content = json.loads(kept.read_text())
    content["waveform"]["callee"] = [0.25]
    kept.write_text(json.dumps(content))
    assert waveform(path)["callee"] == [0.25]
    record(path, 2, callee=16384)
    assert waveform(path)["duration_ms"] == 2000
    kept.write_text("{")
    assert waveform(path)["callee"] == first["callee"] * 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.wav", "a.waveform.json"]
