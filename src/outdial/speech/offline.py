"""Speech without a network or an account: Hibari speaks, Moonshine listens.

Both are pinned wheels with their weights inside (pyproject.toml) and open no connection: only Hibari's
other voices and Moonshine's other models would be downloaded, and neither is asked for here. They are
imported when first needed, because loading them takes a second and 300 MB that not every process wants.

Inference runs in a few threads of this module, never on the event loop; the native code lets go of the
GIL. What waits for those that recognise is in a queue with a bound (recognition_queue.py).
"""

import asyncio
import ctypes
import importlib
import importlib.metadata
import importlib.util
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import soxr
from numpy.typing import NDArray

from outdial.media.frames import BYTES_PER_MS, SAMPLE_RATE_HZ
from outdial.speech.base import SpeechToText, SpeechUnavailable, TextToSpeech
from outdial.speech.characters import CHARACTERS, Voice
from outdial.speech.levelling import BEFORE_MS, as_wave, even_out, speech_part
from outdial.speech.load import cores, recognisers
from outdial.speech.missing import NoSpeechToText, NoTextToSpeech
from outdial.speech.noise import less_noise
from outdial.speech.recognition_queue import RecognitionQueue
from outdial.speech.spoken_text import spoken

logger = logging.getLogger(__name__)

SPEAKERS = 2  # more would take cores from the media loop, and most of what is said is in the cache
DEFAULT_SEED = 1
PAUSE_MS = 220  # between two sentences

MIN_UTTERANCE_MS = 200
MAX_UTTERANCE_MS = 30_000  # what Moonshine was trained on
MODEL_RATE_HZ = 16_000
PADDING_MS = 300  # of silence at both ends: a third fewer errors in short answers than with none

RECOGNISERS = recognisers(cores())
_synthesis = ThreadPoolExecutor(SPEAKERS, thread_name_prefix="speak")
_recognition = ThreadPoolExecutor(RECOGNISERS, thread_name_prefix="recognise")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A speech wheel as `outdial doctor` shows it."""

    package: str
    version: str | None  # None when it isn't installed
    problem: str | None  # what is wrong and what to do; None when it is ready to load


def available() -> tuple[Engine, Engine]:
    """Text to speech and speech to text, in this order; looks without loading anything."""
    return (
        _engine("hibari-tts", "hibari", "assets/hibari.onnx"),
        _engine("moonshine-voice", "moonshine_voice", "assets/tiny-en/encoder_model.ort"),
    )


async def installed_engines() -> tuple[SpeechToText, TextToSpeech]:
    """Both engines, loaded (or the first callee would wait for that). Where one isn't installed, the log says so, and
    one that says or understands nothing takes its place (`speech/missing.py`): the rest of a process serves."""
    synthesis, recognition = available()
    to_text = OfflineSpeechToText() if recognition.problem is None else None
    from_text = OfflineTextToSpeech() if synthesis.problem is None else None
    await asyncio.gather(*(engine.warm_up() for engine in (to_text, from_text) if engine is not None))
    if to_text is None:
        fields = {"problem": recognition.problem}
        logger.warning("Speech recognition unavailable; callees can only press keys", extra=fields)
    if from_text is not None:
        return to_text or NoSpeechToText(), from_text
    fields = {"problem": synthesis.problem}
    logger.warning("Speech synthesis unavailable; only cached prompts are said", extra=fields)
    name = _voice_name(_pinned(synthesis.package), Voice.AGENT, DEFAULT_SEED)
    return to_text or NoSpeechToText(), NoTextToSpeech(name, synthesis.problem or "")


class OfflineTextToSpeech:
    """Hibari, English. Raises SpeechUnavailable at once when the wheel isn't there."""

    def __init__(
        self, voice: Voice | str = Voice.AGENT, *, seed: int = DEFAULT_SEED, before_ms: int = BEFORE_MS
    ) -> None:
        """The same text, voice and `seed` give the same audio, which begins `before_ms` before its first loud sound."""
        engine = _require(available()[0])
        self._character = CHARACTERS[Voice(voice)]
        self._seed = seed
        self._before_ms = before_ms
        name = _voice_name(engine.version, Voice(voice), seed)
        self.name = name if before_ms == BEFORE_MS else f"{name} before={before_ms}"

    async def warm_up(self) -> None:
        """Load the model and speak once, so that the first call needn't wait for it (about 0.7 s)."""
        async for _ in self.speak("Hello."):
            pass

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """One piece for each sentence. Text without a word in it yields nothing."""
        loop = asyncio.get_running_loop()
        first = True
        for sentence in await loop.run_in_executor(_synthesis, _sentences, text):
            pcm = await loop.run_in_executor(_synthesis, self._synthesise, sentence)
            if pcm:
                yield pcm if first else bytes(PAUSE_MS * BYTES_PER_MS) + pcm
                first = False

    def _synthesise(self, sentence: str) -> bytes:
        character = self._character
        wave = _hibari().voiced(
            sentence, speed=character.tempo / character.size, pitch=character.pitch, seed=self._seed
        )
        heard = soxr.resample(wave, _hibari().sample_rate * character.size, SAMPLE_RATE_HZ)
        return even_out(heard, before_ms=self._before_ms)


class OfflineSpeechToText:
    """Moonshine tiny, English. Raises SpeechUnavailable at once when the wheel isn't there."""

    def __init__(self) -> None:
        engine = _require(available()[1])
        self.name = f"{engine.package} {engine.version} tiny-en"

    async def warm_up(self) -> None:
        """Load the model in every worker (about 0.5 s each), so that the first call needn't wait for it."""
        await in_every_worker(lambda: _transcriber().recognise(np.zeros(MODEL_RATE_HZ // 2, dtype=np.float32)))

    def recognition(self) -> "OfflineRecognition":
        return OfflineRecognition()


async def in_every_worker(load: Callable[[], object]) -> None:
    """What each recognition thread does once, before there are calls."""
    loop = asyncio.get_running_loop()
    barrier = threading.Barrier(RECOGNISERS)  # no worker may take two of these

    def together() -> None:
        barrier.wait(timeout=30)
        load()

    await asyncio.gather(*(loop.run_in_executor(_recognition, together) for _ in range(RECOGNISERS)))


# One for each event loop: what waits there is told there.
_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, RecognitionQueue] = WeakKeyDictionary()


def recognition_queue() -> RecognitionQueue:
    loop = asyncio.get_running_loop()
    if loop not in _queues:
        _queues[loop] = RecognitionQueue(_recognition, RECOGNISERS)
    return _queues[loop]


class OfflineRecognition:
    """One utterance. Of more than 30 s the last 30 s count: a question comes at the end of a monologue."""

    def __init__(self) -> None:
        self.waited_ms = 0
        self._pcm = bytearray()
        self._fed = 0
        self._recognised: tuple[int, str] = (0, "")  # how much had been fed, and what it said

    def feed(self, pcm: bytes) -> None:
        self._pcm += pcm
        self._fed += len(pcm)
        excess = len(self._pcm) - MAX_UTTERANCE_MS * BYTES_PER_MS
        if excess > SAMPLE_RATE_HZ:  # cut half a second at a time, not every frame; whole samples only
            del self._pcm[: excess & ~1]

    async def text(self) -> str:
        """Costs nothing when nothing was fed since the last time."""
        fed, text = self._recognised
        self.waited_ms = 0
        if fed != self._fed:
            fed, pcm = self._fed, bytes(self._pcm)
            done = await recognition_queue().final(lambda: recognise(pcm))
            text, self.waited_ms = done.text, round(done.waited_s * 1000)
            self._recognised = (fed, text)
        return text

    async def partial(self) -> str | None:
        """All of it recognised anew: this model knows no streams."""
        fed, text = self._recognised
        if fed != self._fed:
            fed, pcm = self._fed, bytes(self._pcm)
            done = await recognition_queue().partial(lambda: recognise(pcm))
            if done is None:
                return None
            text = done.text
            self._recognised = (fed, text)
        return text


# -- Hibari ------------------------------------------------------------------------------------------------

_loading = threading.Lock()


def _hibari() -> Any:
    with _loading:
        return _load_hibari()


@cache
def _load_hibari() -> Any:
    hibari, dsp = importlib.import_module("hibari"), importlib.import_module("hibari.dsp")

    class Hibari(hibari.Hibari):  # type: ignore[misc, name-defined]
        def voiced(self, sentence: str, *, speed: float, pitch: float, seed: int) -> NDArray[np.float32]:
            """As Hibari's own __call__, with the fundamental multiplied by `pitch` before the harmonics are
            laid on it: the formants, and with them the vowels, stay."""
            noise = np.random.default_rng(seed)
            waves = [np.zeros(0, np.float32)]
            for phonemes in self.phonemize(sentence):
                inputs = {"ids": np.array([self.ids(phonemes)]), "speed": np.array([speed], dtype=np.float32)}
                *spectra, fundamental_hz = (out[0] for out in self.sess.run(None, inputs))
                waves.append(dsp.synth(*spectra, fundamental_hz * pitch, noise))
            return np.concatenate(waves)

    engine = Hibari()
    engine.g2p("Hello.")  # its dictionaries load on first use, and not behind a lock
    return engine


def _sentences(text: str) -> list[str]:
    return list(_hibari().split_sentences(spoken(text)))


# -- Moonshine ---------------------------------------------------------------------------------------------

_of_this_thread = threading.local()


def _transcriber() -> Any:
    """One for each worker: what a transcriber answers lives in its own memory until its next call, so two
    threads may not share one."""
    if not hasattr(_of_this_thread, "transcriber"):
        with _loading:
            _of_this_thread.transcriber = _load_transcriber()
    return _of_this_thread.transcriber


def _load_transcriber() -> Any:
    # By default its ONNX runtime starts a thread for every core, and they spin while they wait for each
    # other: twice the CPU for the same time. Read by the library when it loads.
    os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")
    moonshine = importlib.import_module("moonshine_voice.transcriber")

    class Transcriber(moonshine.Transcriber):  # type: ignore[misc, name-defined]
        def recognise(self, samples: NDArray[np.float32]) -> str:
            """As transcribe_without_streaming, which copies sample by sample and holds the GIL for 10 ms
            with five seconds of audio."""
            audio = np.ascontiguousarray(samples, dtype=np.float32)
            transcript = ctypes.POINTER(moonshine.TranscriptC)()
            moonshine.check_error(
                self._lib.moonshine_transcribe_without_streaming(
                    self._handle,
                    audio.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
                    len(audio),
                    MODEL_RATE_HZ,
                    0,
                    ctypes.byref(transcript),
                )
            )
            return " ".join(line.text.strip() for line in self._parse_transcript(transcript).lines)

    model = Path(str(moonshine.__file__)).parent / "assets" / "tiny-en"
    # Its own voice detection cuts off slivers, which the model reads as words; ours has found the utterance.
    options = {"vad_threshold": "0", "return_audio_data": "false"}
    return Transcriber(model, moonshine.ModelArch.TINY, options=options)


def recognise(pcm: bytes, *, tempo: float = 1.0) -> str:
    """In a recognition thread. `tempo`: what is slowed down, or hurried, may be understood in another way."""
    heard = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)[-MAX_UTTERANCE_MS * SAMPLE_RATE_HZ // 1000 :]
    speech = speech_part(less_noise(as_wave(heard)))
    if len(speech) < MIN_UTTERANCE_MS * SAMPLE_RATE_HZ // 1000:
        return ""
    around = np.zeros(PADDING_MS * SAMPLE_RATE_HZ // 1000, dtype=np.float32)
    samples = soxr.resample(np.concatenate((around, speech, around)), SAMPLE_RATE_HZ, MODEL_RATE_HZ / tempo)
    text = str(_transcriber().recognise(samples)).strip()
    return "" if _is_invented(text) else text


def _is_invented(text: str) -> bool:
    """What this model answers to noise: "You", credits of subtitles, and text in other scripts."""
    words = text.strip(" .!?,").lower()
    return words in ("", "you") or "©" in text or not any(c.isascii() and c.isalnum() for c in text)


# -- Is it there? ------------------------------------------------------------------------------------------


def _engine(package: str, module: str, model: str) -> Engine:
    advice = f"install it with: pip install {package}; there are no wheels for some platforms"
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return Engine(package=package, version=None, problem=f"{package} isn't installed; {advice}")
    version = importlib.metadata.version(package)
    if not (Path(spec.origin).parent / model).is_file():
        return Engine(package=package, version=version, problem=f"{package} has no model in it; re{advice}")
    return Engine(package=package, version=version, problem=None)


def _pinned(package: str) -> str | None:
    """The version of a package that Outdial asks for; None when it can't be told."""
    for requirement in importlib.metadata.requires("outdial") or ():
        name, _, version = requirement.partition(";")[0].partition("==")
        if name.strip() == package:
            return version.strip() or None
    return None


def _voice_name(version: str | None, voice: Voice, seed: int) -> str:
    return f"hibari-tts {version} {voice} {CHARACTERS[voice]} seed={seed}"


def _require(engine: Engine) -> Engine:
    if engine.problem is not None:
        raise SpeechUnavailable(engine.problem)
    return engine
