"""Trying again what may be done twice. Never a dial: whether one was made, only the carrier knows."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Between tries: `first_s`, then twice as long each time, up to `longest_s`; `tries` in all, None: without end.

    Each is cut by up to a half at random, so that those who failed together don't all come back together.
    """

    first_s: float
    longest_s: float
    tries: int | None = None

    def are_over(self, failures: int) -> bool:
        """Whether it is to be given up after so many failures in a row."""
        return self.tries is not None and failures >= self.tries

    def after(self, failures: int) -> float:
        """How many seconds to wait after so many failures in a row."""
        longest_s = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return longest_s * random.uniform(0.5, 1.0)


# Of what is written until the database takes it.
UNTIL_WRITTEN = Pauses(first_s=0.2, longest_s=5.0)


async def repeat(
    work: Callable[[], Awaitable[T]],
    *,
    on: type[Exception] | tuple[type[Exception], ...],
    pauses: Pauses,
    failed: Callable[[Exception], None] = lambda error: None,
) -> T:
    """What `work` returns, as soon as it doesn't raise one of `on`. `failed` hears of every failure (to log it).

    Raises the last failure when the tries are over, and at once what isn't one of `on`.
    """
    failures = 0
    while True:
        try:
            return await work()
        except on as error:
            failures += 1
            failed(error)
            if pauses.are_over(failures):
                raise
        await asyncio.sleep(pauses.after(failures))
