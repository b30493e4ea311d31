import asyncio
import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from outdial.cli import app
from outdial.simulator.server import Simulator, SimulatorConfig, serve


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def outdial(database_url, tmp_path, monkeypatch) -> Callable[..., Any]:
    """Run the command on a fresh database; `.stdout`, `.stderr`, `.exit_code`."""
    monkeypatch.setenv("OUTDIAL_DATABASE_URL", database_url)
    monkeypatch.setenv("OUTDIAL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *args, **more: CliRunner().invoke(app, args, **more)


@pytest.fixture(scope="session")
def simulator_for_all() -> Iterator[Simulator]:
    """A carrier that listens, in a thread of its own: commands have their own event loop."""
    ready: queue.Queue[tuple[Simulator, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def run() -> None:
        over = asyncio.Event()
        async with serve(SimulatorConfig()) as simulator:
            ready.put((simulator, asyncio.get_running_loop(), over))
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    simulator, loop, over = ready.get(timeout=30)
    yield simulator
    loop.call_soon_threadsafe(over.set)
    thread.join()


@pytest.fixture
def simulator(simulator_for_all) -> Simulator:
    """With numbers that nobody answers."""
    for number in simulator_for_all.account.numbers.values():
        number.voice_url = number.status_callback = ""
    return simulator_for_all


@pytest.fixture
def connect(outdial_json, simulator) -> Callable[..., Any]:
    """`outdial numbers connect` of the simulated account's number."""
    number = SimulatorConfig().numbers[0]
    credentials = ("-c", f"account_sid={SimulatorConfig().account_sid}", "-c", "auth_token=@TOKEN")

    def run(*options: str, **more: Any) -> Any:
        env = {"TOKEN": SimulatorConfig().auth_token} | more.pop("env", {})
        where = ("--carrier-url", simulator.base_url)
        return outdial_json("numbers", "connect", number, *credentials, *where, *options, env=env, **more)

    return run


@pytest.fixture
def outdial_json(outdial) -> Callable[..., Any]:
    def run(*args: str, **more: Any) -> Any:
        result = outdial(*args, "--json", **more)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run
