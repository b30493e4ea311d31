"""Conversations of one's own, such as one that went wrong: a folder with `script.yaml`, WAVs (8 kHz, mono, 16 bit), and

    plan.json: {"steps": [["turn", 700], ["play", "answer.wav"], ["wait", 500], ["speech"], ["press", "1#"]],
                "echo_db": -25, "echo_ms": 160, "noise_dbfs": -60, "expect": "what ought to come of it"}

`turn`: the agent has spoken and was silent for so many ms; `speech`: it begins to speak. All but `steps` may be left
out.
"""

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np

from bench.talk.plans import AfterTurn, OnSpeech, Plan, Presses, Says, Step, Waits
from bench.talk.playing import Played, play
from outdial.testing.callee_voice import LEVEL_DBFS, Samples
from outdial.testing.line_audio import Line

OWN = "own"  # the voice whose speech is read from the folder


def play_recorded(folder: Path) -> tuple[str, Played]:
    """What the plan expects, and what came of it."""
    written = json.loads((folder / "plan.json").read_text())
    noise_dbfs = written.get("noise_dbfs")
    line = Line(
        noise_db=None if noise_dbfs is None else LEVEL_DBFS - noise_dbfs,
        echo_db=written.get("echo_db"),
        echo_ms=written.get("echo_ms", 160),
    )
    plan = Plan(
        kind="recorded",
        row=folder.name,
        script=(folder / "script.yaml").read_text(),
        steps=tuple(_step(step) for step in written["steps"]),
        voice=OWN,
        line=line,
        variables=written.get("variables", {}),
    )
    return str(written.get("expect", "")), play(plan, speech=lambda name: _samples(folder / name))


def _step(written: list[Any]) -> Step:
    match written:
        case ["turn", silence_ms]:
            return AfterTurn(silence_ms)
        case ["speech"]:
            return OnSpeech()
        case ["wait", ms]:
            return Waits(ms)
        case ["play", name]:
            return Says((name,))
        case ["press", keys]:
            return Presses(keys)
    raise ValueError(f"not a step: {written}")


def _samples(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (8000, 1, 2):
            raise ValueError(f"{path.name} is not 8 kHz, mono, 16 bit")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
