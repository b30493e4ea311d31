import asyncio
import time

import pytest

from own_time import keep_own_time


@pytest.fixture
async def clock():
    keep_own_time()
    return asyncio.get_running_loop().time


async def test_waiting_takes_its_time(clock):
    own, real = clock(), time.monotonic()
    await asyncio.sleep(0.05)
    assert 0.05 <= clock() - own <= time.monotonic() - real + 0.001


async def test_computing_takes_its_time(clock):
    own, computed = clock(), time.thread_time()
    while time.thread_time() < computed + 0.05:
        pass
    assert clock() - own >= 0.05


async def test_what_others_do_meanwhile_takes_no_time(clock):
    """To the loop, a thread that doesn't get the processor is one that sleeps."""
    own, kept_waiting_s = clock(), keep_own_time().kept_waiting_s
    time.sleep(0.3)  # noqa: ASYNC251
    assert clock() - own < 0.1
    await asyncio.sleep(0)
    assert clock() - own < 0.1
    assert keep_own_time().kept_waiting_s - kept_waiting_s > 0.2


async def test_a_late_awakening_takes_no_time(clock):
    late = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(0.02, late.set)
    loop.call_later(0.01, time.sleep, 0.3)
    own = clock()
    await late.wait()
    assert clock() - own < 0.2


async def test_it_never_goes_back_and_begins_where_the_loop_was():
    loop = asyncio.get_running_loop()
    before = loop.time()
    keep_own_time()
    keep_own_time()
    told = [loop.time() for _ in range(1000)]
    assert told == sorted(told)
    assert 0 <= told[0] - before < 0.1


async def test_a_deadline_still_comes(clock):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await asyncio.Event().wait()


async def test_in_haste_waiting_takes_less_and_computing_as_long():
    own_time = keep_own_time()
    clock = asyncio.get_running_loop().time
    own_time.haste = 20
    own, real, computed = clock(), time.monotonic(), time.thread_time()
    await asyncio.sleep(2)
    while time.thread_time() < computed + 0.05:
        pass
    assert clock() - own >= 2.0
    assert 0.1 <= time.monotonic() - real < 2.0
