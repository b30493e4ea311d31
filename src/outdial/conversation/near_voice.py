"""Whose voice is near: levels tell the callee from a television, and from people who talk in the same room. Pure.

What is well below the callee's own level is somebody else's. That level is learned from what the callee has answered;
before, and when it may be wrong, only the loudest of what is being said counts.
"""

import math
from collections import deque

FAR_DB = 15.0         # and more below the callee's own level: somebody else
BELOW_DB = 9.0        # … not for sure, but a syllable alone that is so much lower isn't the callee's
FAINT_DBFS = -32.0    # at the loudest syllable, as long as nothing is known: a callee is mostly louder
FARTHEST_DB = 18.0    # and more below the callee's own level: no need to find out whether it is a voice
LOUD_DB = 9.0         # below the loudest at most: the same voice for certain
LONG_WINDOWS = 25     # of a faint voice are no soft beginning of a word
NEARER_DB = 12.0      # louder than what was said until then: somebody nearer has begun to speak
TOGETHER_WINDOWS = 8  # of 32 ms: about a syllable
MEMORY = 0.3          # how fast the level goes down
FULL_SCALE = 32768


class NearVoice:
    """The callee's level in one call, from windows with a voice in them. Levels in dBFS."""

    def __init__(self) -> None:
        self._known: float | None = None
        self.loudest: float | None = None  # of what is being said, in dBFS
        self.is_loud = False               # the newest window is about as loud as the loudest in the call
        self._ever = -100.0                # so loud
        self._windows: deque[float] = deque(maxlen=TOGETHER_WINDOWS)
        self._heard = 0  # windows
        self._before: deque[float] = deque(maxlen=TOGETHER_WINDOWS + 2)  # the loudest until each of the newest windows

    def begins(self) -> None:
        """There was silence; what comes is said by whoever it is."""
        self._windows.clear()
        self._before.clear()
        self._heard = 0
        self.loudest = None

    def window(self, rms: float) -> bool:
        """A window with a voice in it: whether it can be the callee's."""
        self._windows.append(rms * rms)
        level = _dbfs(sum(self._windows) / len(self._windows))
        if self.loudest is None or level > self.loudest:
            self.loudest = level
        self._ever = max(self._ever, self.loudest)
        self.is_loud = level > self._ever - LOUD_DB
        self._before.append(self.loudest)
        self._heard += 1
        own = self.loudest if self._known is None else max(self._known, self.loudest)
        return level > own - FAR_DB

    def has_come_nearer(self) -> bool:
        """Whether somebody has begun to speak who is much louder than the faint voice that was heard until
        then. Told once."""
        before = self._before
        if self._heard < LONG_WINDOWS or not self.is_faint(before[0]) or before[-1] - before[0] < NEARER_DB:
            return False
        self._heard = 0
        return True

    def is_faint(self, level: float | None) -> bool:
        """Whether what is that loud is too faint to be taken for a callee of whom nothing is known."""
        return self._known is None and level is not None and level < FAINT_DBFS

    def is_below(self, level: float | None) -> bool:
        """Whether what is that loud is well below the callee's own level."""
        return self._known is not None and level is not None and level < self._known - BELOW_DB

    @property
    def far_power(self) -> float:
        """What is below, relative to full scale, is none of the callee's voice; 0 while its level isn't known."""
        return 0.0 if self._known is None else float(10 ** ((self._known - FARTHEST_DB) / 10))

    def answered(self, level: float | None) -> None:
        """What was that loud was the callee's."""
        if level is None:
            return
        if self._known is None or level > self._known:
            self._known = level
        else:
            self._known += MEMORY * (level - self._known)

    def forget(self) -> None:
        """Nobody answered: perhaps whoever was taken for the callee isn't there any more."""
        self._known = None


def _dbfs(power: float) -> float:
    return 10 * math.log10(max(power, 1.0) / FULL_SCALE**2)
