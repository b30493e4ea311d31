"""The end of a process that is asked to stop: what it waits for, how long, and what it says meanwhile."""

import asyncio
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

import virtual_time
from outdial import serving
from outdial.draining import Drain
from outdial.serving import _signals, drained


class Stopping:
    """A process with so many calls at each second from now on."""

    def __init__(self, *calls: int, drain_s: float = 60.0) -> None:
        self.drain = Drain()
        self.services = SimpleNamespace(settings=SimpleNamespace(drain_s=drain_s))
        self.prepared = 0
        self._calls = calls
        self._began = asyncio.get_running_loop().time()

    def now_s(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def calls_left(self) -> int:
        return self._calls[min(int(self.now_s()), len(self._calls) - 1)]

    async def give_no_more_seats(self) -> None:
        assert self.drain.has_begun

    async def prepare_goodbye(self) -> None:
        self.prepared += 1


def drain(*calls, drain_s=60.0, hurry_after_s=None):
    async def main():
        process, told = Stopping(*calls, drain_s=drain_s), []
        if hurry_after_s is not None:
            asyncio.get_running_loop().call_later(hurry_after_s, process.drain.hurry)
        await drained(process, told.append)
        assert process.drain.has_begun
        return process.now_s(), told

    return virtual_time.run(main())


def test_a_process_without_calls_ends_at_once():
    assert drain(0) == (0, [])


def test_calls_go_on_to_their_end_and_it_is_shown_how_many_are_left():
    took_s, told = drain(3, 3, 1, 1, 0)
    assert took_s == 4
    assert [line.partition(";")[0] for line in told] == [
        "Draining: 3 calls left, 60 s",
        "Draining: 1 call left, 58 s",
    ]


def test_it_is_shown_again_now_and_then_though_nothing_changes():
    took_s, told = drain(2, drain_s=25)
    assert took_s == 25
    assert [line.partition(";")[0] for line in told] == [f"Draining: 2 calls left, {left} s" for left in (25, 15, 5)]


def test_nobody_is_waited_for_who_is_to_be_waited_for_0_seconds():
    assert drain(5, drain_s=0) == (0, [])


def test_hurry_ends_the_drain():
    took_s, _ = drain(1, hurry_after_s=3.2)
    assert took_s == pytest.approx(3.2, abs=0.01)


async def test_the_first_signal_stops_and_the_second_hurries():
    drain, stop = Drain(), asyncio.Event()
    with _signals(drain, stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        assert not drain.hurried.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        await drain.hurried.wait()


STUCK = """
import asyncio, threading
from outdial.serving import end_soon

async def main():
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)  # never ends, and can't be ended
    await asyncio.sleep(0.1)
    end_soon(within_s=0.5)
    raise RuntimeError("it can't go on")

asyncio.run(main())
"""


async def test_a_process_that_can_not_go_on_is_gone_whatever_its_threads_wait_for():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", STUCK, stderr=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(60):
        assert await process.wait() == 1


async def test_the_first_link_is_made_as_soon_as_the_database_can(monkeypatch):
    answers = iter([OperationalError("", {}, Exception("away")), "https://outdial.example/sign-in/once"])

    async def first_start(engine, base_url, *, with_link):
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    monkeypatch.setattr(serving, "first_start", first_start)
    outdial = SimpleNamespace(services=SimpleNamespace(engine=None), base_url="https://outdial.example")
    assert await serving._first_start(outdial, True) == "https://outdial.example/sign-in/once"


CALLS = """
from collections import deque
from outdial.serving import spare_startup_from_collection

class Part:
    def __init__(self, call):
        self.call = call

class Call:
    left = 0
    def __init__(self):
        Call.left += 1
        self.parts = [Part(self) for _ in range(170)]
    def __del__(self):
        Call.left -= 1

spare_startup_from_collection()
up, most = deque(maxlen=60), 0
for _ in range(4000):
    up.append(Call())
    most = max(most, Call.left)
print(most)
"""


def test_of_calls_that_are_over_a_few_hundred_are_left_and_no_thousands():
    """Each is some hundred objects that know each other in circles; 60 are up at once."""
    run = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 700
