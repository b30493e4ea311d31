import asyncio

import pytest

import virtual_time
from outdial.simulator.waiting import first_of, run_until


def seconds():
    return asyncio.get_running_loop().time()


def later(delay_s, event):
    asyncio.get_running_loop().call_later(delay_s, event.set)


def test_the_first_event_or_future_ends_the_wait_and_no_future_is_cancelled():
    async def main():
        event, future = asyncio.Event(), asyncio.get_running_loop().create_future()
        later(2, event)
        happened = await first_of(future, event)
        return happened, seconds(), future.cancelled(), len(asyncio.all_tasks())

    assert virtual_time.run(main()) == (True, 2.0, False, 1)


def test_patience_ends():
    async def main():
        event = asyncio.Event()
        later(5, event)
        return await first_of(event, at_most_s=2), seconds()

    assert virtual_time.run(main()) == (False, 2.0)


def test_work_goes_on_until_it_is_done_or_something_happens():
    async def main():
        event, told = asyncio.Event(), []

        async def work(duration_s):
            try:
                await asyncio.sleep(duration_s)
                told.append("done")
            except asyncio.CancelledError:
                await asyncio.sleep(1)  # waited for, too
                told.append("cancelled")
                raise

        later(5, event)
        await run_until(work(2), event)
        await run_until(work(9), event)
        return told, seconds()

    assert virtual_time.run(main()) == (["done", "cancelled"], 6.0)


def test_what_the_work_raises_is_raised():
    async def broken():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        virtual_time.run(run_until(broken(), asyncio.Event()))


def test_who_is_cancelled_takes_the_work_along():
    async def main():
        ended = asyncio.Event()

        async def work():
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

        task = asyncio.create_task(run_until(work(), asyncio.Event()))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled(), ended.is_set(), seconds()

    assert virtual_time.run(main()) == (True, True, 1.0)
