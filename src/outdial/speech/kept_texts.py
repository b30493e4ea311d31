"""A stream of texts that is read once, and from which more than one voice may take: what is left, when one fails."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator


class KeptTexts:
    """`texts` may be called again, when whoever took them before has ended. Needs `aclose`.

    A voice that is cancelled while it waits for a text must not end the stream: only this reads it.
    """

    def __init__(self, stream: AsyncIterator[str] | str) -> None:
        self.taken = ""  # by the voice that takes them now, joined
        self._waiting: list[str] = []
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        if isinstance(stream, str):
            self._waiting = [stream]
        else:
            self._reading = asyncio.create_task(self._read(stream), name="texts to be said")

    @property
    def is_all_taken(self) -> bool:
        return not self._waiting and (self._reading is None or self._reading.done())

    def put_back(self, rest: str) -> None:
        """What was taken and not said."""
        if rest:
            self._waiting.insert(0, rest)
        self.taken = ""

    def take_all(self, text: str) -> None:
        """A text that waits whole, at once."""
        self._waiting.clear()
        self.taken = text

    async def first(self) -> None:
        """Until there is one, or there will be none."""
        while not self.is_all_taken and not self._waiting:
            self._changed.clear()
            await self._changed.wait()

    async def texts(self) -> AsyncGenerator[str]:
        """Raises what the stream raises."""
        while True:
            while self._waiting:
                text = self._waiting.pop(0)
                self.taken += text
                yield text
            if self._reading is None:
                return
            if self._reading.done():
                self._reading.result()
                return
            self._changed.clear()
            await self._changed.wait()

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()  # told to whoever took its texts, or of no use any more

    async def _read(self, stream: AsyncIterator[str]) -> None:
        try:
            async for text in stream:
                self._waiting.append(text)
                self._changed.set()
        finally:
            if close := getattr(stream, "aclose", None):
                await close()
            self._changed.set()
