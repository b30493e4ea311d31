"""What the other side has just heard of us, sample by sample: its echo can be told from a voice by that."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from outdial.media.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

KEPT_FRAMES = 100  # 2 s: the longest way there and back, and what is compared with it


class Outgoing:
    """The newest frames with the times at which they were heard (ms on the call clock), in their order."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=KEPT_FRAMES)

    def add(self, at_ms: int, frame: bytes) -> None:
        """A frame that is heard from `at_ms` on."""
        self._frames.append((at_ms, frame))

    def truncate(self, at_ms: int) -> None:
        """Nothing from `at_ms` on is heard after all."""
        while self._frames and self._frames[-1][0] >= at_ms:
            self._frames.pop()

    def forget(self) -> None:
        """Nobody listens any more."""
        self._frames.clear()

    @property
    def end_ms(self) -> int | None:
        """When the last of it was heard; None when there was nothing yet."""
        return self._frames[-1][0] + FRAME_MS if self._frames else None

    def samples(self, from_ms: int, until_ms: int) -> NDArray[np.float32]:
        """What was heard between two times, silence where there was nothing; full scale is ±32768."""
        per_ms = SAMPLE_RATE_HZ // 1000
        wave = np.zeros((until_ms - from_ms) * per_ms, dtype=np.float32)
        for at_ms, frame in self._frames:
            start = (at_ms - from_ms) * per_ms
            first, last = max(0, -start), min(FRAME_SAMPLES, len(wave) - start)
            if first < last:
                wave[start + first : start + last] = np.frombuffer(frame, dtype="<i2")[first:last]
        return wave
