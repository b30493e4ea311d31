"""Where the speech is in a piece of audio, and how loud it is."""

import numpy as np
from numpy.typing import NDArray

from outdial.media.frames import FRAME_SAMPLES, SAMPLE_RATE_HZ

Wave = NDArray[np.float32]  # 8 kHz, full scale is ±1

SPEECH_DBFS = -21.0      # of the loud frames; lines carry -26 (ITU-T P.56) and are mostly found too quiet
KNEE, PEAK = 0.5, 0.7    # from -6 dBFS on peaks are rounded off, and none exceeds -3 dBFS
QUIET_BELOW_PEAK_DB = 30
FAINT_DBFS = -55.0       # below this everything is line noise
LOUD_MS = 80             # a click is shorter
BEFORE_MS = 40           # of an agent's words: they begin at once; a soft s needs three times as much


def even_out(wave: Wave, *, before_ms: int = BEFORE_MS) -> bytes:
    """PCM16 of 8 kHz float audio: silence at both ends cut down, to `before_ms` in front of what is loud; brought to
    SPEECH_DBFS, peaks rounded off. Empty when there is nothing to hear."""
    loud = _loud_frames(wave)
    if not loud.any():
        return b""
    return _at_level(_around(wave, loud, before_ms=before_ms, after_ms=120), _gain(wave, loud))


def levelled(wave: Wave) -> bytes:
    """As `even_out`, with the silence that is in it: whoever made it meant that."""
    loud = _loud_frames(wave)
    return _at_level(wave, _gain(wave, loud)) if loud.any() else b""


def as_wave(samples: NDArray[np.int16]) -> Wave:
    return samples.astype(np.float32) / np.float32(32768)


def speech_part(wave: Wave) -> Wave:
    """From the first to the last sound that could be speech, with a little around it; empty when there is none."""
    loud = _loud_frames(wave)
    if np.count_nonzero(loud) * FRAME_SAMPLES < LOUD_MS * SAMPLE_RATE_HZ // 1000:
        return np.zeros(0, np.float32)
    return _around(wave, loud, before_ms=120, after_ms=200)


def _gain(wave: Wave, loud: NDArray[np.bool_]) -> float:
    """That brings it to SPEECH_DBFS."""
    return 10 ** (SPEECH_DBFS / 20) / float(np.sqrt(np.mean(_frame_levels(wave)[loud] ** 2)))


def _at_level(wave: Wave, gain: float) -> bytes:
    return (_limited(wave * np.float32(gain)) * 32767).astype("<i2").tobytes()


def _limited(wave: Wave) -> Wave:
    """Peaks rounded off: a low voice is all peaks, and turning it down by its highest would make it faint."""
    size = np.abs(wave)
    over = KNEE + (PEAK - KNEE) * np.tanh((size - KNEE) / (PEAK - KNEE))
    return np.asarray(np.copysign(np.where(size > KNEE, over, size), wave), dtype=np.float32)


def _frame_levels(wave: Wave) -> Wave:
    """RMS of every 20 ms; what is left over at the end counts as a whole frame."""
    frames = np.pad(wave, (0, -len(wave) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    return np.asarray(np.sqrt(np.mean(frames**2, axis=1)), dtype=np.float32)


def _loud_frames(wave: Wave) -> NDArray[np.bool_]:
    levels = _frame_levels(wave)
    if not len(levels):
        return np.zeros(0, np.bool_)
    floor = max(10 ** (FAINT_DBFS / 20), float(np.max(levels)) * 10 ** (-QUIET_BELOW_PEAK_DB / 20))
    return np.asarray(levels > floor)


def _around(wave: Wave, loud: NDArray[np.bool_], *, before_ms: int, after_ms: int) -> Wave:
    where = np.flatnonzero(loud) * FRAME_SAMPLES
    start = int(where[0]) - before_ms * SAMPLE_RATE_HZ // 1000
    end = int(where[-1]) + FRAME_SAMPLES + after_ms * SAMPLE_RATE_HZ // 1000
    return wave[max(0, start) : end]
