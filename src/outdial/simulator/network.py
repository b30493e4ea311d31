"""What all protocols of the simulator share: the book of calls, the pacer, voices, faults, tasks."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from outdial.simulator.background import Background
from outdial.simulator.callees import callee_at
from outdial.simulator.calls import Book, Subscriber
from outdial.simulator.clock import Clock
from outdial.simulator.faults import Faults
from outdial.simulator.handset import Handsets
from outdial.simulator.line import Pacer
from outdial.simulator.voices import Voice

T = TypeVar("T")


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
    _background: Background = field(default_factory=Background)

    def subscriber_at(self, number: str) -> Subscriber:
        """Who answers `number`."""
        return self.handsets.at(number) or callee_at(number)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` until it is done or the simulator closes."""
        return self._background.start(work)

    async def aclose(self) -> None:
        await self._background.cancel()
        await self.http.aclose()
