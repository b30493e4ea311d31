"""Tasks that go on behind whoever started them."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

PATIENCE_S = 5.0  # with a task that is cancelled: one that waits for a database that is frozen can't be

T = TypeVar("T")


class Background:
    """The tasks of one owner: none is forgotten by the garbage collector, none fails unheard, and all end together."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T], *, name: str, awaited: bool = False) -> asyncio.Task[T]:
        """Begin `work`. `name` says in the log what failed; who has `awaited` it sees that without the log."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not awaited:
            task.add_done_callback(_log_failure)
        return task

    async def finish(self, at_most_s: float, *, patience_s: float | None = PATIENCE_S) -> None:
        """Wait for what is under way, also for what that starts; after `at_most_s` seconds the rest is cancelled."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + at_most_s
        while self._tasks and (left_s := give_up_at - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left_s)
        await self.cancel(patience_s=patience_s)

    async def cancel(self, *, patience_s: float | None = None) -> None:
        """End everything now. What won't be cancelled for `patience_s` seconds (code of others, say) is left behind."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience_s)
            for task in late:
                logger.error("Background task did not stop", extra={"task": task.get_name()})


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("Background task failed", extra={"task": task.get_name()}, exc_info=error)
