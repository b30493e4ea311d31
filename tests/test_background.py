import asyncio
import logging

import virtual_time
from outdial.background import Background


def test_finish_waits_for_what_is_under_way_and_for_what_that_starts():
    async def main():
        done, background = [], Background()

        async def second():
            await asyncio.sleep(1)
            done.append("second")

        async def first():
            await asyncio.sleep(1)
            done.append("first")
            background.start(second(), name="second")

        background.start(first(), name="first")
        await background.finish(10)
        return done, len(background), asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == (["first", "second"], 0, 2.0)


def test_what_is_not_done_in_time_is_cancelled():
    async def main():
        background = Background()
        task = background.start(asyncio.sleep(60), name="slow")
        await background.finish(2)
        return task.cancelled(), len(background), asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == (True, 0, 2.0)


def test_a_task_that_fails_is_logged_by_its_name(caplog):
    async def main():
        async def broken():
            raise ValueError("no")

        background = Background()
        background.start(broken(), name="prices")
        await background.finish(1)

    with caplog.at_level(logging.ERROR):
        virtual_time.run(main())
    (record,) = caplog.records
    assert (record.message, record.task) == ("Background task failed", "prices")


def test_a_failure_somebody_awaits_is_theirs_and_not_logged(caplog):
    async def main():
        async def broken():
            raise ValueError("no")

        background = Background()
        task = background.start(broken(), name="command", awaited=True)
        await background.finish(1)
        return task.exception()

    with caplog.at_level(logging.ERROR):
        assert isinstance(virtual_time.run(main()), ValueError)
    assert caplog.records == []


def test_what_will_not_be_cancelled_is_left_behind_after_a_while(caplog):
    async def main():
        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(60)
                    return
                except asyncio.CancelledError:
                    continue

        background = Background()
        task = background.start(stubborn(), name="engine")
        await background.finish(2, patience_s=5)
        took_s = asyncio.get_running_loop().time()
        await task
        return took_s, len(background)

    with caplog.at_level(logging.ERROR):
        assert virtual_time.run(main()) == (7.0, 0)
    (record,) = caplog.records
    assert (record.message, record.task) == ("Background task did not stop", "engine")
