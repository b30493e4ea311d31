"""Wake or look again: a loop that is woken by what the database tells, and looks by itself should that be lost."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from outdial.db.notify import Notifications


class Wake:
    """What a loop has to look at next. Told of several things between two looks, it hands them out together.

    "" among them says that anything may have happened: so does a look that nobody asked for. Such a look is due after a
    while also where there is always something told: what was lost is not found by looking at the rest.
    """

    def __init__(self, concerns: Callable[[str], bool] | None = None) -> None:
        """`concerns`: which payloads wake; without it every one does."""
        self._concerns = concerns
        self._told: set[str] = set()
        self._woken = asyncio.Event()
        self._looked_at_all: float | None = None  # by the loop's clock; None: not waited for yet

    def tell(self, payload: str = "") -> None:
        """Have `payload` looked at."""
        if payload and self._concerns is not None and not self._concerns(payload):
            return
        self._told.add(payload)
        self._woken.set()

    @contextmanager
    def listening(self, notifications: Notifications, channel: str) -> Iterator[Self]:
        """Told what is notified on a channel, and "" where that may have gone unheard."""
        unsubscribe = notifications.subscribe(channel, self.tell)
        try:
            yield self
        finally:
            unsubscribe()

    async def wait(self, at_most_s: float | None = None, *, settle_s: float = 0.0) -> frozenset[str]:
        """What was told since the last time, once there is something; {""} when `at_most_s` passed without.

        "" comes along where it was not handed out for `at_most_s`, and what is told within `settle_s` of the first.
        """
        loop = asyncio.get_running_loop()
        if self._looked_at_all is None:
            self._looked_at_all = loop.time()
        try:
            async with asyncio.timeout(at_most_s):
                await self._woken.wait()
        except TimeoutError:
            pass
        if settle_s:
            await asyncio.sleep(settle_s)
        told, self._told = frozenset(self._told), set()
        self._woken.clear()
        if not told or (at_most_s is not None and loop.time() - self._looked_at_all >= at_most_s):
            told |= {""}
        if "" in told:
            self._looked_at_all = loop.time()
        return told
