"""How late the event loop is, told again and again."""

import asyncio
import time

from outdial.lag import watch_lag


async def test_a_loop_that_is_held_up_is_late():
    late = []
    task = asyncio.create_task(watch_lag(late.append, every_s=0.01))
    await asyncio.sleep(0.03)
    time.sleep(0.2)  # noqa: ASYNC251
    await asyncio.sleep(0.03)
    task.cancel()
    assert max(late) > 0.15
    assert all(each >= 0 for each in late)
