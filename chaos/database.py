"""The PostgreSQL of a run: made by it, listening on loopback, and ended, killed or frozen in every way there is."""

import asyncio
import signal
from pathlib import Path

import psutil

from chaos.proxy import HOST
from outdial.cli.processes import a_free_port
from outdial.db.embedded import DATABASE, EmbeddedPostgres

SETTINGS = {
    "listen_addresses": HOST,
    "fsync": "off",  # processes are killed here, not machines: nothing is lost by it
    "log_min_messages": "warning",
}
GONE_S = 60.0


class _Server(EmbeddedPostgres):
    """One that listens at a port: what vanishes there is a matter of TCP."""

    def __init__(self, data_dir: Path, port: int) -> None:
        super().__init__(data_dir, settings=SETTINGS | {"port": str(port)})
        self._port = port

    def url(self, database: str) -> str:
        return f"{super().url(database)}&port={self._port}"


class Database:
    """Its folder is made anew. All of its methods that take a while are coroutines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = a_free_port(HOST, 0)
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
        server = _Server(self._folder, self.port)

        def begin() -> str:
            url = server.start()
            # The one before ends its use of the server only now: the last one to let go would stop it.
            self._server = server
            return url

        self._starting = asyncio.ensure_future(asyncio.to_thread(begin))
        await asyncio.shield(self._starting)

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
        if self._server is not None:
            await self.end(signal.SIGQUIT)  # no connection is worth waiting for
            await asyncio.to_thread(self._server.stop)
