"""An event loop whose clock jumps to the next timer whenever there is nothing to do: a minute takes milliseconds."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(RuntimeError):
    """Everything waits and no timer is set: in real time this would hang forever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For code that knows time only from the loop, and no threads or sockets outside it."""

    def __init__(self) -> None:
        self._now_us = 0  # whole microseconds: sums of 20 ms stay sums of 20 ms
        super().__init__(_Idle(self))

    def time(self) -> float:
        return self._now_us / 1_000_000

    def pass_time(self, seconds: float) -> None:
        self._now_us += max(1, round(seconds * 1_000_000))


class _Idle(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            if timeout is None:
                raise Stuck
            self._loop.pass_time(timeout)
        return ready


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
