"""What a run has beside its hosts: modules of this package, each in a process of its own that says where it listens."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
START_S = 60.0


class Process:
    """Started with `Process.started`; `url` is what its first line says."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @classmethod
    @asynccontextmanager
    async def started(cls, module: str, arguments: Sequence[str], log: Path) -> AsyncIterator["Process"]:
        """In a session of its own, until the context ends: it keeps nothing, so it is killed."""
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, start_new_session=True,
            )  # fmt: skip
        try:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), START_S)
            yield cls(process, json.loads(line)["url"])
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)


def say(url: str) -> None:
    """The first line of such a process."""
    print(json.dumps({"url": url}), flush=True)
