"""Whether this process ends, or is emptied: then it takes nothing new, and what it has goes on for a while."""

import asyncio
from collections.abc import Callable


class Drain:
    """One of a process. `hurried` is set when nobody waits any more, not for a goodbye either."""

    def __init__(self) -> None:
        self._begun = False  # for good: it is to stop
        self._asked = False  # somebody wants it to, from elsewhere, and may take that back
        self._tell: list[Callable[[], None]] = []
        self.failed = False  # it can't go on: nobody waits for anything that takes long
        self.hurried = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        return self._begun or self._asked

    @property
    def stops(self) -> bool:
        """Whether the process is to stop, too."""
        return self._begun

    @property
    def is_asked_for(self) -> bool:
        """Whether somebody wants this process emptied, which goes on running."""
        return self._asked and not self._begun

    def when_changed(self, tell: Callable[[], None]) -> None:
        """`tell` is called each time when it begins, or is taken back."""
        self._tell.append(tell)

    def begin(self) -> None:
        self._change(begun=True)

    def ask(self, *, wanted: bool) -> None:
        """Somebody elsewhere wants it, or no longer does."""
        self._change(asked=wanted)

    def hurry(self) -> None:
        self.begin()
        self.hurried.set()

    def fail(self) -> None:
        self.failed = True
        self.hurry()

    async def wait(self, at_most_s: float) -> None:
        """So long, or until there is hurry."""
        try:
            async with asyncio.timeout(at_most_s):
                await self.hurried.wait()
        except TimeoutError:
            pass

    def _change(self, *, begun: bool = False, asked: bool | None = None) -> None:
        before = self.has_begun
        self._begun = self._begun or begun
        self._asked = self._asked if asked is None else asked
        if self.has_begun != before:
            for tell in self._tell:
                tell()
