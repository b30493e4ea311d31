"""Names looked up: by one process for all its workspaces, whatever their name servers do."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from outdial.net import names
from outdial.net.addresses import Allowed
from outdial.net.guarded import GuardedTransport
from outdial.net.urls import REFUSED_ADDRESS


class System:
    """The system's look-up: of names in silent.example nothing comes before `wakes`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wakes = threading.Event()

    def addresses(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host.endswith("silent.example"):
            self.wakes.wait(20)
        return ["10.0.0.1" if host.startswith("private") else "93.184.215.14"]


@pytest.fixture
def system(monkeypatch):
    system = System()
    monkeypatch.setattr(names, "_addresses", system.addresses)
    yield system
    system.wakes.set()


@pytest.fixture
async def transport(system):
    transport = GuardedTransport(Allowed())
    yield transport
    await transport.aclose()


async def ends(tasks) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_silent_name_server_holds_up_the_names_of_its_domain_alone(transport, system):
    waiting = [asyncio.create_task(transport.check(f"https://h{each}.silent.example/")) for each in range(60)]
    await asyncio.sleep(0.1)
    began = time.monotonic()
    with pytest.raises(ValueError, match=REFUSED_ADDRESS):  # it was looked up
        await transport.check("https://private.quick.example.com/")
    assert time.monotonic() - began < 2
    assert sum(host.endswith("silent.example") for host in system.asked) == names.OF_A_DOMAIN
    await ends(waiting)


async def test_whoever_stops_waiting_for_a_turn_leaves_nothing_to_look_up(transport, system):
    waiting = [asyncio.create_task(transport.check(f"https://h{each}.silent.example/")) for each in range(20)]
    await asyncio.sleep(0.1)
    await ends(waiting)
    system.wakes.set()
    await asyncio.sleep(0.1)
    assert len(system.asked) == names.OF_A_DOMAIN
    with pytest.raises(ValueError, match=REFUSED_ADDRESS):
        await transport.check("https://private.silent.example/")


async def test_a_name_is_looked_up_once_for_all_who_want_it_at_once(transport, system):
    url = "https://private.silent.example/"
    checks = [asyncio.create_task(transport.check(url)) for _ in range(20)]
    await asyncio.sleep(0.1)
    await ends(checks[:10])  # these don't take it from the others
    system.wakes.set()
    answers = await asyncio.gather(*checks[10:], return_exceptions=True)
    assert {str(answer) for answer in answers} == {REFUSED_ADDRESS}
    assert system.asked == ["private.silent.example"]
    with pytest.raises(ValueError, match=REFUSED_ADDRESS):
        await transport.check(url)
    assert len(system.asked) == 2  # no answer is kept


async def test_a_name_that_nobody_knows_is_left_for_later(transport, monkeypatch):
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    monkeypatch.setattr(names, "_addresses", unknown)
    assert await transport.check("https://nobody.example/") == "https://nobody.example/"


SILENT = """
import asyncio, time
from outdial.net import guarded, names
from outdial.net.addresses import Allowed

names._addresses = lambda host, port: time.sleep(60)
guarded.CONNECT_S = 0.2

async def main():
    transport = guarded.GuardedTransport(Allowed())
    print(await transport.check("https://h.silent.example/"))
    await transport.aclose()

asyncio.run(main())
"""


def test_a_look_up_that_is_under_way_holds_no_exit_up():
    ended = subprocess.run(
        [sys.executable, "-c", SILENT], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "https://h.silent.example/\n", "")
