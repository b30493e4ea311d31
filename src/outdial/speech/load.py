"""How much is recognised or spoken at once, and how long words wait to be recognised."""

import logging
import math
import os

logger = logging.getLogger(__name__)

LATE_S = 1.0           # a turn that waits for so long is heard as a pause
TELL_LATE_S = 60.0     # between two words about that in the log


def cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def recognisers(cores: int) -> int:
    """How many recognise at once: with a turn that waits for its words, a callee waits. One core is the media loop's,
    and each has a model in memory."""
    return max(2, min(8, cores - 1))


def speakers(cores: int) -> int:
    """How many sentences an offline voice in processes of its own makes at once. One core is the media loop's; there is
    a second all the same, for one that hangs keeps the other sentences waiting."""
    return max(2, min(4, cores - 1))


class LateRecognition:
    """Tells in the log when recognition falls behind: the machine has more calls than it can listen to."""

    def __init__(self, recognisers: int) -> None:
        self._recognisers = recognisers
        self._longest_s = 0.0
        self._told_at = -math.inf

    def note(self, waited_s: float, *, at: float) -> None:
        """Somebody's words waited for so long until their recognition began."""
        self._longest_s = max(self._longest_s, waited_s)
        if self._longest_s >= LATE_S and at - self._told_at >= TELL_LATE_S:
            fields = {"longest_wait_ms": round(self._longest_s * 1000), "recognisers": self._recognisers}
            logger.warning("Speech recognition fell behind", extra=fields)
            self._longest_s, self._told_at = 0.0, at
