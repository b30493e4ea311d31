"""Callees' voices: spoken once, at one level, without silence around them."""

import numpy as np
import pytest

from bench.talk import voices
from outdial.testing import callee_voice


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(voices, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("voice", voices.EVERYWHERE)
def test_a_voice_is_spoken_into_the_folder_at_one_level(voice):
    voices.prepare({(voice, "Thursday, please.")})
    samples = voices.speech(voice, "Thursday, please.")
    voiced = callee_voice.voiced_frames(samples)
    assert 0.5 < len(samples) / 8000 < 3
    soft = callee_voice.SOFT_MS // 20
    assert voiced[: soft + 1].any(), "the soft sounds before it and no more"
    assert voiced[-soft - 1 :].any()
    frames = np.pad(samples, (0, -len(samples) % 160)).reshape(-1, 160)[voiced]
    assert 20 * np.log10(np.sqrt(np.mean(frames**2)) / 32768) == pytest.approx(callee_voice.LEVEL_DBFS, abs=0.5)


def test_what_is_there_is_not_spoken_again(folder, monkeypatch):
    voices.prepare({("hibari-man", "Yes.")})
    monkeypatch.setattr(voices, "_speak", lambda voice, text: pytest.fail("spoken again"))
    voices.prepare({("hibari-man", "Yes.")})
    assert [path.suffix for path in (folder / "hibari-man").iterdir()] == [".pcm"]


def test_a_machine_without_further_voices_goes_on_with_its_own(monkeypatch):
    monkeypatch.setattr(voices.shutil, "which", lambda program: None)
    monkeypatch.setattr(voices.importlib.util, "find_spec", lambda name: None)
    assert voices.available() == list(voices.EVERYWHERE)
