"""Waiting for whatever happens first."""

import asyncio
from collections.abc import Coroutine
from typing import Any

Happening = asyncio.Future[Any] | asyncio.Event


async def first_of(*happenings: Happening, at_most_s: float | None = None) -> bool:
    """Until a future is done or an event set; False when `at_most_s` passed without. No future is cancelled."""
    waits = [each if isinstance(each, asyncio.Future) else asyncio.create_task(each.wait()) for each in happenings]
    try:
        done, _ = await asyncio.wait(waits, timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait, happening in zip(waits, happenings, strict=True):
            if wait is not happening:
                wait.cancel()
    return bool(done)


async def run_until(work: Coroutine[Any, Any, None], *happenings: Happening) -> None:
    """Run `work` until it is done; it is cancelled as soon as one of these happens. Raises what `work` raises."""
    task = asyncio.create_task(work)
    try:
        await first_of(task, *happenings)
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
