"""Whether this process ends: then it takes nothing new, and what it has goes on for a while."""

import asyncio


class Drain:
    """One of a process. `hurried` is set when nobody waits any more, not for a goodbye either."""

    def __init__(self) -> None:
        self._begun = False
        self.failed = False  # it can't go on: nobody waits for anything that takes long
        self.hurried = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        return self._begun

    def begin(self) -> None:
        self._begun = True

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
