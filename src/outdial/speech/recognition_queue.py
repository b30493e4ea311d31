"""Recognitions of all calls of a process, worked off by a few threads: what ends a turn goes first.

A guess while somebody still speaks (a partial) is welcome, not needed, and so is a second opinion: they never take the
last free worker, wait behind everything else, and are the first to go when too much waits. What ends a turn is never
dropped; a callee waits.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from outdial.speech.load import LateRecognition

logger = logging.getLogger(__name__)

WAITING_A_WORKER = 8  # so many waiting take about as long as a turn may be late
TELL_FULL_S = 60.0    # between two words about that in the log

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """`waited_s`: from when it was asked for until a worker began with it."""

    text: str
    waited_s: float


@dataclass(eq=False, slots=True, kw_only=True)
class _Job:
    work: Callable[[], str]
    asked_at: float
    result: "asyncio.Future[Recognised | None]"


class RecognitionQueue:
    """Of one event loop. `executor` has at least `workers` threads."""

    def __init__(self, executor: Executor, workers: int, *, waiting_a_worker: int = WAITING_A_WORKER) -> None:
        self._executor = executor
        self._workers = workers
        self._bound = workers * waiting_a_worker
        self._finals: deque[_Job] = deque()
        self._partials: deque[_Job] = deque()
        self._running = 0
        self._late = LateRecognition(workers)
        self.waited: Callable[[float], object] = lambda s: None  # told of what ended a turn: how long, in seconds
        self._dropped = 0           # partials, since that was told
        self._told_at = -math.inf

    @property
    def waiting(self) -> int:
        return len(self._finals) + len(self._partials)

    async def final(self, work: Callable[[], str]) -> Recognised:
        """What `work`, done by a worker, gives; before every partial. Cancelled while it waits, it isn't done."""
        done = await self._ask(work, self._finals)
        assert done is not None, "never dropped"
        return done

    async def partial(self, work: Callable[[], str]) -> Recognised | None:
        """The same when there is time for it; None when there isn't."""
        if self._workers < 2:
            return None  # the only one is for who waits
        return await self._ask(work, self._partials)

    async def spare(self, work: Callable[[], _Result]) -> _Result | None:
        """As `partial`, of what isn't text."""
        given: list[_Result] = []

        def give() -> str:
            given.append(work())
            return ""

        await self.partial(give)
        return given[0] if given else None

    async def _ask(self, work: Callable[[], str], waiting: deque[_Job]) -> Recognised | None:
        loop = asyncio.get_running_loop()
        job = _Job(work=work, asked_at=loop.time(), result=loop.create_future())
        waiting.append(job)
        self._keep_bound(loop.time())
        self._begin()
        try:
            return await job.result
        finally:
            if job in waiting:
                waiting.remove(job)

    def _keep_bound(self, now: float) -> None:
        while self.waiting > self._bound and self._partials:
            self._partials.popleft().result.set_result(None)
            self._dropped += 1
        if self.waiting >= self._bound and now - self._told_at >= TELL_FULL_S:
            fields = {"waiting": self.waiting, "recognisers": self._workers, "partials_dropped": self._dropped}
            logger.warning("Speech recognition queue full", extra=fields)
            self._told_at, self._dropped = now, 0

    def _begin(self) -> None:
        while self._running < self._workers and self._finals:
            job = self._finals.popleft()
            waited_s = self._start(job)
            self._late.note(waited_s, at=job.asked_at + waited_s)
            self.waited(waited_s)
        while self._running < self._workers - 1 and self._partials:
            self._start(self._partials.popleft())

    def _start(self, job: _Job) -> float:
        """How long it has waited, in seconds."""
        loop = asyncio.get_running_loop()
        self._running += 1
        waited_s = loop.time() - job.asked_at

        def ended(future: "asyncio.Future[str]") -> None:
            self._running -= 1
            self._settle(job, future, waited_s)
            self._begin()

        loop.run_in_executor(self._executor, job.work).add_done_callback(ended)
        return waited_s

    @staticmethod
    def _settle(job: _Job, future: "asyncio.Future[str]", waited_s: float) -> None:
        error = None if future.cancelled() else future.exception()
        if job.result.done():  # nobody wants it any more
            return
        if future.cancelled():
            job.result.cancel()
        elif error is not None:
            job.result.set_exception(error)
        else:
            job.result.set_result(Recognised(text=future.result(), waited_s=waited_s))
