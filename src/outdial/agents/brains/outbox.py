"""What waits to be sent on a connection to a brain's server, and both directions of it at once: a server that doesn't
read holds up nobody."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

from outdial.agents.brains.reaching import BrainAway, Socket
from outdial.conversation.stopping import first_of, stop

SEND_S = 5.0  # for a server to take a message


class Outbox:
    """Of one call, over all its connections."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._wakes = asyncio.Event()  # something waits

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: str) -> None:
        self._waiting.append(message)
        self._wakes.set()

    def begin(self, messages: Iterable[str] = ()) -> None:
        """A new connection, on which these come first; what waited for the one before is given up."""
        self._waiting = deque(messages)
        self._wakes.set()

    async def write(self, socket: Socket) -> None:
        """Until cancelled. Raises BrainAway."""
        while True:
            while self._waiting:
                try:
                    async with asyncio.timeout(SEND_S):
                        await socket.send(self._waiting.popleft())
                except TimeoutError:
                    raise BrainAway("timeout") from None
            self._wakes.clear()
            await self._wakes.wait()


async def until_one_ends(**at_work: Coroutine[Any, Any, object]) -> None:
    """Run them at once, by the names of their tasks, until one of them ends; then end all. Raises what the first of
    them in this order failed with, if any has."""
    tasks = [asyncio.create_task(work, name=name.replace("_", " ")) for name, work in at_work.items()]
    try:
        await first_of(*tasks)
    finally:
        ends = [await stop(task) for task in tasks]
    for end in ends:
        if end is not None:
            raise end
