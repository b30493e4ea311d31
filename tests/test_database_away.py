"""A process whose database is killed, restarted, frozen or failed over, in the middle of a call: it goes on."""

import asyncio
import functools
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

import workspace
from conversation.peers import Recogniser, Voice
from end_to_end.world import CALLEE, Customer, connect_customer, simulator_config
from outdial.app import Running, running
from outdial.db.embedded import EmbeddedPostgres
from outdial.draining import Drain
from outdial.roles import Role
from outdial.settings import Settings
from outdial.simulator.calls import Call, Direction
from outdial.simulator.server import Simulator, serve
from outdial.speech.engines import Speech
from own_postgres import OwnPostgres
from pgbouncer import PgBouncer, needs_pgbouncer

PATIENCE_S = 90.0  # with this computer, which has other things to do
LEASE_S = 4.0
SILENT = CALLEE + "11"
SAY = "    - say: This is said while the database is away.\n"
STEADY = f"agent: {{name: Steady}}\nstart: on\nsteps:\n  on:\n{60 * SAY}    - hang_up: Goodbye.\n"


until = functools.partial(workspace.until, within_s=PATIENCE_S, every_s=0.05)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[OwnPostgres]:
    server = OwnPostgres(folder / "server")
    server.start()
    yield server
    server.stop()


@dataclass(kw_only=True)
class Life:
    """A process, its carrier, and a call that goes on."""

    outdial: Running
    simulator: Simulator
    customer: Customer
    voice: Voice
    call_id: str = ""

    @property
    def dials(self) -> list[Call]:
        book = self.simulator.network.book.newest_first()
        return [call for call in book if call.direction is Direction.OUTBOUND_API]

    async def status(self, path: str = "/readyz") -> int:
        return (await self.customer.http.get(path)).status_code

    async def call_state(self, call_id: str) -> str | None:
        answer = await self.customer.http.get(f"/v1/calls/{call_id}")
        return answer.json()["state"] if answer.status_code == 200 else None

    async def comes_back(self) -> None:
        """It takes calls again; the call is still up, and its conversation too."""
        await self.is_ready()
        assert await self.call_state(self.call_id) == "in_progress"
        assert self.outdial.conversations.session(self.call_id) is not None
        second = await self.customer.place(SILENT)
        await self.is_now(second, "in_progress")
        for call_id in (self.call_id, second):
            await self.customer.hang_up(call_id)
        for call_id in (self.call_id, second):
            await self.is_now(call_id, "ended")
            call = await self.customer.get(call_id)
            assert [(call["end_reason"], len(call["attempts"]))] == [("completed", 1)], call
        assert len(self.dials) == 2
        assert await self.customer.used_lines() == 0

    async def is_ready(self) -> None:
        async def check() -> bool:
            return await self.status() == 200

        await until(check)

    async def is_now(self, call_id: str, state: str) -> None:
        async def check() -> bool:
            return await self.call_state(call_id) == state

        await until(check)

    async def goes_without(self) -> None:
        """Refuses calls, says that it is not ready, and talks on."""

        async def is_not_ready() -> bool:
            return await self.status() == 503

        await until(is_not_ready)
        refused = await self.customer.ask(SILENT)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert int(refused.headers["retry-after"]) > 0
        assert await self.status("/healthz") == 200
        said = len(self.voice.spoken)

        async def talks_on() -> bool:
            return len(self.voice.spoken) > said

        await until(talks_on)
        assert self.outdial.conversations.session(self.call_id) is not None


@asynccontextmanager
async def life(url: str, folder: Path, *, direct_url: str | None = None) -> AsyncIterator[Life]:
    settings = Settings(
        database_url=SecretStr(url),
        direct_database_url=None if direct_url is None else SecretStr(direct_url),
        secret_key=SecretStr("a key for tests"),
        data_dir=folder / "data",
        port=0,
        sweep_every_s=0.2,
        lease_s=LEASE_S,
    )
    config, voice = simulator_config(folder, pace=0.1), Voice()
    async with (
        serve(config, callee_voice=Voice(), agent_voice=Voice()) as simulator,
        running(settings, speech=Speech(to_text=Recogniser(), from_text=voice)) as outdial,
    ):
        services = outdial.services
        customer = await connect_customer(
            services.engine,
            services.secret_box,
            outdial.base_url,
            carrier_url=simulator.base_url,
            config=config,
            number=config.numbers[0],
            script=STEADY,
        )
        life = Life(outdial=outdial, simulator=simulator, customer=customer, voice=voice)
        try:
            life.call_id = await customer.place(SILENT)
            await life.is_now(life.call_id, "in_progress")
            yield life
        finally:
            await customer.http.aclose()


@asynccontextmanager
async def another_beside(it: Life) -> AsyncIterator[Running]:
    """A process on the same database that dials nothing, and takes over the calls of dead ones."""
    drain = Drain()
    drain.begin()
    settings = it.outdial.services.settings.model_copy(update={"port": 0})
    speech = Speech(to_text=Recogniser(), from_text=Voice())
    async with running(settings, roles={Role.DISPATCH}, speech=speech, drain=drain) as another:
        yield another


# -- `outdial serve` with the database that comes along ----------------------------------------------------------


class Served:
    """A process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._log = folder / "log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OUTDIAL_")}
        environment |= {
            "OUTDIAL_DATA_DIR": str(folder),
            "OUTDIAL_SECRET_KEY": "a key for tests",
            "OUTDIAL_PORT": str(self.port),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        command = [sys.executable, "-c", "from outdial.cli import main; main()", "serve"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.database = EmbeddedPostgres(folder)
        self.database._find_home()

    @property
    def log(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def said(self, message: str) -> int:
        return sum(line["message"] == message for line in self.log)

    async def is_ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False) as http:
                return (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
        return False

    async def has_ended(self) -> bool:
        return self.process.poll() is not None


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    (folder / "served").mkdir(mode=0o755)
    served = Served(folder / "served")
    yield served
    served.process.kill()
    served.process.wait()


# -- what is to hold -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("served")  # it starts meanwhile
async def test_it_outlives_a_database_that_is_killed_and_restarted_and_frozen(server, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    async with life(server.url("outdial"), tmp_path) as it, another_beside(it) as another:
        worker_id = it.outdial.worker_id
        async with asyncio.timeout(PATIENCE_S):
            while not another.worker.is_steady_for(LEASE_S / 2):  # noqa: ASYNC110 - it would take over from now on
                await asyncio.sleep(0.05)
        await asyncio.to_thread(server.kill)
        killed_at = time.monotonic()
        await it.goes_without()
        assert not it.outdial.worker.holds_lock
        await asyncio.sleep(killed_at + LEASE_S - time.monotonic())  # every lease has run out, and every lock is free
        await asyncio.to_thread(server.revive)
        await it.is_ready()
        await asyncio.to_thread(server.restart)
        await it.is_ready()
        with server.frozen():
            await asyncio.sleep(10)
            assert it.outdial.conversations.session(it.call_id) is not None
        await it.comes_back()
        assert it.outdial.worker_id == worker_id
    assert "Calls of a dead worker taken over" not in caplog.messages
    assert max(Counter(caplog.messages).values()) < 10, "the log is not flooded"
    ours = [record for record in caplog.records if record.name.startswith("outdial")]
    assert [record.message for record in ours if record.exc_info] == []


@needs_pgbouncer
async def test_it_outlives_a_pooler_that_restarts_and_the_database_behind_it(server, folder, tmp_path):
    pooler = PgBouncer(folder / "pooler", server.url("outdial")).start()
    try:
        async with life(pooler.url, tmp_path, direct_url=server.url("outdial")) as it:
            worker_id = it.outdial.worker_id
            await asyncio.to_thread(pooler.restart)
            await it.is_ready()
            assert await it.call_state(it.call_id) == "in_progress"
            assert it.outdial.worker.holds_lock
            await asyncio.to_thread(server.kill)
            await it.goes_without()
            await asyncio.to_thread(server.revive)
            await it.comes_back()
            assert it.outdial.worker_id == worker_id
    finally:
        await asyncio.to_thread(pooler.stop)


async def test_it_goes_on_with_the_standby_that_is_promoted(server, folder, tmp_path):
    standby = await asyncio.to_thread(server.standby, folder / "standby")
    try:
        hosts = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
        url = f"postgresql://postgres@{hosts}/outdial?target_session_attrs=read-write"
        async with life(url, tmp_path) as it:
            await asyncio.to_thread(server.kill)
            await it.goes_without()
            await asyncio.to_thread(standby.promote)
            await it.comes_back()
    finally:
        await asyncio.to_thread(standby.stop)


async def test_the_embedded_database_comes_back_by_itself_and_who_has_lost_it_for_good_ends(served, folder):
    await until(served.is_ready)
    killed = served.database.postmaster()
    killed.kill()

    async def is_back() -> bool:
        now = served.database.postmaster()
        return now is not None and now.pid != killed.pid and served.said("Worker lock taken anew") == 1

    await until(is_back)
    await until(served.is_ready)
    assert served.said("Embedded database is back") == 1
    last = served.database.postmaster()
    served.database.cluster.rename(folder / "cluster taken away")
    last.kill()
    async with asyncio.timeout(PATIENCE_S):
        while not served.said("Process can't go on"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    began = time.monotonic()
    await until(served.has_ended)
    assert time.monotonic() - began < 5 + 10, "it may have waited for this computer, but for nothing else"
    assert served.process.returncode == 1
    assert served.said("Process can't go on") == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port))
