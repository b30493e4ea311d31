"""Several processes of one server: what each is given, and that they are kept running."""

import asyncio
import os
import signal
import sys

import pytest

from outdial.cli import several
from outdial.cli.failures import CommandFailed
from outdial.cli.several import (
    Supervisor,
    _Child,
    check_stream_urls,
    internal_url_of,
    listen_for,
    seats_of,
    stream_url_of,
)
from outdial.repeating import Pauses
from outdial.settings import Settings


def given(**settings):
    return Settings(data_dir="/nowhere", **settings)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "ws://127.0.0.1:8082"),
        ({"host": "0.0.0.0"}, "ws://127.0.0.1:8082"),
        ({"stream_url": "wss://voice.example/{process}"}, "wss://voice.example/2"),
        ({"stream_url": "wss://voice.example:{port}/audio"}, "wss://voice.example:8082/audio"),
    ],
)
def test_each_process_has_an_address_of_its_own(settings, url):
    assert stream_url_of(given(**settings), 2, 8082) == url
    check_stream_urls(given(**settings), 2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"public_url": "https://voice.example"}, "ports 8081 to 8083, and set OUTDIAL_STREAM_URL"),
        ({"stream_url": "wss://voice.example"}, "STREAM_URL has neither {process} nor {port}"),
        ({"internal_url": "http://10.0.0.7:8081"}, "INTERNAL_URL has neither {process} nor {port}"),
    ],
)
def test_processes_that_carriers_could_not_tell_apart_are_not_started(settings, told):
    with pytest.raises(CommandFailed, match=told.replace("{", r"\{")):
        check_stream_urls(given(**settings), 3)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://127.0.0.1:8082"),
        ({"host": "10.0.0.7"}, "http://10.0.0.7:8082"),
        ({"internal_url": "http://10.0.0.7:{port}"}, "http://10.0.0.7:8082"),
    ],
)
def test_the_processes_of_one_machine_reach_each_other(settings, url):
    assert internal_url_of(given(**settings), 2, 8082) == url


@pytest.mark.parametrize(("count", "cores", "seats"), [(2, 2, 300), (2, 8, 300), (4, 2, 150), (3, 1, 100)])
def test_processes_share_the_cores_there_are(count, cores, seats):
    assert seats_of(given(), count, cores) == seats
    assert seats_of(given(seats=40), count, cores) == 40


def test_one_port_is_shared_and_each_has_one_of_its_own():
    listeners = listen_for(given(port=0), 2)
    ports = [each.getsockname()[1] for each in listeners]
    for each in listeners:
        each.close()
    assert len(set(ports)) == 3


# -- kept running ----------------------------------------------------------------------------------------------


@pytest.fixture
def child(monkeypatch):
    """One that runs this code instead of a server."""
    monkeypatch.setattr(several, "AGAIN", Pauses(first_s=0.01, longest_s=0.02))
    monkeypatch.setattr(several, "_until_ready", lambda child: asyncio.sleep(0, child.was_ready.set()))

    class Coded(_Child):
        started = 0

        async def start(self):
            self.started += 1
            self.process = await asyncio.create_subprocess_exec(sys.executable, "-c", *self.arguments)
            return self.process

    def child(*code):
        return Coded(number=1, arguments=code, environment={}, sockets=[], health_url="")

    return child


async def test_one_that_dies_is_started_again_and_all_end_with_the_signal(child, tmp_path):
    died = tmp_path / "died"
    kept = child(
        "import os, sys, time, signal\n"
        f"path = {str(died)!r}\n"
        "if not os.path.exists(path): open(path, 'w').close(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        f"open(path + ' and rose', 'w').close()\n"
        "time.sleep(60)"
    )
    told = []
    running = asyncio.create_task(Supervisor([kept]).run(lambda: told.append(True)))
    async with asyncio.timeout(60):
        while not (tmp_path / "died and rose").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)
        await running
    assert (kept.started, kept.process.returncode, told) == (2, 0, [True])


async def test_one_that_never_comes_up_ends_the_others(child, monkeypatch):
    monkeypatch.setattr(several, "_until_ready", lambda child: asyncio.sleep(60))
    broken, sound = child("raise SystemExit(3)"), child("import time; time.sleep(60)")
    with pytest.raises(CommandFailed, match="process 1 ended with code 3"):
        async with asyncio.timeout(60):
            await Supervisor([broken, sound]).run(lambda: None)
    assert sound.process.returncode == -signal.SIGTERM
