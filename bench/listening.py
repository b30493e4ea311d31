"""What the load generator hears: how late frames are against the schedule they should keep."""

from array import array
from typing import Any

from bench.figures import percentile
from outdial.carriers.twilio.stream import TwilioStream
from outdial.media.frames import FRAME_MS

FRAME_S = FRAME_MS / 1000
AHEAD_S = (TwilioStream.lead_ms - FRAME_MS) / 1000  # the lead includes the frame that makes it up
LONG_GAP_S = 0.06
ROUNDING_S = 0.001  # the server's clock counts in milliseconds


class Utterance:
    """One utterance of the agent as it arrives. Its first frame sets the clock: frame n is due at
    `began + max(0, n * 20 ms - 180 ms)`: with it, the carrier holds 200 ms ahead of the ear. The ear needs frame n
    at `began + n * 20 ms`."""

    __slots__ = ("_began", "_frames", "gap_s", "heard_until")

    def __init__(self, at: float) -> None:
        self._began = at
        self._frames = 0.0
        self.gap_s = 0.0       # before the last frame
        self.heard_until = at  # when what has arrived so far will have been played

    def frame(self, at: float, frames: float = 1.0) -> tuple[float, bool]:
        """How late this frame is (seconds, at least 0), and whether the callee heard a gap before it. `frames`: it is
        as long as so many."""
        late = at - self._began - max(0.0, self._frames * FRAME_S - AHEAD_S)
        gap = at > self.heard_until + ROUNDING_S
        self.gap_s = at - self.heard_until if gap else 0.0
        if gap:
            self.heard_until = at
        self.heard_until += FRAME_S * frames
        self._frames += frames
        return max(0.0, late), gap


class Tally:
    """What all callees heard between `begin` and `end`."""

    def __init__(self) -> None:
        self.counting = False
        self.begin()
        self.counting = False

    def begin(self) -> None:
        self.late = array("d")      # seconds, one an agent's frame
        self.own_late = array("d")  # … of our own sending, one a tick: more than the server's means we can't tell
        self.sent = 0
        self.gaps = 0
        self.long_gaps = 0  # of them, longer than a callee overhears
        self.unanswered = 0
        self.utterances = 0
        self.turns: list[tuple[str, float, float]] = []  # whose, and the two instants (perf_counter) of each of …
        self.replies = array("d")   # … seconds from the callee's last voiced frame to the agent's first
        self.counting = True

    def end(self) -> dict[str, Any]:
        self.counting = False
        return {
            "frames": len(self.late),
            "late_ms": _spread(self.late),
            "own_late_ms": _spread(self.own_late),
            "frames_sent": self.sent,
            "gaps": self.gaps,
            "long_gaps": self.long_gaps,
            "unanswered": self.unanswered,
            "utterances": self.utterances,
            "replies_s": list(self.replies),
        }


def _spread(seconds: "array[float]") -> dict[str, float]:
    return {
        name: round(percentile(seconds, q) * 1000, 3) if seconds else 0.0
        for name, q in (("p50", 50), ("p99", 99), ("p999", 99.9), ("max", 100))
    }
