"""What time it is, the same at every host: a wall clock that is wrong, or jumps, isn't believed.

Instants of calls are compared by all hosts: when a call is looked up next, when it must have ended. One host whose
clock is an hour fast would end everybody's calls. So the database's clock is the true one: a process learns it from
each answer with which it proves its lock (`calls/workers.py`), and goes on from there by the clock that counts since
the computer was started. As long as the computer's wall clock agrees, it is read; nothing here is better than that.
"""

import time as system
from collections.abc import Callable
from datetime import UTC, datetime

AGREES_WITHIN_S = 2.0  # what clocks may differ by that somebody keeps right

BOOT_CLOCK = getattr(system, "CLOCK_BOOTTIME", system.CLOCK_MONOTONIC)  # counts suspended time; not on every system


def since_boot() -> float:
    return system.clock_gettime(BOOT_CLOCK)


class Clock:
    """`wall` is Unix time, `steady` seconds from anywhere. Until it is told better, the wall clock was right when this
    was made."""

    def __init__(self, wall: Callable[[], float] = system.time, steady: Callable[[], float] = since_boot) -> None:
        self._wall = wall
        self._steady = steady
        self._began_at = wall() - steady()  # Unix time at which `steady` was 0

    def time(self) -> float:
        """Unix time."""
        wall, reckoned = self._wall(), self._steady() + self._began_at
        return wall if abs(wall - reckoned) <= AGREES_WITHIN_S else reckoned

    def set(self, true: float, at: float) -> None:
        """It was `true` (Unix time) when `steady` was `at`."""
        self._began_at = true - at

    @property
    def wall_is_off_s(self) -> float:
        """How far the wall clock is ahead; negative: behind. 0 while it agrees."""
        off_s = self._wall() - self._steady() - self._began_at
        return 0.0 if abs(off_s) <= AGREES_WITHIN_S else off_s


HOUSE = Clock()  # of this process


def now() -> datetime:
    return datetime.fromtimestamp(HOUSE.time(), UTC)


def time() -> float:
    """Unix time."""
    return HOUSE.time()
