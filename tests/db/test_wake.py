import asyncio

import virtual_time
from outdial.db.wake import Wake


def test_what_was_told_between_two_looks_is_handed_out_together():
    async def main():
        wake = Wake()
        wake.tell("ws_1")
        wake.tell("ws_2")
        wake.tell("ws_1")
        return await wake.wait(60), asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == ({"ws_1", "ws_2"}, 0.0)


def test_without_a_word_it_looks_at_everything_after_a_while():
    async def main():
        wake = Wake()
        told = await wake.wait(5)
        return told, asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == ({""}, 5.0)


def test_it_looks_at_everything_now_and_then_also_where_there_is_always_something_told():
    """Of a busy process: what another left behind would never be seen."""

    async def main():
        wake, loop = Wake(), asyncio.get_running_loop()
        for second in range(1, 13):
            loop.call_later(second, wake.tell, "busy")
        return [await wake.wait(5) for _ in range(12)], loop.time()

    told, ended = virtual_time.run(main())
    assert ended == 12.0
    assert [second for second, each in enumerate(told, 1) if "" in each] == [5, 10]


def test_what_is_told_while_somebody_looks_is_not_lost():
    async def main():
        wake = Wake()
        wake.tell("first")
        looked = [await wake.wait()]
        wake.tell("second")  # the first is being looked at
        looked.append(await wake.wait())
        return looked

    assert virtual_time.run(main()) == [{"first"}, {"second"}]


def test_only_what_concerns_it_wakes_and_the_unknown_always_does():
    async def main():
        wake = Wake(lambda payload: payload == "call_1")
        wake.tell("call_2")
        nothing = await wake.wait(1)
        wake.tell("call_1")
        ours = await wake.wait(1)
        wake.tell("")
        return nothing, ours, await wake.wait(1), asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == ({""}, {"call_1"}, {""}, 1.0)


class Channels:
    def __init__(self):
        self.subscribers = []

    def subscribe(self, channel, callback):
        self.subscribers.append((channel, callback))
        return lambda: self.subscribers.remove((channel, callback))


def test_it_listens_only_as_long_as_it_is_asked_to():
    async def main():
        channels, wake = Channels(), Wake()
        with wake.listening(channels, "outdial_call"):
            ((channel, tell),) = channels.subscribers
            tell("call_1")
        return channel, channels.subscribers, await wake.wait(1)

    assert virtual_time.run(main()) == ("outdial_call", [], {"call_1"})


def test_what_is_told_just_after_the_first_comes_along_with_it():
    async def main():
        wake, loop = Wake(), asyncio.get_running_loop()
        loop.call_later(1.0, wake.tell, "first")
        loop.call_later(1.25, wake.tell, "second")
        loop.call_later(2.0, wake.tell, "third")
        return await wake.wait(60, settle_s=0.5), loop.time(), await wake.wait(60), loop.time()

    assert virtual_time.run(main()) == ({"first", "second"}, 1.5, {"third"}, 2.0)
