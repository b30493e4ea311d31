"""How often somebody may do something: everybody has a bucket of tokens, and it fills up again evenly."""

import math
import time
from collections.abc import Callable, Hashable

from cachetools import LRUCache

MOST = 10_000  # buckets; who wasn't seen for longest is forgotten first, and has a full one again
_ROUNDING = 1e-9


class TokenBuckets:
    """In the memory of this process alone: several processes have their own."""

    def __init__(self, *, per_s: float, at_once: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self.at_once = at_once
        self._clock = clock
        self._left = LRUCache[Hashable, tuple[float, float]](MOST)  # how many tokens, and when

    def take(self, of: Hashable) -> int:
        """Take a token, and return 0. Where there is none, take none and return in how many whole seconds there is."""
        left, now = self._now(of)
        if left < 1 - _ROUNDING:
            self._left[of] = (left, now)
            return max(1, math.ceil((1 - left) / self.per_s - _ROUNDING))
        self._left[of] = (left - 1, now)
        return 0

    def give_back(self, of: Hashable) -> None:
        """A token that was taken for nothing."""
        left, now = self._now(of)
        self._left[of] = (min(self.at_once, left + 1), now)

    def _now(self, of: Hashable) -> tuple[float, float]:
        now = self._clock()
        left, at = self._left.get(of, (self.at_once, now))
        return min(self.at_once, left + (now - at) * self.per_s), now
