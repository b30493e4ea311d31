"""How late the event loop is: everything a process does waits for it, the audio of its calls first."""

import asyncio
from collections.abc import Callable

EVERY_S = 0.25


async def watch_lag(late: Callable[[float], object], *, every_s: float = EVERY_S) -> None:
    """Tell `late` how many seconds late it woke, each time, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        wake_at = loop.time() + every_s
        await asyncio.sleep(every_s)
        late(max(0.0, loop.time() - wake_at))
