"""Tasks ended so that nothing of a call outlives it."""

import asyncio
import logging
from typing import Any

logger = logging.getLogger(__name__)

PATIENCE_S = 5.0


async def stop(task: asyncio.Task[Any]) -> BaseException | None:
    """Cancel a task, wait for its end and return what it failed with, if it did.

    Waits no longer than PATIENCE_S: code of users and engines that won't be cancelled must not hold up a call's end.
    """
    task.cancel()
    _, late = await asyncio.wait({task}, timeout=PATIENCE_S)
    if late:
        logger.error("Call task did not stop", extra={"task": task.get_name()})
        task.add_done_callback(retrieve)
        return None
    return None if task.cancelled() else task.exception()


async def first_of(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done; being cancelled meanwhile cancels none of them."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def retrieve(task: asyncio.Task[Any]) -> None:
    """A done callback for a task whose failure nobody wants to know."""
    if not task.cancelled():
        task.exception()
