"""Time as the simulated network keeps it."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """`pace` stretches what happens before a call is answered: set-up, ringing, the limit of ringing.

    0.1 makes phones ring ten times shorter. A conversation is never stretched: audio is real time.
    """

    pace: float = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.pace)
