"""An event loop in virtual time: its clock jumps to the next timer whenever there is nothing to do, and stands still
while a thread works. A minute takes milliseconds, a conversation no longer than its speech recognition does.

What a busy machine does to a conversation in real time, it can't do here.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(RuntimeError):
    """Everything waits, no thread works and no timer is set: in real time this would hang forever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For code that knows time only from the loop, and no sockets outside it."""

    def __init__(self) -> None:
        self._now_us = 0  # whole microseconds: sums of 20 ms stay sums of 20 ms
        self.in_threads = 0
        super().__init__(_Idle(self))

    def time(self) -> float:
        return self._now_us / 1_000_000

    def pass_time(self, seconds: float) -> None:
        self._now_us += max(1, round(seconds * 1_000_000))

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        self.in_threads += 1
        future.add_done_callback(self._returned)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        self.in_threads += 1  # asyncio waits for one of its own
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self.in_threads -= 1

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self.in_threads -= 1


class _Idle(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            if self._loop.in_threads:
                return super().select(None)  # until one of them returns
            if timeout is None:
                raise Stuck
            self._loop.pass_time(timeout)
        return ready


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, in virtual time that begins at 0."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
