"""For how long the callee has heard nothing."""

from collections.abc import Callable

KEEP_S = 3.5  # of silence; then the callee is told that it takes a moment
SLOW_S = 2.5  # the same, for the first time that a tool takes long


class Quiet:
    """Since `broken` was called last: when the agent had spoken, or the callee."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since = now()

    @property
    def ago_s(self) -> float:
        return self._now() - self._since

    def broken(self, ago_s: float = 0.0) -> None:
        self._since = self._now() - ago_s

    def left_s(self, most_s: float) -> float:
        return max(0.0, self._since + most_s - self._now())
