"""One clock for every live call: each tick sends the frames that are due, on all lines, without a task per frame."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

TICK_S = 0.005


class Paced(Protocol):
    def tick(self, now: float) -> None:
        """Send what is due at loop time `now` (seconds)."""
        ...


class Pacer:
    """Ticks every 5 ms while anything is paced, and rests otherwise. For use on one event loop."""

    def __init__(self, late: Callable[[float], object] = lambda s: None) -> None:
        """`late` is told how late each tick came, in seconds."""
        self._late = late
        self._paced: dict[Paced, None] = {}  # a dict: ordered, and cheap to leave
        self._timer: asyncio.TimerHandle | None = None
        self._next: float = 0.0

    def add(self, paced: Paced) -> None:
        """Tick `paced` from now on; adding it again changes nothing."""
        self._paced[paced] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._next = loop.time() + TICK_S
            self._timer = loop.call_at(self._next, self._tick)

    def remove(self, paced: Paced) -> None:
        self._paced.pop(paced, None)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._late(now - self._next)
        for paced in list(self._paced):
            try:
                paced.tick(now)
            except Exception:  # one broken call must not stop the others' audio
                logger.exception("Call dropped from the pacer")
                self._paced.pop(paced, None)
        if not self._paced:
            self._timer = None
            return
        # Absolute deadlines don't drift; after a stall the missed ticks are skipped, their frames sent by the next.
        self._next = max(self._next + TICK_S, now)
        self._timer = loop.call_at(self._next, self._tick)
