"""Answers remembered for a few seconds, so that requests that come close together don't all ask the database."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TLRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 10_000


class ShortMemory(Generic[K, V]):
    """Answers to one question by what was asked about; "none" is no answer and isn't remembered.

    What changes elsewhere holds here for at most `ttl_s` after it was asked for. Whoever changes something through
    this process calls `forget`, and it holds at once.
    """

    def __init__(self, *, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        def until(key: K, answer: tuple[V, float], now: float) -> float:
            return answer[1] + ttl_s

        self._clock = clock
        self._answers = TLRUCache[K, tuple[V, float]](MOST, ttu=until, timer=clock)  # each with when it was asked for
        self._forgotten = 0

    async def get(self, key: K, ask: Callable[[], Awaitable[V | None]]) -> V | None:
        known = self._answers.get(key)
        if known is not None:
            return known[0]
        asked_at, forgotten = self._clock(), self._forgotten
        answer = await ask()
        if answer is not None and self._forgotten == forgotten:  # else this may be how it was before
            self._answers[key] = (answer, asked_at)
        return answer

    def forget_one(self, key: K) -> None:
        """Ask anew about this."""
        self._answers.pop(key, None)

    def forget(self, is_changed: Callable[[V], bool]) -> None:
        """Drop these answers, and don't keep one that is on its way."""
        self._forgotten += 1
        for key in list(self._answers):
            known = self._answers.get(key)
            if known is not None and is_changed(known[0]):
                del self._answers[key]
