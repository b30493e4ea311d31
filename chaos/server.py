"""A host that runs `outdial serve`: killed, frozen, asked to stop, cut off, and started again where it was.

The network between it and the rest goes through two proxies of its own: one that carriers and customers come in by,
and one that its database is behind. What it asks of others goes by ways that all hosts share (`network.py`). Its clock
may be another one than everybody's.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from chaos.clock import Clock
from chaos.database import Database
from chaos.peers import Peers
from chaos.proxy import HOST, Proxy
from outdial.cli.processes import a_free_port

UP = "Outdial is up"     # says the process itself
RESTARTED_AFTER_S = 1.0  # by its service manager, when it has ended by itself
LOOK_EVERY_S = 0.1
READY_S = 120.0          # on a machine that is busy with other things
GONE_S = 120.0           # after SIGTERM
IMPATIENT = {  # nobody waits half a minute for a sweep in a short run
    "LEASE_S": "6",
    "SWEEP_EVERY_S": "1",
    "SILENT_AFTER_S": "6",
    "SETTLE_S": "10",
    "STREAM_START_TIMEOUT_S": "8",
    "DRAIN_S": "8",
    "DEFAULT_RING_TIMEOUT_S": "20",
    "DEFAULT_MAX_DURATION_S": "60",
}
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every host of a run is given: `environment` is not of Outdial's own; `without`: see chaos.without."""

    folder: Path
    database: Database
    peers: Peers
    secret_key: str
    environment: Mapping[str, str]
    settings: Mapping[str, str]
    clock: Path | None  # of chaos.clock.compiled
    without: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedByItself:
    """A process that nobody had asked to end; the last line it said. `had_served`: whether it had come up before."""

    server: str
    exit_code: int
    started_at: float
    at: float
    had_served: bool
    last_words: str


class Server:
    """One host. `ended_by_itself` has what no service manager should ever see."""

    def __init__(self, name: str, around: Surroundings, database: Proxy) -> None:
        self.name = name
        self.data_dir = around.folder / name / "data"
        self.log = around.folder / f"serve-{name}.log"
        self.clock = Clock(around.folder / name / "clock", around.clock)
        self.database = database
        self.entrance: Proxy
        self.ended_by_itself: list[EndedByItself] = []
        self.not_stopped = 0  # how often SIGTERM did not end it in time
        self.pids: set[int] = set()  # of all its processes, one after the other
        self._without = around.without
        self._environment = around.environment
        self._is_wanted = False
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._said_before = 0  # bytes of its log when it was started
        self.port = a_free_port(HOST, 0)
        self._settings = {
            **IMPATIENT,
            **around.settings,
            "DATABASE_URL": around.database.url_at(database.port),
            "SECRET_KEY": around.secret_key,
            "DATA_DIR": str(self.data_dir),
            "HOST": HOST,
            "PORT": str(self.port),
        }
        self.data_dir.mkdir(parents=True)

    @classmethod
    @asynccontextmanager
    async def up(cls, name: str, around: Surroundings) -> AsyncIterator["Server"]:
        """Made and watched; `start` starts it."""
        async with Proxy.open(around.database.port) as proxy:
            server = cls(name, around, proxy)
            around.peers.add(name, lambda: server._process.pid if server._process else None)
            around.database.moved.append(lambda port: setattr(proxy, "to_port", port))
            async with Proxy.open(server.port, around.peers.ports_of) as server.entrance:
                server._settings["PUBLIC_URL"] = server.entrance.url
                watching = asyncio.create_task(server._watch())
                try:
                    yield server
                finally:
                    watching.cancel()
                    server.end_now()

    @property
    def base_url(self) -> str:
        return self.entrance.url

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.is_up:
            return
        self._is_wanted = True
        environment = _foreign(os.environ) | {f"OUTDIAL_{name}": value for name, value in self._settings.items()}
        environment |= {**self._environment, **self.clock.environment}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])
        program = ["-m", "chaos.without", *self._without, "--"] if self._without else ["-m", "outdial"]
        with self.log.open("ab") as log:
            self._started_at, self._said_before = time.time(), log.tell()
            self._process = subprocess.Popen(
                [sys.executable, *program, "serve", "--with-parent"],
                cwd=self.data_dir,  # no outdial.toml of a checkout
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pids.add(self._process.pid)

    async def kill(self) -> None:
        """As the kernel would."""
        self._is_wanted = False
        if self._process is not None:
            self._process.kill()
            await self._gone(GONE_S)

    def abandon(self) -> None:
        """From now on nobody minds how it ends."""
        self._is_wanted = False

    async def stop(self) -> None:
        """As a service manager would: SIGTERM, and SIGKILL when that takes too long."""
        self._is_wanted = False
        if self._process is None or not self.is_up:
            return
        self._process.terminate()
        if not await self._gone(GONE_S):
            self.not_stopped += 1
            await self.kill()

    def freeze(self) -> None:
        if self.is_up:
            self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.is_up:
            self._signal(signal.SIGCONT)

    def end_now(self) -> None:
        """At the end of a run, whatever state it is in."""
        self._is_wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def ready(self, within_s: float = READY_S) -> bool:
        """Whether it says so in time."""
        deadline = time.monotonic() + within_s
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            while time.monotonic() < deadline:
                with suppress(httpx.HTTPError):
                    if (await http.get(f"http://{HOST}:{self.port}/readyz")).status_code == 200:
                        return True
                await asyncio.sleep(LOOK_EVERY_S)
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def _gone(self, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while self.is_up and time.monotonic() < deadline:  # noqa: ASYNC110 - Popen has nothing to wait for
            await asyncio.sleep(LOOK_EVERY_S)
        return not self.is_up

    async def _watch(self) -> None:
        """Its service manager: starts it again when it has ended without having been asked to."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._is_wanted or self._process is None or self._process.poll() is None:
                continue
            self.ended_by_itself.append(self._ended(self._process.returncode))
            await asyncio.sleep(RESTARTED_AFTER_S)
            if self._is_wanted:
                self.start()

    def _ended(self, exit_code: int) -> EndedByItself:
        said = self.log.read_bytes()[self._said_before :].decode(errors="replace")
        return EndedByItself(
            server=self.name,
            exit_code=exit_code,
            started_at=self._started_at,
            at=time.time(),
            had_served=UP in said,
            last_words=" ".join(said.split("\n")[-3:]).strip()[-300:],
        )


def _foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """What is no setting of ours."""
    return {name: value for name, value in environment.items() if not name.startswith("OUTDIAL_")}
