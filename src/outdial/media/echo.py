"""Whether a voice is our own, come back: lines and loudspeakers return what they are sent, later and fainter. Pure.

What went out is known sample by sample. A stretch of what comes in is compared with what went out up to a second
before: at the delay where both are most alike, the part that a short filter of ours explains is our echo, and what is
left over is somebody else, noise, or distortion.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outdial.media.frames import SAMPLE_RATE_HZ
from outdial.media.outgoing import Outgoing

STRETCH_MS = 256    # of what comes in
LONGEST_MS = 1000   # the way there and back
SLACK_MS = 60       # by so much the clocks of both ways may disagree
TAPS = 32           # 4 ms: what a line or a room does to a sound
EXPLAINED = 0.5     # of the energy: half of it is ours
KNOWN_EXPLAINED = 0.3  # … at a delay at which echo was found before
FAINT = 300         # RMS; what is louder is no echo that drowns in noise
FAINT_EXPLAINED = 0.1
FAINT_TIMES = 2     # at the same delay before
REMEMBERED = 40     # stretches
NEAR_SAMPLES = 24   # a delay is the same within 3 ms
PRE_EMPHASIS = 0.9
SURE = 3            # times the same in a row, and it is looked at less often: …
KEEP_MS = 120       # … no more than so often, and …
SILENT_MS = 300     # … not at all where we have been silent for so long
FORGET_MS = 400     # without a voice
PER_MS = SAMPLE_RATE_HZ // 1000

Wave = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """In a stretch until `end_ms`: which part is explained, at which delay (in samples, from LONGEST_MS before)."""

    end_ms: int
    delay: int
    explained: float


class Echo:
    """Of one call. Remembers at which delays it was found, and for a moment what it found."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._found: deque[_Found] = deque(maxlen=REMEMBERED)
        self._asked_ms = 0              # when a voice was last asked about, and …
        self._judged_ms = 0             # … looked at, …
        self._is_ours = False           # … what came of it, and …
        self._same = 0                  # … how often in a row

    def is_ours(self, heard: Callable[[], NDArray[np.int16]], end_ms: int) -> bool:
        """Whether a voice that was heard until `end_ms` is what we have said. `heard` gives the last STRETCH_MS of it.

        Looked at anew for each of the first windows of a voice, and then once in KEEP_MS; no longer where we have been
        silent and it was somebody else's.
        """
        last_ms = self._outgoing.end_ms
        if last_ms is None or end_ms - STRETCH_MS - LONGEST_MS > last_ms:
            return False
        if end_ms - self._asked_ms > FORGET_MS:
            self._same = 0
        self._asked_ms = end_ms
        is_done = not self._is_ours and end_ms - SILENT_MS > last_ms
        if self._same >= SURE and (is_done or end_ms - self._judged_ms < KEEP_MS):
            return self._is_ours
        before, self._is_ours = self._is_ours, self._judge(heard(), end_ms)
        self._same = self._same + 1 if self._is_ours is before and self._same else 1
        self._judged_ms = end_ms
        return self._is_ours

    def _judge(self, heard: NDArray[np.int16], end_ms: int) -> bool:
        explained, delay = self.explained(heard, end_ms)
        before = (one for one in self._found if one.end_ms <= end_ms - STRETCH_MS)
        same = [one for one in before if abs(one.delay - delay) <= NEAR_SAMPLES]
        self._found.append(_Found(end_ms=end_ms, delay=delay, explained=explained))
        if explained >= EXPLAINED:
            return True
        if explained >= KNOWN_EXPLAINED:
            return any(one.explained >= EXPLAINED for one in same)
        # Under a line's noise not much of it can be explained; but no chance has the same delay again and again.
        is_faint = float(np.mean(heard.astype(np.float32) ** 2)) < FAINT**2
        return is_faint and explained >= FAINT_EXPLAINED and len(same) >= FAINT_TIMES

    def explained(self, heard: NDArray[np.int16], end_ms: int) -> tuple[float, int]:
        """Which part of its energy our own words explain, and at which delay."""
        mic = heard.astype(np.float32)
        energy = float(np.dot(mic, mic))
        begin_ms = end_ms - len(heard) // PER_MS
        ours = self._outgoing.samples(begin_ms - LONGEST_MS, end_ms + SLACK_MS)
        if energy <= 0.0 or not ours.any():
            return 0.0, 0
        delay = 2 * _most_alike(_emphasised(_halved(mic)), _emphasised(_halved(ours)))
        start = max(0, min(delay - TAPS // 2, len(ours) - len(mic) - TAPS))
        near = ours[start : start + len(mic) + TAPS]
        columns = np.lib.stride_tricks.sliding_window_view(near, len(mic))[:TAPS]
        towards = np.correlate(near, mic)[:TAPS]
        alike = np.array([np.dot(columns[0], column) for column in columns])
        matrix = alike[np.abs(np.subtract.outer(np.arange(TAPS), np.arange(TAPS)))]
        matrix[np.diag_indices_from(matrix)] += 1e-3 * alike[0] + 1.0
        weights = np.linalg.solve(matrix, towards)
        left = mic - np.convolve(near, weights[::-1], "valid")[: len(mic)]
        return max(0.0, 1.0 - float(np.dot(left, left)) / energy), delay


def _halved(wave: Wave) -> Wave:
    """At half the sampling rate: enough to find a delay."""
    return (wave[: len(wave) // 2 * 2 : 2] + wave[1::2]) / np.float32(2)


def _emphasised(wave: Wave) -> Wave:
    """With its spectrum flatter, so that no pitch is taken for another."""
    return np.append(wave[:1], wave[1:] - np.float32(PRE_EMPHASIS) * wave[:-1])


def _most_alike(mic: Wave, ours: Wave) -> int:
    """Where in `ours` a stretch begins that is most like `mic`, whatever its level."""
    size = 1 << (len(ours) + len(mic) - 1).bit_length()
    spectrum = np.fft.rfft(ours, size) * np.conj(np.fft.rfft(mic, size))
    alike = np.fft.irfft(spectrum, size)[: len(ours) - len(mic) + 1]
    sums = np.concatenate(([0.0], np.cumsum(ours.astype(np.float64) ** 2)))
    energies = sums[len(mic) :] - sums[: -len(mic)]
    return int(np.argmax(alike**2 / (energies + 1e-3 * float(sums[-1]) + 1.0)))
