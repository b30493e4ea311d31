"""Which windows of audio are a tone or two and nothing else, and of what frequency. Pure; many windows at once.

A window is 40 ms: two frequencies 100 Hz apart are told from each other, and of what begins in the middle of one
nothing is lost, for they overlap by half.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outdial.media.frames import FRAME_SAMPLES, SAMPLE_RATE_HZ

WINDOW_SAMPLES = 2 * FRAME_SAMPLES
FAINTEST_DBFS = -48.0
LOWEST_HZ, HIGHEST_HZ = 350.0, 3300.0
PURE = 0.74        # of the power of a window that is one tone; noise 6 dB below it takes no more
PURE_OF_TWO = 0.82
LEAST_OF_TWO = 0.06  # of the stronger one's power: with less, it is one tone and something else

_SIZE = 512
_BIN_HZ = SAMPLE_RATE_HZ / _SIZE
_HANN = np.hanning(WINDOW_SAMPLES).astype(np.float32)
_LOW, _HIGH = round(200 / _BIN_HZ), round(3600 / _BIN_HZ)
_LOBE = 4  # bins to each side: a tone's power under this window

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class TonalWindow:
    """`hz`: one tone or two, the stronger first; empty where the window is none. `pure`: their share of its power."""

    hz: tuple[float, ...]
    pure: float
    dbfs: float


NO_TONE = TonalWindow(hz=(), pure=0.0, dbfs=-100.0)


def tonal_windows(windows: Floats) -> list[TonalWindow]:
    """`windows`: [B, WINDOW_SAMPLES], full scale is ±1."""
    dbfs = 10 * np.log10(np.maximum(np.mean(windows**2, axis=1), 1e-10))
    found = [NO_TONE] * len(windows)
    loud = np.flatnonzero(dbfs >= FAINTEST_DBFS)
    if not len(loud):
        return found
    power = np.abs(np.fft.rfft(windows[loud] * _HANN, _SIZE)) ** 2
    power[:, :_LOW] = 0
    power[:, _HIGH:] = 0
    total = np.maximum(power.sum(axis=1), 1e-12)
    first_hz, first = _strongest(power)
    second_hz, second = _strongest(power)
    first /= total
    second /= total
    for place, row in enumerate(loud.tolist()):
        found[row] = _window(
            (float(first_hz[place]), float(second_hz[place])), (float(first[place]), float(second[place])), dbfs[row]
        )
    return found


def _window(hz: tuple[float, float], share: tuple[float, float], dbfs: float) -> TonalWindow:
    fits = [LOWEST_HZ <= one <= HIGHEST_HZ for one in hz]
    if all(fits) and sum(share) >= PURE_OF_TWO and share[1] >= LEAST_OF_TWO * share[0]:
        return TonalWindow(hz=hz, pure=sum(share), dbfs=float(dbfs))
    if fits[0] and share[0] >= PURE:
        return TonalWindow(hz=hz[:1], pure=share[0], dbfs=float(dbfs))
    return TonalWindow(hz=(), pure=share[0], dbfs=float(dbfs))


def _strongest(power: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Of each row, the frequency with most power and how much there is around it, which is taken out."""
    rows = np.arange(len(power))
    peak = np.clip(power.argmax(axis=1), 1, power.shape[1] - 2)
    logs = np.log(np.maximum(np.stack([power[rows, peak + step] for step in (-1, 0, 1)]), 1e-12))
    bend = logs[0] - 2 * logs[1] + logs[2]
    shift = np.where(np.abs(bend) > 1e-6, 0.5 * (logs[0] - logs[2]) / np.where(bend == 0, 1, bend), 0.0)
    lobe = np.clip(peak[:, None] + np.arange(-_LOBE, _LOBE + 1), 0, power.shape[1] - 1)
    taken = power[rows[:, None], lobe].sum(axis=1)
    power[rows[:, None], lobe] = 0
    return (peak + np.clip(shift, -1, 1)) * _BIN_HZ, taken
