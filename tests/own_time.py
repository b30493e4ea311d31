"""Time as it would pass if the computer had nothing else to do: for tests that hold conversations in real time.

The clock of an event loop counts what the loop's thread computes and how long it has nothing to do. Time in which it
could go on and others have the processor is nobody's: a test is about the program, not about who else is at work.
"""

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any


class OwnTime:
    """Takes the place of a loop's selector and of its clock, which goes on from where it is.

    With `haste`, what is waited for comes sooner: for tests that play everything that happens on this one loop, without
    a database, threads or other processes, whose work takes so many times longer by the clock.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._selector: selectors.BaseSelector = loop._selector  # type: ignore[attr-defined]
        self._passed_s = loop.time()           # until this turn of the loop began
        self._ahead_s = time.monotonic() - self._passed_s  # the clock on the wall is, by which the loop went until now
        self._began_s = time.thread_time()     # of computing, when it did
        self.haste = 1.0                       # how many seconds of waiting pass in a second

    def time(self) -> float:
        """Seconds, as of `loop.time`; for the loop's own thread."""
        return self._passed_s + time.thread_time() - self._began_s

    @property
    def kept_waiting_s(self) -> float:
        """How long the computer did something else while the loop could have gone on; without haste."""
        return time.monotonic() - self._ahead_s - self.time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._passed_s = self.time()
        began_s = time.monotonic()
        ready = self._selector.select(None if timeout is None else timeout / self.haste)
        waited_s = (time.monotonic() - began_s) * self.haste
        if timeout is not None:
            waited_s = min(waited_s, max(0.0, timeout))  # what is more wasn't asked for
        self._passed_s += waited_s
        self._began_s = time.thread_time()
        return ready

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._selector, name)


def keep_own_time() -> OwnTime:
    """From now on, the running loop's clock counts its own time. Doing so again changes nothing."""
    loop: Any = asyncio.get_running_loop()
    if not isinstance(loop._selector, OwnTime):
        own = OwnTime(loop)
        loop._selector, loop.time = own, own.time
    own_time: OwnTime = loop._selector
    return own_time
