"""`outdial serve` as a process of its own, which can be killed and started again where it was."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

START_S = 120.0  # no test is about these: the machine may be busy with other things
STOP_S = 120.0


class Server:
    """Start it with `start`, end it with `kill` (as the kernel would) or `stop` (as a supervisor would)."""

    def __init__(self, folder: Path, database_url: str, secret_key: str, *options: str) -> None:
        self._options = options
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.data_dir = folder / "data"
        self._log = folder / "log"
        self._environment = os.environ | {
            "OUTDIAL_DATABASE_URL": database_url,
            "OUTDIAL_SECRET_KEY": secret_key,
            "OUTDIAL_DATA_DIR": str(self.data_dir),
            "OUTDIAL_PORT": str(self.port),
            "OUTDIAL_DRAIN_S": "1",
            "OUTDIAL_MAX_REQUESTS_PER_S": "10000",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    async def start(self) -> None:
        command = [sys.executable, "-c", "from outdial.cli import main; main()", "serve", *self._options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - asyncio's would belong to this loop
                command, env=self._environment, cwd=self._log.parent, stdout=log, stderr=log, start_new_session=True
            )
        async with asyncio.timeout(START_S), httpx.AsyncClient(base_url=self.base_url, trust_env=False) as http:
            while True:
                assert self._process.poll() is None, self.log
                with suppress(httpx.TransportError):
                    if (await http.get("/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return await self._end(signal.SIGTERM)

    @property
    def log(self) -> str:
        """All it has said, of every start."""
        return self._log.read_text()

    async def _end(self, number: signal.Signals) -> int:
        process = self._process
        assert process is not None
        process.send_signal(number)
        async with asyncio.timeout(STOP_S):
            while process.poll() is None:  # noqa: ASYNC110 - a child watcher belongs to one loop
                await asyncio.sleep(0.02)
        self._process = None
        return process.returncode

    @classmethod
    @asynccontextmanager
    async def up(cls, folder: Path, database_url: str, secret_key: str, *options: str) -> AsyncIterator["Server"]:
        server = cls(folder, database_url, secret_key, *options)
        await server.start()
        try:
            yield server
        finally:
            if server._process is not None:
                await server.kill()
