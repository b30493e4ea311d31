"""What a telephone line does to the callee's audio, a frame at a time: level, noise, our own echo, loss, a voice behind
the callee, G.711. Pure, and the same for the same seed."""

from dataclasses import dataclass

import numpy as np

from outdial.media.frames import FRAME_SAMPLES, SAMPLE_RATE_HZ
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.testing.callee_voice import LEVEL, Samples

QUIET_LINE = 32768 * 10 ** (-66 / 20)
LOUDSPEAKER = 0.15  # of full scale: what it can't exceed where it is rough
BEND = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What happens to audio between the callee's mouth and us; G.711 always does.

    `noise_db` is below the callee's level (which is -24 dBFS before `gain_db`); None: a quiet line's, -66 dBFS.
    `echo_db`: how much quieter than it was sent our own voice comes back, `echo_ms` later; `rough` when a bad
    loudspeaker bends and clips it. `lost`: the share of 20 ms frames that never arrive; carriers send silence instead.
    `behind`: what a second voice says without a pause, `behind_db` below the callee's level.
    """

    gain_db: float = 0.0
    noise_db: float | None = None
    echo_db: float | None = None
    echo_ms: int = 160
    rough: bool = False
    lost: float = 0.0
    behind: str | None = None
    behind_db: float = 20.0


class LineAudio:
    """One call's. `behind` is repeated for as long as the call lasts."""

    def __init__(self, line: Line, behind: Samples | None, seed: int) -> None:
        self._line = line
        self._random = np.random.default_rng(seed)
        gain = _ratio(line.gain_db)
        self._gain = gain
        self._noise = QUIET_LINE if line.noise_db is None else LEVEL * gain * _ratio(-line.noise_db)
        self._behind = None if behind is None else behind * gain * _ratio(-line.behind_db)
        self._behind_at = 0
        delay = line.echo_ms * SAMPLE_RATE_HZ // 1000
        self._returning = np.zeros(delay, np.float32)  # what the callee heard, on its way back

    def frame(self, said: Samples, heard: Samples) -> bytes:
        """PCM16 as it reaches us, of what the callee says and what is heard at the same time, 20 ms each."""
        audio = said * self._gain + self._random.normal(size=FRAME_SAMPLES) * self._noise
        if self._behind is not None:
            where = np.arange(self._behind_at, self._behind_at + FRAME_SAMPLES) % len(self._behind)
            audio = audio + self._behind[where]
            self._behind_at += FRAME_SAMPLES
        if self._line.echo_db is not None:
            way = np.concatenate((self._returning, heard))
            audio = audio + self._echo(way[:FRAME_SAMPLES]) * _ratio(self._line.echo_db)
            self._returning = way[FRAME_SAMPLES:]
        if self._line.lost and self._random.random() < self._line.lost:
            audio = np.zeros(FRAME_SAMPLES)
        return ulaw_to_pcm(pcm_to_ulaw(audio.clip(-32767, 32767).astype("<i2").tobytes()))

    def _echo(self, samples: Samples) -> Samples:
        if not self._line.rough:
            return samples
        bent = np.tanh(samples / 32768 * BEND) / BEND
        return np.asarray(bent.clip(-LOUDSPEAKER, LOUDSPEAKER) * 32768, dtype=np.float32)


def _ratio(db: float) -> float:
    return float(10 ** (db / 20))
