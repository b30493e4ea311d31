"""Many calls' recognitions on a few workers."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from outdial.speech.recognition_queue import RecognitionQueue


class Work:
    """What workers do, held up until it is let go."""

    def __init__(self, workers, **how):
        self.began = []
        self.may_end = {}
        self.executor = ThreadPoolExecutor(workers)
        self.queue = RecognitionQueue(self.executor, workers, **how)

    def of(self, name):
        self.may_end[name] = threading.Event()

        def work():
            self.began.append(name)
            assert self.may_end[name].wait(10)
            return name

        return work

    async def final(self, name):
        return await self.queue.final(self.of(name))

    async def partial(self, name):
        return await self.queue.partial(self.of(name))

    async def end(self, *names):
        for name in names:
            self.may_end[name].set()
        for _ in range(200):
            await asyncio.sleep(0.002)


@pytest.fixture
def work():
    made = []

    def make(workers, **how):
        made.append(Work(workers, **how))
        return made[-1]

    yield make
    for one in made:
        for event in one.may_end.values():
            event.set()
        one.executor.shutdown()


async def begin(*asked):
    tasks = [asyncio.create_task(one) for one in asked]
    for _ in range(50):
        await asyncio.sleep(0.002)
    return tasks


async def test_what_ends_a_turn_goes_before_guesses_that_have_waited_for_longer(work):
    work = work(2)
    tasks = await begin(work.final("a"), work.final("b"), work.partial("guess"), work.final("c"), work.final("d"))
    assert sorted(work.began) == ["a", "b"]
    await work.end("a", "b")
    assert sorted(work.began[2:]) == ["c", "d"]
    await work.end("c", "d")
    assert work.began[4:] == ["guess"]
    await work.end("guess")
    assert [(await task).text for task in tasks] == ["a", "b", "guess", "c", "d"]


async def test_guesses_leave_a_worker_to_what_ends_a_turn(work):
    work = work(3)
    guesses = await begin(*(work.partial(f"guess {n}") for n in range(4)))
    assert len(work.began) == 2
    (final,) = await begin(work.final("yes"))
    assert work.began[-1] == "yes", "at once"
    await work.end(*work.may_end)
    assert (await final).waited_s < 0.1
    assert [(await guess).text for guess in guesses] == [f"guess {n}" for n in range(4)]


async def test_a_lone_worker_guesses_nothing(work):
    work = work(1)
    assert await work.partial("guess") is None
    assert work.began == []


async def test_at_the_bound_the_oldest_guesses_go_and_no_words_that_end_a_turn(work, caplog):
    work = work(2, waiting_a_worker=2)
    running = await begin(work.final("a"), work.final("b"))
    guesses = await begin(*(work.partial(f"guess {n}") for n in range(6)))
    assert [guess.done() for guess in guesses] == [True, True, False, False, False, False]
    assert guesses[0].result() is guesses[1].result() is None
    finals = await begin(*(work.final(f"final {n}") for n in range(10)))
    assert all(guess.done() and guess.result() is None for guess in guesses)
    assert work.queue.waiting == 10
    assert [record.message for record in caplog.records] == ["Speech recognition queue full"], "told once"
    assert caplog.records[0].recognisers == 2
    await work.end(*work.may_end)
    assert [(await one).text for one in (*running, *finals)] == ["a", "b", *(f"final {n}" for n in range(10))]


async def test_the_wait_for_a_worker_is_measured(work):
    work = work(1)
    first, second = await begin(work.final("a"), work.final("b"))
    await asyncio.sleep(0.2)
    await work.end("a", "b")
    assert (await first).waited_s < 0.05
    assert (await second).waited_s >= 0.2


async def test_what_nobody_wants_any_more_is_not_done(work):
    work = work(1)
    first, second = await begin(work.final("a"), work.final("b"))
    second.cancel()
    await asyncio.sleep(0)
    assert work.queue.waiting == 0
    first.cancel()
    await work.end("a")
    (third,) = await begin(work.final("c"))
    await work.end("c")
    assert (await third).text == "c"
    assert work.began == ["a", "c"]


async def test_a_recognition_that_fails_gives_its_worker_back(work):
    work = work(1)

    def breaks():
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        await work.queue.final(breaks)
    (after,) = await begin(work.final("a"))
    await work.end("a")
    assert (await after).text == "a"
