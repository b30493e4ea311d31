"""What all protocols of the simulator share: the book of calls, the pacer, voices, faults, tasks."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from outdial.simulator.callees import callee_at
from outdial.simulator.calls import Book, Subscriber
from outdial.simulator.clock import Clock
from outdial.simulator.faults import Faults
from outdial.simulator.handset import Handsets
from outdial.simulator.line import Pacer
from outdial.simulator.voices import Voice

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class Network:
    """`setup_s` passes between dialling and ringing, `ring_s` between ringing and the answer."""

    clock: Clock
    faults: Faults
    callee_voice: Voice
    agent_voice: Voice
    http: httpx.AsyncClient
    recordings_dir: Path | None
    setup_s: float
    ring_s: float
    handsets: Handsets
    book: Book = field(default_factory=Book)
    pacer: Pacer = field(default_factory=Pacer)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def subscriber_at(self, number: str) -> Subscriber:
        """Who answers `number`."""
        return self.handsets.at(number) or callee_at(number)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` until it is done or the simulator closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def aclose(self) -> None:
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.http.aclose()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A task of the simulator failed", exc_info=error)
