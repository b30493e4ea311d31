"""Processes the demo starts beside itself: started in sessions of their own, watched, and stopped in order."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

from outdial.cli.failures import CommandFailed
from outdial.repeating import Pauses, repeat

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 20.0
STARTING = Pauses(first_s=0.05, longest_s=0.2)


class Child:
    """`python -m outdial <args>`. Ctrl-C in the terminal reaches us alone; the child is told with SIGTERM."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(
        cls, name: str, *args: str, env: Mapping[str, str], log: Path, inherits: socket.socket | None = None
    ) -> Self:
        """`inherits` is open in the child, too, under the same number."""
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "outdial",
                *args,
                "--with-parent",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(env),
                start_new_session=True,
                pass_fds=() if inherits is None else (inherits.fileno(),),
            )
        return cls(name, process, log)

    async def ready(self, url: str) -> None:
        """Return when a GET of `url` succeeds. Raises CommandFailed with the child's last words if it ends."""
        async with asyncio.timeout(READY_WITHIN_S), httpx.AsyncClient(trust_env=False, timeout=5) as http:

            async def ask() -> None:
                if self._process.returncode is not None:
                    raise self.ended()
                (await http.get(url)).raise_for_status()

            await repeat(ask, on=httpx.HTTPError, pauses=STARTING)

    async def wait(self) -> None:
        await self._process.wait()

    def ended(self) -> CommandFailed:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return CommandFailed(f"{self.name} ended: {lines[-1] if lines else 'without a word'} (see {self._log})")

    async def stop(self) -> None:
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
