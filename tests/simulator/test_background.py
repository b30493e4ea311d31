import asyncio
import logging

import virtual_time
from outdial.simulator.background import Background


def test_at_the_end_of_the_block_everything_ends_also_what_is_started_on_the_way_out():
    async def main():
        ended = []

        async def rest(name, *then):
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(name)
                for work in then:
                    background.start(work)

        async with Background() as background:
            background.start(rest("first", rest("second")))
            await asyncio.sleep(1)
        return ended, asyncio.all_tasks() - {asyncio.current_task()}, asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == (["first", "second"], set(), 1.0)


def test_a_task_that_fails_is_logged_by_its_name(caplog):
    async def broken():
        raise ValueError("no")

    async def main():
        async with Background() as background:
            background.start(broken())
            await asyncio.sleep(1)

    with caplog.at_level(logging.ERROR):
        virtual_time.run(main())
    (record,) = caplog.records
    assert record.message == "Background task failed"
    assert record.task.endswith("broken")
    assert isinstance(record.exc_info[1], ValueError)


def test_a_cancelled_task_is_no_failure(caplog):
    async def main():
        async with Background() as background:
            background.start(asyncio.sleep(60))

    virtual_time.run(main())
    assert caplog.records == []
