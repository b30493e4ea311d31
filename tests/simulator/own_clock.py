"""A simulator whose phones, instants and lengths of calls all go by the time of the loop that plays them."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from outdial.simulator.clock import Clock

HASTE = 5.0
LOOPS_BEGAN = datetime.now(UTC) - timedelta(seconds=time.monotonic())


class OwnClock(Clock):
    def now(self) -> datetime:
        return LOOPS_BEGAN + timedelta(seconds=asyncio.get_running_loop().time())
