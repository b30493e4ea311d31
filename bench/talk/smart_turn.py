"""`python -m bench.talk.smart_turn MODEL.onnx`: does a model that listens to how words are said know better than our
rule of words (`conversation/endpointing.py`) whether a callee has finished?

The model is smart-turn v3.2 (BSD-2), which ships in the wheel of pipecat-ai, as data/smart-turn-v3.2-cpu.onnx: input
`input_features` float32 [1, 80, 800], the log mel spectrum of the last 8 s at 16 kHz as Whisper has it; output the
probability that the turn is complete. Both judge the same clips: unfinished and finished answers of every voice there
is, up to 200 ms after the last word, over a clean line and one with noise at 20 dB; and WAVs of your own (8 kHz, mono,
16 bit), `--unfinished` or `--finished`.
"""

import argparse
import asyncio
import wave
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import thread_time

import numpy as np
import onnxruntime
import soxr
from numpy.typing import NDArray

from bench.figures import median
from bench.talk import voices
from bench.talk.misheard import over
from outdial.conversation.endpointing import HOLD_MS, PAUSE_MS, TurnSoFar, WordEndpointing
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.understanding.language import language_of
from outdial.conversation.understanding.meaning import Option, Question
from outdial.conversation.understanding.turn_phrases import turn_phrases
from outdial.conversation.understanding.understand import understand
from outdial.media.frames import BYTES_PER_MS, SAMPLE_RATE_HZ
from outdial.speech.offline import OfflineSpeechToText
from outdial.testing.callee_voice import quiet_end_ms
from outdial.testing.line_audio import Line

ENGLISH = language_of("en")
LINES = {"clean": Line(), "noise at 20 dB": Line(noise_db=20)}
SILENCE_MS = 200
THRESHOLDS = (0.3, 0.5, 0.7)  # of the model; 0.5 is its authors'

# Neither was written with the language's phrases at hand. By what was asked.
UNFINISHED = {
    "day": ("On, um,", "I think that", "Let me see, maybe", "Well, it would have to be", "Either Thursday, or"),
    "phone": ("My number is", "Five five five,", "It's five five five, oh,"),
    "yes or no": ("Well, that depends on", "Um, let me just", "I would say that it's", "Not if you"),
    "open": (
        "I'd like to", "The dog is friendly, but", "Please tell him that", "There's a gate and", "My husband said",
        "You can leave it with the",
    ),
}  # fmt: skip
FINISHED = {
    "day": ("Thursday.", "Friday, please.", "On Friday would be best.", "Thursday works for me."),
    "phone": ("Five five five, zero one two three.", "My number is five five five, zero one two three."),
    "yes or no": ("Yes.", "No.", "Yes, that's fine.", "No, I can't.", "Not really.", "Sure."),
    "open": (
        "I'd like to speak to a person.", "The dog is friendly.", "Please ring twice.", "There's a gate on the left.",
        "My husband is at home.", "You can leave it with the neighbour.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    group: str
    asked: Asked
    finished: bool
    pcm: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    rule_ms: int    # of silence, to end it
    complete: float  # the model's probability
    model_ms: float  # of CPU time


def asked(what: str) -> Asked:
    match what:
        case "day":
            return _of_options(Option(words=["thursday"]), Option(words=["friday"]))
        case "yes or no":
            return _of_options(Option(words=["yes"]), Option(words=["no"]))
        case "phone":
            return Asked(digits=7)
    return NOTHING


def _of_options(*options: Option) -> Asked:
    question = Question(options=list(options))
    return Asked(is_answer=lambda text: understand(text, question, ENGLISH).option is not None)


def clips(there: Sequence[str]) -> list[Clip]:
    found = []
    for name, line in LINES.items():
        for finished, said in ((False, UNFINISHED), (True, FINISHED)):
            for what, texts in said.items():
                for voice in there:
                    for text in texts:
                        sound = voices.speech(voice, text)
                        spoken = sound[: len(sound) - quiet_end_ms(sound) * SAMPLE_RATE_HZ // 1000]
                        after = np.zeros(SILENCE_MS * SAMPLE_RATE_HZ // 1000, np.float32)
                        pcm = over(line, np.concatenate((spoken, after)), quiet_after=0)
                        found.append(Clip(group=name, asked=asked(what), finished=finished, pcm=pcm))
    return found


class SmartTurn:
    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def complete(self, pcm: bytes) -> float:
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        features = log_mel(soxr.resample(samples, SAMPLE_RATE_HZ, MODEL_RATE_HZ))
        (probability,) = self._session.run(None, {"input_features": features[None]})
        return float(np.asarray(probability).reshape(-1)[0])


# -- the log mel spectrum of Whisper: 25 ms windows every 10 ms, 80 bands on Slaney's mel scale -------------------

MODEL_RATE_HZ = 16_000
LENGTH = 8 * MODEL_RATE_HZ
FFT, HOP, BANDS = 400, 160, 80


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """[BANDS, 800], of the last 8 s."""
    audio = samples[-LENGTH:].astype(np.float64)
    audio = np.pad(audio, (LENGTH - len(audio), 0))
    audio = (audio - audio.mean()) / np.sqrt(audio.var() + 1e-7)
    padded = np.pad(audio, FFT // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP][: LENGTH // HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(FFT + 1)[:-1], axis=1)) ** 2
    levels = np.log10(np.maximum(_bands() @ power.T, 1e-10))
    return np.asarray((np.maximum(levels, levels.max() - 8.0) + 4.0) / 4.0, dtype=np.float32)


@cache
def _bands() -> NDArray[np.float64]:
    """[BANDS, frequencies]: triangles of equal area."""
    edges = _hertz(np.linspace(0.0, _mel(MODEL_RATE_HZ / 2), BANDS + 2))
    frequencies = np.linspace(0, MODEL_RATE_HZ / 2, FFT // 2 + 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low))


def _mel(hertz: float) -> float:
    """Linear to 1000 Hz, logarithmic above."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * float(np.log(hertz / 1000) / np.log(6.4))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


# -- both -------------------------------------------------------------------------------------------------------


async def judge(clip: Clip, model: SmartTurn, recogniser: OfflineSpeechToText) -> Judgement:
    recognition = recogniser.recognition()
    recognition.feed(clip.pcm)
    words = await recognition.text()
    turn = TurnSoFar(silence_ms=SILENCE_MS, length_ms=len(clip.pcm) // BYTES_PER_MS, words=words, asked=clip.asked)
    rule_ms = WordEndpointing(turn_phrases("en-US")).silence_ms(turn)
    assert rule_ms is not None, "its words are known"
    began = thread_time()
    complete = model.complete(clip.pcm)
    return Judgement(rule_ms=rule_ms, complete=complete, model_ms=1000 * (thread_time() - began))


async def compare(of: Sequence[Clip], model: SmartTurn) -> None:
    recogniser = OfflineSpeechToText()
    judged = [(clip, await judge(clip, model, recogniser)) for clip in of]
    groups: dict[str, list[tuple[Clip, Judgement]]] = defaultdict(list)
    for clip, judgement in judged:
        groups[clip.group].append((clip, judgement))
    for name, there in groups.items():
        unfinished = [judgement for clip, judgement in there if not clip.finished]
        finished = [judgement for clip, judgement in there if clip.finished]
        held = sum(one.rule_ms >= HOLD_MS for one in unfinished)
        taken = sum(one.rule_ms <= PAUSE_MS for one in finished)
        print(f"{name}: rule of words: held {held} of {len(unfinished)}, taken {taken} of {len(finished)}")
        for least in THRESHOLDS:
            held = sum(one.complete <= least for one in unfinished)
            taken = sum(one.complete > least for one in finished)
            print(f"{name}: model at {least}: held {held} of {len(unfinished)}, taken {taken} of {len(finished)}")
        held = sum(one.rule_ms >= HOLD_MS or (one.rule_ms == PAUSE_MS and one.complete <= 0.5) for one in unfinished)
        taken = sum(one.rule_ms < PAUSE_MS or (one.rule_ms == PAUSE_MS and one.complete > 0.5) for one in finished)
        print(
            f"{name}: the model asked where words tell nothing: "
            f"held {held} of {len(unfinished)}, taken {taken} of {len(finished)}"
        )
    print(f"CPU time of the model, a decision: {median(judgement.model_ms for _, judgement in judged):.1f} ms (median)")


def _own(paths: Sequence[Path], *, finished: bool) -> list[Clip]:
    found = []
    for path in paths:
        with wave.open(str(path)) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (SAMPLE_RATE_HZ, 1, 2):
                raise ValueError(f"{path.name} is not 8 kHz, mono, 16 bit")
            pcm = file.readframes(file.getnframes())
        found.append(Clip(group="own clips", asked=NOTHING, finished=finished, pcm=pcm))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.talk.smart_turn", description="Which one knows better?")
    parser.add_argument("model", type=Path, help="smart-turn-v3.2-cpu.onnx")
    parser.add_argument("--unfinished", type=Path, action="append", default=[], help="a WAV; may be repeated")
    parser.add_argument("--finished", type=Path, action="append", default=[], help="a WAV; may be repeated")
    arguments = parser.parse_args()
    there = voices.available()
    texts = [text for said in (UNFINISHED, FINISHED) for group in said.values() for text in group]
    voices.prepare({(voice, text) for voice in there for text in texts})
    own = _own(arguments.unfinished, finished=False) + _own(arguments.finished, finished=True)
    asyncio.run(compare([*clips(there), *own], SmartTurn(arguments.model)))


if __name__ == "__main__":
    main()
