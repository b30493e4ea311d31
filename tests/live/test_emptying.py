"""A process that is asked from elsewhere to be emptied: when its calls are cut, and that it goes on."""

import asyncio

import virtual_time
from outdial.draining import Drain
from outdial.live.emptying import empty_when_asked


class Conversations:
    talking = 2

    def __init__(self):
        self.goodbyes = []
        self.prepared = 0

    async def prepare_goodbye(self):
        self.prepared += 1

    def say_goodbye(self):
        self.goodbyes.append(asyncio.get_running_loop().time())


def story(*steps, drain_s=60.0):
    """The instants at which calls are cut, when each of `steps` is done: (second, what to do with the drain)."""

    async def main():
        drain, conversations = Drain(), Conversations()
        running = asyncio.create_task(empty_when_asked(drain, conversations, drain_s=drain_s))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(0)
        for at_s, do in steps:
            await asyncio.sleep(began + at_s - loop.time())
            do(drain)
        running.cancel()
        return [at - began for at in conversations.goodbyes], conversations.prepared

    return virtual_time.run(main())


def ask(drain):
    drain.ask(wanted=True)


def take_back(drain):
    drain.ask(wanted=False)


def look(drain):
    pass


def test_calls_go_on_for_their_time_and_are_cut_then_and_whoever_answers_later():
    goodbyes, prepared = story((1, ask), (65, look))
    assert (goodbyes[0], len(goodbyes) > 5, prepared) == (61, True, 1)


def test_calls_go_on_when_it_is_taken_back_and_have_their_whole_time_again():
    goodbyes, prepared = story((1, ask), (60, take_back), (100, ask), (160.2, look))
    assert (goodbyes, prepared) == ([160], 2)


def test_a_process_that_is_to_stop_is_not_for_this_part_to_empty():
    assert story((1, ask), (2, Drain.begin), (200, look))[0] == []


def test_a_drain_that_has_begun_tells_of_it_once_and_what_is_taken_back_leaves_a_stop_alone():
    drain, told = Drain(), []
    drain.when_changed(lambda: told.append(drain.has_begun))
    ask(drain)
    ask(drain)
    take_back(drain)
    drain.begin()
    take_back(drain)
    assert (told, drain.has_begun, drain.stops) == ([True, False, True], True, True)
