"""A clock that jumps, and stands still while a thread works."""

import asyncio
import time

import pytest

from outdial.testing import virtual_time


def test_a_minute_of_waiting_takes_no_time():
    async def main():
        await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    began = time.perf_counter()
    assert virtual_time.run(main()) == 60
    assert time.perf_counter() - began < 10


def test_the_clock_stands_still_while_a_thread_works():
    async def main():
        loop = asyncio.get_running_loop()
        ticked = []
        loop.call_later(0.02, lambda: ticked.append(loop.time()))
        await asyncio.to_thread(time.sleep, 0.1)
        at = loop.time()
        await asyncio.sleep(0.05)
        return at, ticked

    assert virtual_time.run(main()) == (0, [0.02])


def test_what_waits_for_ever_is_found_out():
    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(virtual_time.Stuck):
        virtual_time.run(main())
