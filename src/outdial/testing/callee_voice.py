"""How a callee sounds on the telephone: the offline engine's second voice, all of it at one level, and a cough."""

from collections.abc import Iterable

import numpy as np
import soxr
from numpy.typing import NDArray

from outdial.media.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from outdial.speech.characters import Voice
from outdial.speech.offline import OfflineTextToSpeech

Samples = NDArray[np.float32]  # 8 kHz, of 32768

LEVEL_DBFS = -24.0  # of frames with voice in them
LEVEL = 32768 * 10 ** (LEVEL_DBFS / 20)
VOICED = 0.08  # of the loudest frame
SMALLER = 0.86  # the length of the smaller vocal tract of whoever talks behind a callee
COUGH_MS = 160
SOFT_MS = 120  # without them "Speaking." is heard as "Beaking."


class CalleeVoice:
    """Raises SpeechUnavailable at once where the engine isn't installed."""

    def __init__(self) -> None:
        self._engine = OfflineTextToSpeech(Voice.CALLEE, before_ms=SOFT_MS)
        self._said: dict[str, Samples] = {}

    async def prepare(self, texts: Iterable[str]) -> None:
        for text in texts:
            if text not in self._said:
                self._said[text] = at_level(await spoken_samples(self._engine, text))

    def __call__(self, text: str) -> Samples:
        """Of a text that was prepared; with its soft first and last sounds, which are heard before and after it is
        loud."""
        return self._said[text]

    async def behind(self, text: str) -> Samples:
        """The same words of somebody else, behind the callee."""
        await self.prepare((text,))
        return smaller(self._said[text])


async def spoken_samples(engine: OfflineTextToSpeech, text: str) -> Samples:
    pieces = [piece async for piece in engine.speak(text)]
    return np.frombuffer(b"".join(pieces), "<i2").astype(np.float32)


def smaller(voice: Samples) -> Samples:
    """The same words by somebody smaller."""
    return np.asarray(soxr.resample(voice, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * SMALLER), dtype=np.float32)


def cough() -> Samples:
    """A short noise without a voice in it, as loud as speech."""
    fades = np.hanning(COUGH_MS * SAMPLE_RATE_HZ // 1000)
    return np.asarray(np.random.default_rng(1).normal(size=len(fades)) * fades * LEVEL, dtype=np.float32)


def voiced_frames(samples: Samples) -> NDArray[np.bool_]:
    """Of each 20 ms, whether anybody would say that somebody speaks."""
    levels = _levels(samples)
    return np.asarray(levels >= VOICED * levels.max(initial=1.0))


def quiet_start_ms(samples: Samples) -> int:
    """What comes before the first voiced frame."""
    where = np.flatnonzero(voiced_frames(samples))
    return int(where[0]) * FRAME_MS if len(where) else 0


def quiet_end_ms(samples: Samples) -> int:
    """What comes after the last voiced frame."""
    where = np.flatnonzero(voiced_frames(samples))
    frames = -(-len(samples) // FRAME_SAMPLES)
    return (frames - 1 - int(where[-1])) * FRAME_MS if len(where) else 0


def softly_ending(samples: Samples) -> Samples:
    """From the first voiced frame to the last, at LEVEL, with SOFT_MS of what is soft around; empty where nothing
    is said."""
    where = np.flatnonzero(voiced_frames(samples))
    if not len(where):
        return np.zeros(0, np.float32)
    soft = SOFT_MS // FRAME_MS
    return at_level(samples)[max(0, where[0] - soft) * FRAME_SAMPLES : (where[-1] + 1 + soft) * FRAME_SAMPLES]


def at_level(samples: Samples) -> Samples:
    """With its voiced frames at LEVEL."""
    voiced = voiced_frames(samples)
    if not voiced.any():
        return samples
    loudness = float(np.sqrt(np.mean(_levels(samples)[voiced] ** 2)))
    return np.asarray(samples * (LEVEL / loudness), dtype=np.float32)


def _levels(samples: Samples) -> Samples:
    frames = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    return np.asarray(np.sqrt(np.mean(frames**2, axis=1)), dtype=np.float32)
