"""The terminal, as somebody uses it: a server is started in one folder, and commands come from another one."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PUBLIC_URL = "https://voice.example"
START_S = 120.0


@dataclass(frozen=True, slots=True)
class Terminal:
    """A folder and the user's environment, without a setting of Outdial."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "outdial", *words],
            cwd=self.folder,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def serve(self, **variables: str) -> "subprocess.Popen[str]":
        """A server that is up."""
        process = subprocess.Popen(
            [sys.executable, "-m", "outdial", "serve"],
            cwd=self.folder,
            env=self.environment | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        late = threading.Timer(START_S, process.kill)
        late.start()
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "doctor" in line:
                break
        late.cancel()
        assert process.poll() is None, said
        return process


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL runs as another user
        yield Path(folder)


def terminal(home: Path, name: str) -> Terminal:
    (home / name).mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OUTDIAL_", "XDG_")) and name != "PYTHONPATH"
    }
    paths = os.pathsep.join(filter(None, sys.path))
    return Terminal(home / name, kept | {"HOME": str(home), "PYTHONPATH": paths, "COLUMNS": "200"})


def test_commands_in_another_folder_are_about_the_server_that_runs(home):
    there, here = terminal(home, "there"), terminal(home, "here")
    server = there.serve(OUTDIAL_PUBLIC_URL=PUBLIC_URL, OUTDIAL_PORT="0")
    try:
        [run_file] = (home / ".local/state/outdial/servers").iterdir()
        port = json.loads(run_file.read_text())["settings"]["port"]
        made = here.run("keys", "create", "laptop")
        assert made.returncode == 0, made.stderr
        assert f"Server: http://127.0.0.1:{port}, data in {there.folder}/.outdial" in made.stderr
        (key,) = re.findall(r"export OUTDIAL_API_KEY=(\S+)", made.stderr)
        link = here.run("members", "link", "operator@localhost", "--json")
        assert json.loads(link.stdout)["url"].startswith(f"{PUBLIC_URL}/sign-in/")
        called = here.run("call", "+12025550100", "--number", "num_1", OUTDIAL_API_KEY=key)
        assert "There is no phone number with this id" in called.stderr
        found = {each["subject"]: each["found"] for each in json.loads(here.run("doctor", "--json").stdout)}
        assert found["Server"].startswith(f"running and ready at http://127.0.0.1:{port}")
        assert found["Data directory"].startswith(f"{there.folder}/.outdial")
        assert PUBLIC_URL in found["Public address"]
    finally:
        server.send_signal(signal.SIGKILL)
        server.communicate()
    lost = here.run("keys", "list")
    assert lost.returncode == 1
    assert f"there is no Outdial database in {here.folder}/.outdial; no server of yours runs" in lost.stderr
    assert list(here.folder.iterdir()) == []
    assert list((home / ".local/state/outdial/servers").iterdir()) == []
    assert "laptop" in there.run("keys", "list").stdout
