"""A recogniser that listens for nothing but the answers of a question: PocketSphinx, English.

It is asked where the first recogniser's words answer nothing. A pinned wheel with its model inside, imported when it is
warmed up or first asked; it opens no connection. Each of the recognition threads has decoders of its own (10 MB), which
know no words but those they were asked about. What ends a turn goes first there, in any call: see recognition_queue.py.

Its native code keeps the GIL. So audio goes in 20 ms at a time: in between, the event loop has its turn. Loading it
takes longer than an opinion may: that is done before there are calls.
"""

import importlib
import importlib.util
import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from outdial.media.frames import BYTES_PER_MS, SAMPLE_RATE_HZ
from outdial.speech.base import Closest
from outdial.speech.levelling import as_wave, speech_part
from outdial.speech.offline import in_every_worker, recognise, recognition_queue
from outdial.speech.pronunciation import Pronunciations, is_plain, words_of

logger = logging.getLogger(__name__)

PACKAGE = "pocketsphinx"
LANGUAGE = "en"
MODEL_RATE_HZ = 16_000
SLOWER = 1.15              # the first recogniser is asked again, too, about slower speech
PLEASE = "please"          # behind an answer; it is mostly understood
LEAST_ALIKE = 0.2          # to its words; less is never taken, so it isn't looked at
MOST_CPU_S = 0.4           # of decoding for one opinion: what takes longer has too many answers for this machine
LONGEST_MS = 4000          # of an answer of a word or two, with the silence around it
PADDING_MS = 100
LEVEL = 0.1                # RMS, of full scale
HISS = 1e-4                # silence that is no silence: the model never heard any
BEAM = 1e-80               # no path is given up early: they are few
LOG_BASE = math.log(1.0001)  # of its scores
CHUNK_BYTES = 2 * MODEL_RATE_HZ // 50


def available() -> str | None:
    """What is wrong and what to do; None when it is ready to load."""
    if importlib.util.find_spec(PACKAGE) is None:
        advice = f"install it with: pip install {PACKAGE}; there are no wheels for some platforms"
        return f"{PACKAGE} isn't installed; {advice}"
    return None


def installed() -> "ClosedAnswers | None":
    """None where it isn't, which the log says."""
    if problem := available():
        logger.warning("Second opinion unavailable; misheard answers are asked for again", extra={"problem": problem})
        return None
    return ClosedAnswers()


async def loaded() -> "ClosedAnswers | None":
    """As `installed`, warmed up; None, too, where it can't be loaded."""
    closed = installed()
    if closed is None:
        return None
    try:
        await closed.warm_up()
    except Exception:
        logger.exception("Second opinion not loaded; misheard answers are asked for again")
        return None
    return closed


class ClosedAnswers:
    """See base.ClosedSpeechToText."""

    name = PACKAGE
    language = LANGUAGE

    async def warm_up(self) -> None:
        """Load the dictionary, and decoders in every worker (about 0.15 s each), so that no call waits for them."""
        await in_every_worker(_warm_up)

    def recognition(self) -> "ClosedAnswer":
        return ClosedAnswer()


class ClosedAnswer:
    """One utterance. Of more than LONGEST_MS nothing is said: that is no answer of a word or two."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self._too_long = False

    def feed(self, pcm: bytes) -> None:
        self._too_long = self._too_long or len(self._pcm) + len(pcm) > LONGEST_MS * BYTES_PER_MS
        if not self._too_long:
            self._pcm += pcm

    async def closest(self, answers: Sequence[Sequence[str]], heard: str) -> Closest | None:
        if self._too_long:
            return None
        limit, pcm = Limit(), bytes(self._pcm)
        try:
            return await recognition_queue().spare(lambda: _closest(pcm, answers, heard, limit))
        finally:
            limit.stop()  # nobody waits for it any more


class Limit:
    """To the work on one opinion: it ends when nobody waits for it any more, and after so much work. That is counted in
    CPU time of its thread: on a busy machine it takes longer, and is worth as much."""

    def __init__(self, cpu_s: float = MOST_CPU_S) -> None:
        self._cpu_s = cpu_s
        self._until = math.inf
        self._stopped = threading.Event()

    def begin(self) -> None:
        """Told by the thread that does the work."""
        self._until = time.thread_time() + self._cpu_s

    def stop(self) -> None:
        self._stopped.set()

    def is_reached(self) -> bool:
        return self._stopped.is_set() or time.thread_time() >= self._until


class _Stopped(Exception):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    phrase: str
    score: float
    frames: int


class _Decoder:
    """Of one thread."""

    def __init__(self) -> None:
        module = importlib.import_module(PACKAGE)
        common = {"lm": None, "dict": None, "samprate": MODEL_RATE_HZ, "loglevel": "FATAL"}
        beams = dict.fromkeys(("beam", "wbeam", "pbeam"), BEAM)
        self._decoder = module.Decoder(**common, **beams, bestpath=False, compallsen=True)
        self._means = module.Decoder(**common)
        self._means.add_word("a", "AH", True)
        self._means.add_jsgf_string("nothing", _grammar(["a"]))
        self._means.activate_search("nothing")
        self._words: set[str] = set()
        self._pcm = b""
        self._channel = ""

    def hear(self, pcm: bytes) -> None:
        """What is to be recognised, as often as it is asked about. What its channel does to all of it is taken off."""
        self._pcm = pcm
        self._means.start_utt()
        self._means.process_raw(pcm, no_search=True, full_utt=True)
        self._channel = self._means.get_cmn(False)
        self._means.end_utt()

    def best(self, phrases: Sequence[str], limit: Limit) -> _Best | None:
        decoder = self._decoder
        for word in {word for phrase in phrases for word in words_of(phrase)} - self._words:
            self._add(word)
        decoder.add_jsgf_string("answers", _grammar(phrases))
        decoder.activate_search("answers")
        decoder.set_cmn(self._channel)
        decoder.start_utt()
        try:
            for start in range(0, len(self._pcm), CHUNK_BYTES):
                if limit.is_reached():
                    raise _Stopped
                decoder.process_raw(self._pcm[start : start + CHUNK_BYTES])
        finally:
            decoder.end_utt()
        found = decoder.hyp()
        phrase = next((one for one in phrases if found is not None and words_of(one) == words_of(found.hypstr)), None)
        if phrase is None or found.score <= 0:
            return None
        return _Best(phrase=phrase, score=math.log(found.score) / LOG_BASE, frames=decoder.n_frames())

    def _add(self, word: str) -> None:
        for way, sounds in enumerate(pronunciations().of(word), 1):
            self._decoder.add_word(word if way == 1 else f"{word}({way})", " ".join(sounds), True)
        self._words.add(word)


_loading = threading.Lock()


def pronunciations() -> Pronunciations:
    """In the wheel. Raises ImportError without it."""
    with _loading:
        return _load_pronunciations()


@cache
def _load_pronunciations() -> Pronunciations:
    module = importlib.import_module(PACKAGE)
    written = Path(str(module.__file__)).parent / "model" / "en-us" / "cmudict-en-us.dict"
    return Pronunciations(written.read_bytes())


_of_this_thread = threading.local()


def _decoder() -> _Decoder:
    if not hasattr(_of_this_thread, "decoder"):
        with _loading:
            _of_this_thread.decoder = _Decoder()
    decoder: _Decoder = _of_this_thread.decoder
    return decoder


def _warm_up() -> None:
    """In a recognition thread: as if somebody had said "please"."""
    pronunciations().knows(PLEASE)
    hiss = np.random.default_rng(0).normal(size=MODEL_RATE_HZ // 4) * (32767 * LEVEL)
    decoder = _decoder()
    decoder.hear(hiss.astype("<i2").tobytes())
    decoder.best([PLEASE], Limit(math.inf))


def _closest(pcm: bytes, answers: Sequence[Sequence[str]], heard: str, limit: Limit) -> Closest | None:
    if limit.is_reached():
        return None  # nobody has waited for it to begin
    polite = f" {PLEASE}" if words_of(heard)[1:][-1:] == [PLEASE] else ""
    known = [[phrase + polite for phrase in phrases if pronunciations().knows(phrase)] for phrases in answers]
    audio = _prepared(pcm)
    if not audio or not any(known):
        return None
    if limit.is_reached():
        return None
    texts = [heard, recognise(pcm, tempo=SLOWER)]
    if limit.is_reached():
        return None
    alike = [_most_alike(texts, phrases) for phrases in known]
    if max(alike) < LEAST_ALIKE:
        return None
    plain = next((place for place, one in enumerate(alike) if is_plain(one, _best_but(place, alike))), None)
    decoder = _decoder()
    limit.begin()
    try:
        decoder.hear(audio)
        first = decoder.best([phrase for phrases in known for phrase in phrases], limit)
        if first is None:
            return None
        answer = next(place for place, phrases in enumerate(known) if first.phrase in phrases)
        if plain is not None and plain != answer:
            return Closest(
                answer=plain,
                fit=first.score / first.frames,
                lead=0.0,  # the sound is another's
                alike=alike[plain],
                other_alike=_best_but(plain, alike),
            )
        rest = [other for place, phrases in enumerate(known) if place != answer for other in phrases]
        second = decoder.best(rest, limit) if rest else None
    except _Stopped:
        return None
    return Closest(
        answer=answer,
        fit=first.score / first.frames,
        lead=math.inf if second is None else first.score - second.score,
        alike=alike[answer],
        other_alike=_best_but(answer, alike),
    )


def _best_but(place: int, alike: Sequence[float]) -> float:
    return max((one for other, one in enumerate(alike) if other != place), default=0.0)


def _most_alike(texts: Sequence[str], phrases: Sequence[str]) -> float:
    return max((pronunciations().alike(text, one) for one in phrases for text in texts), default=0.0)


def _grammar(phrases: Sequence[str]) -> str:
    said = " | ".join(" ".join(words_of(phrase)) for phrase in phrases)
    return f"#JSGF V1.0;\ngrammar answers;\npublic <answer> = {said};\n"


def _prepared(pcm: bytes) -> bytes:
    """16 kHz, at one level, with a little silence around it; empty when nobody spoke."""
    speech = speech_part(as_wave(np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)))
    if not len(speech):
        return b""
    around = np.zeros(PADDING_MS * SAMPLE_RATE_HZ // 1000, dtype=np.float32)
    level = float(np.sqrt(np.mean(speech**2)))
    samples = np.concatenate((around, speech * np.float32(LEVEL / level), around))
    samples += np.random.default_rng(0).normal(size=len(samples)).astype(np.float32) * np.float32(HISS)
    resampled = soxr.resample(samples, SAMPLE_RATE_HZ, MODEL_RATE_HZ)
    return bytes((resampled.clip(-1, 1) * 32767).astype("<i2").tobytes())
