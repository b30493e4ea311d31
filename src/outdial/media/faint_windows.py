"""Which windows of a line can't be somebody near who speaks, told by their level alone: for those, nobody needs to ask
a voice detector. Pure.

Everything is in power, relative to full scale, and kept for many streams at once, each in its slot.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Slots = NDArray[np.intp]


def power_of(dbfs: float) -> float:
    return float(10 ** (dbfs / 10))


FAINTEST = power_of(-65)     # below, a line carries nothing but itself
OVER_NOISE = power_of(2.5)   # a voice stands out of what is there all the time, which varies by less
MOST_NOISE = power_of(-40)   # what is louder may be a soft callee
RISES, FALLS = 0.08, 0.5     # how fast noise is learned: a voice isn't, and what stops is forgotten at once
PERHAPS = 0.1                # probability of speech from which on it may be some, …
GOES_ON_WINDOWS = 12         # … and goes on: its end, and pauses between words, are never guessed by level


class FaintWindows:
    def __init__(self) -> None:
        self._noise = np.zeros(0, np.float32)   # power
        self._goes_on = np.zeros(0, np.int32)   # windows that are looked at in any case

    def grow(self, more: int) -> None:
        self._noise = np.concatenate((self._noise, np.zeros(more, np.float32)))
        self._goes_on = np.concatenate((self._goes_on, np.zeros(more, np.int32)))

    def open(self, slot: int) -> None:
        """A new stream; nothing is known of its line."""
        self._noise[slot] = 0.0
        self._goes_on[slot] = 0

    def are_faint(self, slots: Slots, power: Floats, far: Floats) -> NDArray[np.bool_]:
        """Of each stream, whether none of its next windows can be near speech. `power`: [W, B]; `far`: [B], what
        is below is nobody near as the callee's own level tells."""
        faint: NDArray[np.bool_] = (self._goes_on[slots] <= 0) & (power < self._least(slots, far)).all(axis=0)
        return faint

    def may_be_voice(self, slot: int, power: Sequence[float], far: float) -> list[bool]:
        """Of one stream's windows that nobody has looked at nor will, whether each may be near speech."""
        (least,) = self._least(np.array([slot], dtype=np.intp), np.array([far], dtype=np.float32)).tolist()
        return [one >= least for one in power]

    def _least(self, slots: Slots, far: Floats) -> Floats:
        """The power of the softest near speech, of each stream."""
        noise = np.minimum(OVER_NOISE * self._noise[slots], MOST_NOISE)
        least: Floats = np.maximum(np.maximum(noise, far), FAINTEST)
        return least

    def passed(self, slots: Slots, power: Floats, probabilities: Floats | None) -> None:
        """These windows have been looked at ([W, B]); None: they were faint."""
        for place, window in enumerate(power):
            if probabilities is not None:
                perhaps = probabilities[place] >= PERHAPS
                self._goes_on[slots] = np.where(perhaps, GOES_ON_WINDOWS, self._goes_on[slots] - 1)
            noise, idle = self._noise[slots], self._goes_on[slots] <= 0
            learned = noise + np.where(window > noise, np.float32(RISES), np.float32(FALLS)) * (window - noise)
            self._noise[slots] = np.where(idle, learned, noise)
