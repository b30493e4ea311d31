"""Conversations of one's own, from a folder."""

import json
import wave

import pytest

from bench.talk import voices
from bench.talk.recorded import play_recorded
from bench.talk.situations.situation import YES_NO


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(voices, "FOLDER", tmp_path / "speech")
    voices.prepare({("hibari-small", "Yes, please.")})
    with wave.open(str(tmp_path / "yes.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(voices.speech("hibari-small", "Yes, please.").astype("<i2").tobytes())
    (tmp_path / "script.yaml").write_text(YES_NO)
    return tmp_path


def test_its_plan_is_played(folder):
    steps = [["turn", 600], ["play", "yes.wav"], ["wait", 200], ["speech"]]
    plan = {"steps": steps, "noise_dbfs": -60, "variables": {"name": "Ada"}, "expect": "value yes"}
    (folder / "plan.json").write_text(json.dumps(plan))
    expected, played = play_recorded(folder)
    assert (expected, played.noted, played.heard) == ("value yes", {"value": "yes"}, ["Yes, please."])


def test_a_step_that_there_is_not_is_refused(folder):
    (folder / "plan.json").write_text(json.dumps({"steps": [["sing", 3]]}))
    with pytest.raises(ValueError, match="not a step"):
        play_recorded(folder)
