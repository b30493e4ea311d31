"""Tasks that go on behind whoever started them."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Background:
    """The tasks of one owner: none is forgotten by the garbage collector, none fails unheard, and all end together."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Begin `work`. `name` says in the log what failed."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def finish(self, at_most_s: float) -> None:
        """Wait for what is under way, also for what that starts; after `at_most_s` seconds the rest is cancelled."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + at_most_s
        while self._tasks and (left_s := give_up_at - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left_s)
        await self.cancel()

    async def cancel(self) -> None:
        """End everything now."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Background task failed", extra={"task": task.get_name()}, exc_info=error)
