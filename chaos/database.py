"""The PostgreSQL of a run: made by it, listening on loopback, and ended, killed or frozen in every way there is.

It may have a standby, which has all that the primary has said is written. When the primary is killed for good the
standby takes its place, and a new one is made.
"""

import asyncio
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg

from chaos.proxy import HOST
from outdial.cli.processes import a_free_port
from outdial.db.embedded import DATABASE, EmbeddedPostgres

SETTINGS = {
    "listen_addresses": HOST,
    "fsync": "off",  # processes are killed here, not machines: nothing is lost by it
    "log_min_messages": "warning",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "hot_standby": "on",
    "wal_retrieve_retry_interval": "500ms",  # until a primary that was restarted has its standby again, it waits
    "wal_keep_size": "512MB",
}
GONE_S = 60.0
IN_STEP = "ALTER SYSTEM SET synchronous_standby_names = '*'"
ALONE = "ALTER SYSTEM RESET synchronous_standby_names"


class _Server(EmbeddedPostgres):
    """One that listens at a port: what vanishes there is a matter of TCP."""

    def __init__(self, data_dir: Path, port: int) -> None:
        super().__init__(data_dir, settings=SETTINGS | {"port": str(port)})
        self._port = port

    def url(self, database: str) -> str:
        return f"{super().url(database)}&port={self._port}"

    def ask(self, *statements: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in (*statements, "SELECT pg_reload_conf()"):
                connection.execute(statement)

    def copy(self, from_url: str) -> None:
        """Begin as a standby of the server at this URL."""
        self._find_home()
        self._program("pg_basebackup", "-d", from_url, "-D", self.cluster, "-R", "-c", "fast", "--no-sync")

    def promote(self) -> None:
        self._program("pg_ctl", "promote", "-D", self.cluster, "-w", "-t", "60")


class Database:
    """Its folder is made anew. All of its methods that take a while are coroutines. `moved` is told the port of a
    standby that has taken over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._home = folder / "0"
        self.port = a_free_port(HOST, 0)
        self.moved: list[Callable[[int], None]] = []
        self._standby: tuple[Path, int, _Server] | None = None
        self._server: _Server | None = None
        self._frozen: list[psutil.Process] = []
        self._starting: asyncio.Future[str] | None = None

    @property
    def url(self) -> str:
        """For us, past every proxy."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        return f"postgresql://postgres@{HOST}:{port}/{DATABASE}"

    async def start(self) -> None:
        server = _Server(self._home, self.port)

        def begin() -> str:
            url = server.start()
            # The one before ends its use of the server only now: the last one to let go would stop it.
            self._server = server
            return url

        self._starting = asyncio.ensure_future(asyncio.to_thread(begin))
        await asyncio.shield(self._starting)

    async def add_standby(self) -> None:
        """From now on nothing is said to be written that it doesn't have."""
        self._made += 1
        home, port = self._folder / str(self._made), a_free_port(HOST, 0)
        standby = _Server(home, port)
        primary = self._server
        assert primary is not None

        def begin() -> None:
            standby.copy(f"postgresql://postgres@{HOST}:{self.port}/postgres")
            standby.start()
            primary.ask(IN_STEP)

        self._standby = home, port, standby
        self._starting = asyncio.ensure_future(asyncio.to_thread(begin))
        await asyncio.shield(self._starting)

    async def fail_over(self) -> None:
        """The primary is killed and never comes back; its standby takes its place. Whoever leads hosts there does so
        at once."""
        assert self._server is not None
        assert self._standby is not None
        old, process = self._home, self._server.postmaster()
        if process is not None:
            everything = [process, *process.children()]
            process.kill()
            await asyncio.to_thread(psutil.wait_procs, everything, timeout=GONE_S)
        (self._home, self.port, self._server), self._standby = self._standby, None
        await asyncio.to_thread(self._server.promote)
        await asyncio.to_thread(self._server.ask, ALONE)
        for tell in self.moved:
            tell(self.port)
        await asyncio.to_thread(shutil.rmtree, old, ignore_errors=True)

    async def end(self, number: signal.Signals) -> None:
        """SIGINT is a fast shutdown, SIGQUIT an immediate one; SIGKILL strikes the postmaster alone. Returns when it is
        gone, at most after a minute."""
        assert self._server is not None
        process = self._server.postmaster()
        if process is not None:
            process.send_signal(number)
            await asyncio.to_thread(psutil.wait_procs, [process], timeout=GONE_S)

    def freeze(self) -> None:
        """Every process of it stands still, until `thaw`."""
        assert self._server is not None
        process = self._server.postmaster()
        if process is None:
            return
        self._frozen.append(process)
        process.suspend()  # first: it makes no more children then
        for child in process.children(recursive=True):
            try:
                child.suspend()
                self._frozen.append(child)
            except psutil.NoSuchProcess:
                continue

    def thaw(self) -> None:
        for process in self._frozen[::-1]:
            try:
                process.resume()
            except psutil.NoSuchProcess:
                continue
        self._frozen.clear()

    async def aclose(self) -> None:
        """For good, and at most within a minute or two."""
        self.thaw()
        if self._starting is not None:
            await asyncio.wait({self._starting})  # a thread can't be cancelled: it may be about to start a server
        if self._standby is not None:
            await self._stop(self._standby[2])
        if self._server is not None:
            await self._stop(self._server)

    async def _stop(self, server: _Server) -> None:
        if (process := server.postmaster()) is not None:
            process.send_signal(signal.SIGQUIT)  # no connection is worth waiting for
            await asyncio.to_thread(psutil.wait_procs, [process], timeout=GONE_S)
        await asyncio.to_thread(server.stop)
