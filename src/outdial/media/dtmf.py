"""Keys heard in audio: which ones were pressed, told from speech by how little else there is.

Sources: ITU-T Q.23 (frequencies), ITU-T Q.24 (what a receiver has to take for a key: 40 ms of it, columns up to 4 dB
and rows up to 8 dB stronger than the other tone).
"""

import numpy as np

from outdial.media.frames import FRAME_SAMPLES, SAMPLE_RATE_HZ, SILENT_FRAME
from outdial.media.tones import DTMF_COLUMNS_HZ, DTMF_KEYS, DTMF_ROWS_HZ

FRAMES_ON = 2      # of 20 ms: less is no key
FRAMES_OFF = 2     # less is a dropout within one
PURITY = 0.8       # of the energy that both tones make up; speech has more than that elsewhere
MAX_TWIST = 10**0.8
MIN_RMS = 330      # about -40 dBFS

_TIME = np.arange(FRAME_SAMPLES) / SAMPLE_RATE_HZ
_PROBES = np.exp(-2j * np.pi * np.outer(_TIME, (*DTMF_ROWS_HZ, *DTMF_COLUMNS_HZ))).astype(np.complex64)
_PROBES *= np.sqrt(2 / FRAME_SAMPLES).astype(np.float32)  # then a pure tone's power is its energy


class KeyDetector:
    """One direction of a line, a frame at a time. About 10 µs for a frame that isn't silent."""

    def __init__(self) -> None:
        self._key: str | None = None  # as last reported; None once it was let go
        self._candidate: str | None = None
        self._frames = 0

    def hear(self, frame: bytes) -> str | None:
        """The key that these 20 ms show to be pressed: once for each press."""
        key = None if frame is SILENT_FRAME else key_in(frame)
        if key == self._key:
            self._candidate, self._frames = key, 0
            return None
        self._frames = self._frames + 1 if key == self._candidate else 1
        self._candidate = key
        if self._frames < (FRAMES_OFF if key is None else FRAMES_ON):
            return None
        self._key = key
        return key


def key_in(frame: bytes) -> str | None:
    """The key whose tones are all that can be heard in 20 ms of PCM16, if there is one."""
    samples = np.frombuffer(frame, dtype="<i2").astype(np.float32)
    energy = float(np.dot(samples, samples))
    if energy < MIN_RMS * MIN_RMS * FRAME_SAMPLES:
        return None
    power = (np.abs(samples @ _PROBES) ** 2).tolist()
    rows, columns = power[:4], power[4:]
    low, high = max(rows), max(columns)
    if low + high < PURITY * energy or max(low, high) > MAX_TWIST * min(low, high):
        return None
    return DTMF_KEYS[rows.index(low)][columns.index(high)]
