"""Voices that say an opening: Hibari's, and those of flite and espeak-ng where the machine has them.

Their audio is data; Outdial depends on neither. What was said is kept in a folder: synthesis takes long.
"""

import hashlib
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.speech.characters import Character
from outdial.speech.offline import OfflineTextToSpeech

Wave = NDArray[np.float32]  # 8 kHz, full scale is ±1
SPOKEN_DBFS = -20.0         # of what is loud in what a voice says; the line sets the level


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """`engine`: hibari, flite, espeak-ng; `name` of its voice; `tempo` and `pitch` relative to the voice's own."""

    engine: str
    name: str
    pitch: float = 1.0
    size: float = 1.0
    tempo: float = 1.0


# No voice of the test split is in another one. espeak-ng sounds least like a person, and says the other languages.
SPEAKERS = {
    "train": (
        Speaker(engine="hibari", name="plain"),
        Speaker(engine="hibari", name="lower", pitch=0.8, size=0.95, tempo=1.1),
        Speaker(engine="hibari", name="quick", pitch=1.05, size=1.0, tempo=1.2),
        Speaker(engine="flite", name="slt"),
        Speaker(engine="flite", name="kal16"),
        Speaker(engine="flite", name="slt", tempo=1.15, size=0.93),
        Speaker(engine="espeak-ng", name="en-us+f2"),
        Speaker(engine="espeak-ng", name="en-gb+m3"),
    ),
    "varied": (
        Speaker(engine="hibari", name="plain"),
        Speaker(engine="hibari", name="bright", pitch=1.1, size=1.04, tempo=0.92),
        Speaker(engine="hibari", name="deep", pitch=0.75, size=0.92, tempo=1.0),
        Speaker(engine="hibari", name="hasty", pitch=0.95, size=1.02, tempo=1.28),
        Speaker(engine="flite", name="kal"),
        Speaker(engine="flite", name="slt", tempo=0.9, size=1.05),
        Speaker(engine="flite", name="kal16", tempo=1.1, size=1.06),
        Speaker(engine="espeak-ng", name="en-us+m1"),
        Speaker(engine="espeak-ng", name="en-gb+f5"),
        Speaker(engine="espeak-ng", name="en-us+f3", tempo=0.9),
    ),
    "test": (
        Speaker(engine="hibari", name="man", pitch=0.65, size=0.88, tempo=0.9),
        Speaker(engine="hibari", name="small", pitch=1.15, size=1.09, tempo=1.05),
        Speaker(engine="hibari", name="old", pitch=0.72, size=0.97, tempo=0.85),
        Speaker(engine="flite", name="rms"),
        Speaker(engine="flite", name="awb"),
        Speaker(engine="flite", name="rms", tempo=1.12, size=1.06),
        Speaker(engine="espeak-ng", name="en-gb-scotland+f4"),
        Speaker(engine="espeak-ng", name="en-us+m7"),
    ),
}
OTHER_LANGUAGES = {"train": "+f2", "varied": "+m1", "test": "+m7"}  # of espeak-ng


def speakers(split: str, language: str = "en") -> list[Speaker]:
    """Those that this machine can have speak."""
    if language != "en":
        return [Speaker(engine="espeak-ng", name=language + OTHER_LANGUAGES[split])] if _is_there("espeak-ng") else []
    return [one for one in SPEAKERS[split] if one.engine == "hibari" or _is_there(one.engine)]


def say(speaker: Speaker, text: str, folder: Path) -> Wave:
    """From the first loud sound to the last, a little more than that."""
    key = hashlib.sha256(f"{speaker} {text}".encode()).hexdigest()[:24]
    kept = folder / f"{key}.npy"
    if kept.is_file():
        return np.load(kept).astype(np.float32) / 32768
    said = _levelled(_hibari(speaker, text) if speaker.engine == "hibari" else _program(speaker, text))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(kept, (said * 32767).astype(np.int16))
    return said


@cache
def _is_there(program: str) -> bool:
    return shutil.which(program) is not None


class _Hibari(OfflineTextToSpeech):
    def __init__(self, speaker: Speaker) -> None:
        super().__init__(before_ms=60)
        self._character = Character(pitch=speaker.pitch, size=speaker.size, tempo=speaker.tempo)

    def said(self, text: str) -> bytes:
        return self._synthesise(text)


def _hibari(speaker: Speaker, text: str) -> Wave:
    return np.frombuffer(_Hibari(speaker).said(text), dtype="<i2").astype(np.float32) / 32768


def _program(speaker: Speaker, text: str) -> Wave:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        if speaker.engine == "flite":
            stretch = f"duration_stretch={1 / speaker.tempo:.3f}"
            command = ["flite", "-voice", speaker.name, "--setf", stretch, "-t", text, "-o", str(path)]
        else:
            words = str(round(165 * speaker.tempo))
            command = ["espeak-ng", "-v", speaker.name, "-s", words, "-w", str(path), text]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        with wave.open(str(path)) as file:
            rate_hz = file.getframerate()
            heard = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768
    return np.asarray(soxr.resample(heard, rate_hz * speaker.size, SAMPLE_RATE_HZ), dtype=np.float32)


def _levelled(said: Wave) -> Wave:
    """Ends cut to what can be heard; brought to SPOKEN_DBFS."""
    frames = np.pad(said, (0, -len(said) % 160)).reshape(-1, 160)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(levels > max(1e-3, 0.05 * float(levels.max(initial=0.0))))
    if not len(loud):
        return np.zeros(0, np.float32)
    part = said[max(0, loud[0] - 2) * 160 : (loud[-1] + 4) * 160]
    gain = 10 ** (SPOKEN_DBFS / 20) / float(np.sqrt(np.mean(levels[loud] ** 2)))
    return np.asarray(np.clip(part * gain, -0.98, 0.98), dtype=np.float32)
