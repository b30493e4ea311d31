"""What a simulator that was closed has left behind. Other servers may live in the same event loop meanwhile."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OURS = ("/outdial/simulator/", "/uvicorn/")


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if not task.done()]
    assert [task for task in left if any(place in _file(task) for place in OURS)] == []


def _file(task: asyncio.Task[Any]) -> str:
    return str(getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", ""))
