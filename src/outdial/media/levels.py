"""A recording in numbers: how loud and how long each side was, and how long both at once."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outdial.media.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

LOUD_DBFS = -45.0  # a 20 ms frame above this counts as sound; line noise is below, speech mostly far above
SECONDS_AT_ONCE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLevels:
    rms_dbfs: float | None  # of the loud frames; None when there are none
    sound_ms: int           # speech, and whatever else is as loud
    first_sound_ms: int | None
    last_sound_ms: int | None  # its end


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLevels:
    duration_ms: int
    callee: ChannelLevels
    agent: ChannelLevels
    overlap_ms: int  # both loud


def levels(path: Path) -> RecordingLevels:
    """Reads the whole file, a minute at a time. Raises ValueError when it isn't 8 kHz PCM16 stereo."""
    power = _frame_power(path)
    loud = power > 10 ** (LOUD_DBFS / 10)
    return RecordingLevels(
        duration_ms=len(power) * FRAME_MS,
        callee=_channel(power[:, 0], loud[:, 0]),
        agent=_channel(power[:, 1], loud[:, 1]),
        overlap_ms=int(np.count_nonzero(loud.all(axis=1))) * FRAME_MS,
    )


def _frame_power(path: Path) -> NDArray[np.float64]:
    """[frames of 20 ms, 2]: mean square relative to full scale; a last part of a frame is left out."""
    pieces = [np.zeros((0, 2))]
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (2, 2, SAMPLE_RATE_HZ):
            raise ValueError("not a recording: expected 8 kHz, 16 bit, stereo")
        while data := file.readframes(SECONDS_AT_ONCE * SAMPLE_RATE_HZ):
            samples = np.frombuffer(data, dtype="<i2").reshape(-1, 2) / 32768
            whole = len(samples) - len(samples) % FRAME_SAMPLES
            pieces.append(np.mean(samples[:whole].reshape(-1, FRAME_SAMPLES, 2) ** 2, axis=1))
    return np.concatenate(pieces)


def _channel(power: NDArray[np.float64], loud: NDArray[np.bool_]) -> ChannelLevels:
    where = np.flatnonzero(loud)
    if not len(where):
        return ChannelLevels(rms_dbfs=None, sound_ms=0, first_sound_ms=None, last_sound_ms=None)
    return ChannelLevels(
        rms_dbfs=round(10 * float(np.log10(np.mean(power[loud]))), 1),
        sound_ms=len(where) * FRAME_MS,
        first_sound_ms=int(where[0]) * FRAME_MS,
        last_sound_ms=(int(where[-1]) + 1) * FRAME_MS,
    )
