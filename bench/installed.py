"""Outdial as it is installed: its commands, and `outdial serve`. Spoken to by command line and HTTP alone, so that the
Outdial of another checkout can be measured as well as ours."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from bench.processes import START_S, ChildFailed

COMMAND_S = 60.0
STOP_S = 30.0
HOST = "127.0.0.1"


class Server:
    """A process of `outdial serve`, up."""

    def __init__(self, process: "subprocess.Popen[bytes]", base_url: str, log: Path) -> None:
        self._process = process
        self._log = log
        self.base_url = base_url
        deadline = time.monotonic() + START_S
        with httpx.Client(base_url=base_url, trust_env=False, timeout=5) as http:
            while not _is_ready(http):
                if process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise ChildFailed(_last_words(log.read_text(errors="replace")))
                time.sleep(0.1)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Installed:
    """What is installed for one Python (ours unless `python` says which), on the database of a measurement."""

    def __init__(self, python: Path | None, *, data_dir: Path, database_url: str) -> None:
        self._program = [str(python or sys.executable), "-m", "outdial"]
        self._data_dir = data_dir
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OUTDIAL_")
        } | {
            "OUTDIAL_DATABASE_URL": database_url,
            "OUTDIAL_DATA_DIR": str(data_dir),
            "XDG_STATE_HOME": str(data_dir / "state"),  # its server is nobody's else
            "OUTDIAL_MAX_REQUESTS_PER_S": "1000000",  # one key places all calls; 0.1 has no such limit
        }
        if python is not None:
            self._environment.pop("PYTHONPATH", None)  # would put our code before theirs

    def command(self, *words: str) -> Any:
        """What `outdial <words> --json` prints."""
        run = subprocess.run(
            [*self._program, *words, "--json"],
            cwd=self._data_dir,  # no outdial.toml of a checkout
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        if run.returncode != 0:
            raise ChildFailed(_last_words(run.stderr))
        return json.loads(run.stdout)

    def serve(self) -> Server:
        """One more process on the same database, at a port of its own: carriers call back the one that dialled."""
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        log = self._data_dir / f"serve-{port}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*self._program, "serve", "--host", HOST, "--port", str(port), "--with-parent"],
                cwd=self._data_dir,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; and see machine.prefer
            )
        return Server(process, f"http://{HOST}:{port}", log)


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").is_success
    except httpx.TransportError:
        return False


def _last_words(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[-20:])
