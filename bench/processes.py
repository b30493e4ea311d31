"""The processes beside this one: each is told what to do in a line of JSON, and answers in one."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

START_S = 120.0


class ChildFailed(RuntimeError):
    """A process of the benchmark ended too early; the message has the end of its log."""


class Child:
    """`python -m <module> <config as JSON>`, its log in a file; by our Python or another one. `hello` is its first
    line: it is up."""

    def __init__(self, module: str, config: dict[str, Any], log: Path, python: Path | None = None) -> None:
        self._log = log
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [str(python or sys.executable), "-m", module, json.dumps(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,  # Ctrl-C is for us; and see machine.prefer
            )
        self.hello = self._answer()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Close its stdin, which ends it in order; kill it when that takes too long."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def warnings(self) -> dict[str, int]:
        """How often its log says what (our logs are JSON lines with a fixed `message`)."""
        counts: dict[str, int] = {}
        for line in self._log.read_text(errors="replace").splitlines():
            try:
                message = str(json.loads(line)["message"])
            except (ValueError, TypeError, KeyError):
                message = line[:80]
            counts[message] = counts.get(message, 0) + 1
        return counts

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(5)
            raise ChildFailed("".join(self._log.read_text(errors="replace").splitlines(keepends=True)[-20:]))
        return json.loads(line)


def say(answer: Any) -> None:
    """A child's answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def commands() -> AsyncIterator[dict[str, Any]]:
    """In a child: what it is told, until its parent closes the pipe or dies."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)
