"""A line's noise, made less before words are recognised. Pure.

What is there all the time is what the quietest moments of an utterance sound like. Of each moment so much is taken off
in each band as the noise has there; a third is left in any case: more is lost of soft consonants than of noise. Where
there is little of it, nothing is changed.
"""

import numpy as np
from numpy.typing import NDArray

from outdial.speech.levelling import Wave

WINDOW, HOP = 256, 64   # samples of 8 kHz: 32 ms, every 8 ms
LEFT = 0.35             # of the sound, where nothing but noise is
QUIETEST = 6            # of so many moments one is noise alone: the line is open before and after words
LITTLE = 10 ** (-30 / 10)  # power of the noise, of what is heard in all
BANDS = 5               # together tell more surely how loud the noise is there
SILENCE = 1e-12         # power

Power = NDArray[np.float32]


def less_noise(wave: Wave) -> Wave:
    """As long as it was."""
    if len(wave) < WINDOW:
        return wave
    padded = np.pad(wave, (WINDOW, WINDOW + -len(wave) % HOP))
    window = np.sqrt(np.hanning(WINDOW + 1)[:-1]).astype(np.float32)
    moments = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * window
    spectra = np.fft.rfft(moments, axis=1)
    power = (np.abs(spectra) ** 2).astype(np.float32)
    edge = WINDOW // HOP  # moments that reach beyond what was heard
    noise = _noise(power[edge:-edge])
    if noise.sum() <= LITTLE * power[edge:-edge].mean(axis=0).sum():
        return wave
    kept = np.maximum(LEFT, 1 - noise / np.maximum(_smooth(power), SILENCE))
    changed = np.fft.irfft(spectra * kept, axis=1).astype(np.float32) * window
    whole = np.zeros(len(padded), np.float32)
    for part in range(WINDOW // HOP):  # every moment is the sum of four windows
        pieces = changed[part :: WINDOW // HOP]
        start = part * HOP
        whole[start : start + pieces.size] += pieces.reshape(-1)
    return whole[WINDOW : WINDOW + len(wave)] / np.float32(WINDOW // HOP / 2)


def _noise(power: Power) -> Power:
    """Of each band."""
    count = max(1, len(power) // QUIETEST)
    quietest = power[np.argsort(power.sum(axis=1))[:count]].mean(axis=0)
    around = np.pad(quietest, BANDS // 2, mode="edge")
    return np.convolve(around, np.full(BANDS, 1 / BANDS, np.float32), "valid").astype(np.float32)


def _smooth(power: Power) -> Power:
    """A moment and its neighbours: of one alone, noise is now loud and now soft, which is heard as chirping."""
    smooth = power.copy()
    smooth[1:-1] = (power[:-2] + power[1:-1] + power[2:]) / 3
    smooth[:, 1:-1] = (smooth[:, :-2] + smooth[:, 1:-1] + smooth[:, 2:]) / 3
    return smooth
