"""A simulator whose phones, instants and lengths of calls all go by the time of the loop that plays them."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from outdial.simulator.clock import Clock

HASTE = 5.0


def _when_the_loop_began() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class OwnClock(Clock):
    """Right when it is made. Each test gets a new one: signatures are refused when their time is minutes off."""

    began: datetime = field(default_factory=_when_the_loop_began)

    def now(self) -> datetime:
        return self.began + timedelta(seconds=asyncio.get_running_loop().time())
