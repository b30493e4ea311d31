"""When audio was spoken that the network delivered late and in bursts. Pure."""

CREEP_MS = 0.5     # a frame; so fast the clock follows a network that has become slower
MAX_LATE_MS = 2000  # later than this, audio in between was lost or never sent


class AudioClock:
    """Puts a stream's frames on the call clock, one after the other, as early as they can have been spoken.

    A carrier sends frames in real time, but TCP holds them up for a second and then hands them over all at once. By
    their arrival, a short word would last that second, and the words after it no time at all.
    """

    def __init__(self) -> None:
        self._end_ms: float | None = None

    def end_of(self, now_ms: int, duration_ms: int) -> int:
        """The time at which the frame that came at `now_ms` ended; never later than that."""
        if self._end_ms is None or now_ms - self._end_ms > duration_ms + MAX_LATE_MS:
            self._end_ms = now_ms
        else:
            self._end_ms = min(now_ms, self._end_ms + duration_ms + CREEP_MS)
        return round(self._end_ms)
