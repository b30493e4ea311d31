import errno
import os
import shutil
import wave
from io import FileIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.frames import silence
from outdial.media.recording import MAX_AHEAD_MS, Recording, repair


def sound(value, ms):
    return np.full(ms * 8, value, dtype="<i2").tobytes()


def channels(path):
    """Callee and agent, one value a millisecond."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    return both[::8, 0].tolist(), both[::8, 1].tolist()


def runs(values):
    """[(value, how many)] of what is the same in a row."""
    found = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1][1] += 1
        else:
            found.append([value, 1])
    return [tuple(run) for run in found]


@pytest.fixture
def recording(tmp_path):
    recording = Recording(tmp_path / "calls" / "call.wav")
    yield recording
    recording.close(0)


def test_callee_is_left_and_agent_right_at_their_times(recording):
    recording.callee(100, sound(1, 20))
    recording.agent(200, sound(2, 40))
    callee, agent = channels(recording.close(500))
    assert runs(callee) == [(0, 100), (1, 20), (0, 380)]
    assert runs(agent) == [(0, 200), (2, 40), (0, 260)]


def test_a_file_has_its_name_only_when_it_is_whole(recording, tmp_path):
    assert [path.name for path in (tmp_path / "calls").iterdir()] == ["call.wav.part"]
    assert recording.close(0) == tmp_path / "calls" / "call.wav"
    assert [path.name for path in (tmp_path / "calls").iterdir()] == ["call.wav"]


def test_uneven_delivery_is_not_heard(recording):
    for frame in range(50):
        late_ms = (0, 35, -20, 55, 10)[frame % 5]
        recording.callee(max(0, frame * 20 + late_ms), sound(1, 20))
    callee, _ = channels(recording.close(1000))
    assert runs(callee) == [(1, 1000)]


def test_a_gap_in_the_audio_is_a_gap_in_the_recording(recording):
    recording.callee(0, sound(1, 20))
    recording.callee(120, sound(1, 20))
    callee, _ = channels(recording.close(140))
    assert runs(callee) == [(1, 20), (0, 100), (1, 20)]


def test_a_time_already_told_is_not_told_again(recording):
    recording.callee(0, sound(1, 500))
    recording.callee(200, sound(2, 20))
    recording.callee(500, sound(3, 20))
    callee, _ = channels(recording.close(520))
    assert runs(callee) == [(1, 500), (3, 20)]


def test_an_interrupted_agent_is_recorded_as_far_as_it_was_heard(recording):
    recording.agent(0, sound(1, 1000))
    recording.truncate_agent(300)
    recording.agent(600, sound(2, 100))
    _, agent = channels(recording.close(800))
    assert runs(agent) == [(1, 300), (0, 300), (2, 100), (0, 100)]


def test_what_is_on_disk_cannot_be_taken_back(recording):
    recording.agent(0, sound(1, 2000))
    recording.flush(1250)
    recording.truncate_agent(500)
    recording.agent(1000, sound(2, 100))
    _, agent = channels(recording.close(1100))
    assert runs(agent) == [(1, 1000), (2, 100)]


def test_an_agent_cut_off_by_the_end_was_not_heard(recording):
    recording.agent(0, sound(1, 1000))
    _, agent = channels(recording.close(400))
    assert runs(agent) == [(1, 400)]


def test_late_audio_finds_its_place_after_a_flush(recording):
    recording.callee(0, sound(1, 800))
    recording.flush(1000)
    recording.callee(800, sound(2, 200))
    callee, _ = channels(recording.close(1000))
    assert runs(callee) == [(1, 800), (2, 200)]


def test_flushing_often_changes_nothing(tmp_path):
    def record(name, flush_every):
        recording = Recording(tmp_path / name)
        for frame in range(400):
            recording.callee(frame * 20, sound(frame + 1, 20))
            if frame % 50 == 0:
                recording.agent(frame * 20, sound(-frame - 1, 700))
            if frame % flush_every == 0:
                recording.flush(frame * 20)
        return recording.close(8000).read_bytes()

    assert record("often.wav", 1) == record("seldom.wav", 150) == record("never.wav", 1000)


def test_a_recording_can_be_played_while_the_call_lasts_and_after_a_crash(recording, tmp_path):
    recording.callee(0, sound(1, 2000))
    recording.flush(1250)
    left_behind = shutil.copy(tmp_path / "calls" / "call.wav.part", tmp_path / "crashed.wav.part")
    assert runs(channels(left_behind)[0]) == [(1, 1000)]


def test_a_crash_between_audio_and_header_is_repaired(recording, tmp_path):
    recording.callee(0, sound(1, 2000))
    recording.flush(1250)
    crashed = tmp_path / "crashed.wav.part"
    shutil.copy(tmp_path / "calls" / "call.wav.part", crashed)
    with crashed.open("ab") as file:
        file.write(sound(1, 20) + b"\x01\x00\x02")  # 10 ms of both channels, and a torn sample
    assert repair(crashed) == tmp_path / "crashed.wav"
    assert not crashed.exists()
    assert len(channels(tmp_path / "crashed.wav")[0]) == 1010
    assert repair(tmp_path / "crashed.wav") == tmp_path / "crashed.wav"


@pytest.mark.parametrize("content", [b"", b"RIFF", b"x" * 44, b"RIFF" + bytes(100)])
def test_only_our_own_files_are_repaired(tmp_path, content):
    path = tmp_path / "other.wav.part"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a recording"):
        repair(path)
    assert path.read_bytes() == content


def test_a_wrong_timestamp_does_not_fill_the_memory(recording):
    recording.callee(10**12, sound(1, 20))
    recording.callee(0, sound(2, 20))
    for _ in range(3 * MAX_AHEAD_MS // 1000):
        recording.agent(0, sound(1, 50))
    recording.flush(1000)
    recording.callee(-(10**12), sound(3, 20))
    callee, _ = channels(recording.close(1000))
    assert runs(callee) == [(2, 20), (0, 980)]


def test_half_a_sample_shifts_nothing(recording):
    recording.callee(0, sound(1, 20) + b"\x07")
    recording.callee(20, sound(2, 20))
    callee, _ = channels(recording.close(40))
    assert runs(callee) == [(1, 20), (2, 20)]


def test_a_long_silence_is_recorded_too(recording):
    callee, agent = channels(recording.close(65_000))
    assert runs(callee) == runs(agent) == [(0, 65_000)]


def test_closing_twice_and_what_comes_after_is_harmless(recording):
    path = recording.close(100)
    recording.callee(100, sound(1, 20))
    recording.flush(5000)
    assert recording.close(9000) == path
    assert len(channels(path)[0]) == 100


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_ends_the_recording_and_not_the_call(tmp_path, caplog):
    (tmp_path / "call.wav.part").symlink_to("/dev/full")
    recording = Recording(tmp_path / "call.wav")
    for second in range(3):
        recording.callee(second * 1000, sound(1, 1000))
        recording.flush(second * 1000)
    recording.close(3000)
    assert recording.broken
    assert caplog.messages == ["Recording stopped"]


def test_a_disk_that_is_full_from_the_first_byte_on_leaves_no_file(tmp_path, monkeypatch):
    class Full(FileIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("outdial.media.recording.FileIO", Full)
    recording = Recording(tmp_path / "call.wav")
    recording.close(1000)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_ends_the_recording_and_not_the_call(tmp_path, caplog):
    (tmp_path / "calls").write_bytes(b"a file")
    recording = Recording(tmp_path / "calls" / "call.wav")
    recording.callee(0, sound(1, 1000))
    recording.close(1000)
    assert caplog.messages == ["Recording stopped"]


def test_a_vanished_directory_ends_the_recording_and_not_the_call(recording, tmp_path, caplog):
    shutil.rmtree(tmp_path / "calls")
    recording.flush(1000)
    recording.close(2000)
    assert recording.broken
    assert caplog.messages == ["Recording stopped"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["callee", "agent", "truncate_agent", "flush"]),
            st.integers(-1000, 20_000),
            st.integers(0, 50),
        ),
        max_size=40,
    ),
    st.integers(0, 25_000),
)
def test_whatever_comes_in_whatever_order_the_channels_stay_equal(tmp_path_factory, events, end_ms):
    recording = Recording(tmp_path_factory.mktemp("any") / "call.wav")
    flushed_ms = 0
    for verb, at_ms, length_ms in events:
        match verb:
            case "callee":
                recording.callee(at_ms, silence(length_ms))
            case "agent":
                recording.agent(at_ms, silence(length_ms))
            case "truncate_agent":
                recording.truncate_agent(at_ms)
            case "flush":
                recording.flush(at_ms)
                flushed_ms = max(flushed_ms, at_ms - 250)
    callee, agent = channels(recording.close(end_ms))
    assert len(callee) == len(agent) == max(end_ms, flushed_ms)
