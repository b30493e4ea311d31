"""A terminal, as somebody uses it: a folder, the user's environment without a setting of Outdial, and commands."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OUTDIAL = str(Path(sys.executable).with_name("outdial"))
START_S = 120.0  # no test is about these: the machine may be busy with other things
COMMAND_S = 120.0
STOP_S = 60.0


@dataclass(frozen=True, slots=True)
class Terminal:
    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, typed: str | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
        """`typed`: what is answered when it asks."""
        return self._run([OUTDIAL, *words], typed, variables)

    def type(self, line: str, typed: str | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
        """A line as it was told, with whatever a shell makes of it."""
        return self._run(["sh", "-c", line], typed, variables)

    @contextmanager
    def server(self, *words: str, up: str, **variables: str) -> Iterator["Running"]:
        """What runs until it is interrupted, from when it has said `up`."""
        running = Running(self, words, variables)
        try:
            running.wait_for(up)
            yield running
        finally:
            running.kill()

    def _run(
        self, command: list[str], typed: str | None, variables: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        stdin = {"stdin": subprocess.DEVNULL} if typed is None else {"input": typed}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            **stdin,  # type: ignore[call-overload]
        )


class Running:
    """A command that stays; what it says on both outputs is kept, a line at a time."""

    def __init__(self, terminal: Terminal, words: tuple[str, ...], variables: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [OUTDIAL, *words],
            cwd=terminal.folder,
            env=terminal.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, words: str) -> str:
        """The first line with them in it."""

        def heard() -> str | None:
            return next((line for line in self.said if words in line), None)

        with self._more:
            self._more.wait_for(lambda: heard() is not None or not self._reader.is_alive(), START_S)
        found = heard()
        assert found is not None, "".join(self.said)
        return found

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(STOP_S)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(STOP_S)
        self._reader.join(STOP_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                with self._more:
                    self.said.append(line)
                    self._more.notify_all()
        with self._more:
            self._more.notify_all()


@contextmanager
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="outdial-home-") as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL runs as another user
        yield Path(folder)


def terminal(home: Path, name: str) -> Terminal:
    """In a new folder of somebody's home."""
    (home / name).mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OUTDIAL_", "XDG_")) and name != "PYTHONPATH"
    }
    paths = os.pathsep.join(filter(None, sys.path))
    return Terminal(home / name, kept | {"HOME": str(home), "PYTHONPATH": paths, "COLUMNS": "200"})
