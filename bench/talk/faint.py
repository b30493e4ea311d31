"""`python -m bench.talk.faint`: what isn't looked at by the voice detector, and what is missed for that.

Conversations of half a minute with every voice, over several lines: of our questions and short answers. Each is heard
twice: by a detector that looks at every window, and by the one that ships. Told are the share of windows that are
looked at, the windows with a voice that the second one doesn't find, and how much later than the first it notices that
somebody has begun to speak.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.figures import percentile
from bench.talk import voices
from outdial.conversation.turns import SpeechGate, SpeechStarted
from outdial.media.frames import FRAME_SAMPLES, SAMPLE_RATE_HZ
from outdial.media.voice_activity import WINDOW_BYTES, WINDOW_MS, VoiceActivity
from outdial.testing.callee_voice import Samples
from outdial.testing.line_audio import Line, LineAudio

QUESTION = "I am calling about the delivery of your new washing machine. Would that day still suit you?"
BEHIND = "It was a quiet day for the markets, and rain is expected in the north until Friday."
ANSWERS = ("Yes.", "Not really.", "On Friday, please.", "Eight.", "Uh huh.", "Sure, that works for me.")
LINES = {
    "clean": Line(),
    "noise at 20 dB": Line(noise_db=20),
    "noise at 10 dB": Line(noise_db=10),
    "12 dB quieter": Line(gain_db=-12),
    "12 dB quieter, noise at 20 dB": Line(gain_db=-12, noise_db=20),
    "6 dB louder": Line(gain_db=6),
    "3 % of frames lost": Line(lost=0.03),
    "our echo at -15 dB": Line(echo_db=-15, noise_db=36),
    "our echo at -25 dB": Line(echo_db=-25, noise_db=36),
    "television 20 dB below": Line(behind=BEHIND),
}
ROUNDS = 2              # of every voice
NEAR_MS = 700           # two beginnings this far apart are of one utterance
ENDS_MS = 320           # of silence
BEFORE_S, AFTER_S = (0.3, 1.2), (0.5, 1.2)  # silence around an answer


@dataclass(slots=True)
class Found:
    """Of one line."""

    windows: int = 0
    seen: int = 0
    voiced: int = 0
    lost: int = 0
    later_ms: list[float] = field(default_factory=list)  # negative: sooner
    missed: int = 0

    def row(self, line: str) -> dict[str, Any]:
        late = [max(0.0, ms) for ms in self.later_ms]
        return {
            "line": line,
            "looked at": f"{self.seen / self.windows:.1%}",
            "windows with a voice": self.voiced,
            "not found": f"{self.lost / max(1, self.voiced):.2%}",
            "beginnings": len(self.later_ms) + self.missed,
            "missed": self.missed,
            "noticed later": sum(ms > 0 for ms in late),
            "sooner": sum(ms < 0 for ms in self.later_ms),
            "later p95 ms": round(percentile(late, 95)),
            "max ms": round(max(late)),
        }


def texts(there: Sequence[str]) -> set[tuple[str, str]]:
    """What has to be spoken (`voices.prepare`)."""
    said = {(voice, text) for voice in there for text in ANSWERS}
    return said | {("hibari-man", QUESTION), ("hibari-man", BEHIND), ("hibari-small", BEHIND)}


def conversation(voice: str, line: Line, seed: int) -> bytes:
    """What reaches us of it: PCM16."""
    random = np.random.default_rng(seed)
    question = voices.speech("hibari-man", QUESTION)
    said: list[Samples] = []
    heard: list[Samples] = []
    for text in random.permutation(ANSWERS):
        answer = voices.speech(voice, str(text))
        before, after = (
            np.zeros(int(random.uniform(*length) * SAMPLE_RATE_HZ), np.float32) for length in (BEFORE_S, AFTER_S)
        )
        said += [np.zeros_like(question), before, answer, after]
        heard += [question, np.zeros(len(before) + len(answer) + len(after), np.float32)]
    behind = voices.speech("hibari-small" if voice == "hibari-man" else "hibari-man", BEHIND)
    audio = LineAudio(line, behind if line.behind else None, seed)
    frames = zip(_frames(said), _frames(heard), strict=True)
    return b"".join(audio.frame(ours, theirs) for ours, theirs in frames)


def _frames(parts: list[Samples]) -> Samples:
    samples = np.concatenate(parts)
    return samples[: len(samples) - len(samples) % FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


def probabilities(pcm: bytes, *, every_window: bool) -> tuple[list[float], int]:
    """Of every window; and how many were looked at."""
    activity = VoiceActivity(every_window=every_window)
    heard: list[float] = []
    stream = activity.open(heard.append)
    seen = 0
    for at in range(0, len(pcm), WINDOW_BYTES):
        stream.feed(pcm[at : at + WINDOW_BYTES])
        while (batch := activity.collect()) is not None:
            seen += len(batch.streams) * len(batch.input)
            activity.deliver(batch, activity.infer(batch))
    return heard, seen


def beginnings_ms(heard: list[float]) -> list[int]:
    gate, found = SpeechGate(), []
    for place, probability in enumerate(heard):
        at_ms = (place + 1) * WINDOW_MS
        if isinstance(gate.window(probability, at_ms), SpeechStarted):
            found.append(at_ms)
        if gate.is_paused and gate.silence_ms(at_ms) >= ENDS_MS:
            gate.end()
    return found


def measure(line: Line, there: Sequence[str]) -> Found:
    found = Found()
    for seed, voice in enumerate([*there] * ROUNDS):
        pcm = conversation(voice, line, seed)
        every, _ = probabilities(pcm, every_window=True)
        heard, seen = probabilities(pcm, every_window=False)
        voiced = [place for place, probability in enumerate(every) if probability >= SpeechGate.START]
        found.windows += len(every)
        found.seen += seen
        found.voiced += len(voiced)
        found.lost += sum(heard[place] < SpeechGate.START for place in voiced)
        noticed = beginnings_ms(heard)
        for at_ms in beginnings_ms(every):
            near = [other for other in noticed if abs(other - at_ms) <= NEAR_MS]
            if near:
                found.later_ms.append(min(near, key=lambda other, at_ms=at_ms: abs(other - at_ms)) - at_ms)
            else:
                found.missed += 1
    return found


def main() -> None:
    there = voices.available()
    voices.prepare(texts(there))
    for name, line in LINES.items():
        print(" | ".join(f"{what} {value}" for what, value in measure(line, there).row(name).items()), flush=True)


if __name__ == "__main__":
    main()
