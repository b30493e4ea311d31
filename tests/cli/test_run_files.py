"""What a running server leaves for commands elsewhere: found while it runs, and nothing of it secret."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from outdial.cli.run_files import SettingsUnreadable, run_files, running_servers, user_folder
from outdial.settings import Settings

RUNS = """
import sys
from outdial.cli.run_files import run_files
from outdial.settings import Settings
with run_files(Settings()):
    print("up", flush=True)
    sys.stdin.read()
"""
PASSWORD = "hunter2-of-the-database"
DATABASE_URL = f"postgresql://outdial:{PASSWORD}@127.0.0.1/outdial"
SECRET_KEY = "a-secret-key-of-the-server"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def start(tmp_path) -> Iterator[Start]:
    """A process that says that it serves, in a folder of its own."""
    started = []

    def run(name: str = "a", **variables: str) -> "subprocess.Popen[str]":
        (tmp_path / name).mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", RUNS],
            cwd=tmp_path / name,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_server_is_found_by_its_data_directory_and_by_its_user(tmp_path, state):
    settings = Settings(data_dir=tmp_path / "data", port=18_001, public_url="https://voice.example")
    with run_files(settings):
        assert user_folder() == state / "outdial" / "servers"
        [known] = running_servers(tmp_path / "elsewhere")
        [here] = running_servers(tmp_path / "data")
        assert here == known
        assert (known.pid, known.url, known.folder) == (os.getpid(), "http://127.0.0.1:18001", str(Path.cwd()))
        assert Settings(**known.whole_settings({})) == settings
    assert list(tmp_path.rglob("*.json")) == []


def test_its_files_are_closed_to_others_and_hold_no_secret(tmp_path, start):
    start(OUTDIAL_DATABASE_URL=DATABASE_URL, OUTDIAL_SECRET_KEY=SECRET_KEY)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2
    for path in written:
        assert path.stat().st_mode & 0o777 == 0o600
        assert PASSWORD not in path.read_text()
        assert SECRET_KEY not in path.read_text()


def test_secrets_are_read_where_the_server_has_them(tmp_path, start):
    (tmp_path / "config").write_text(f'secret_key = "{SECRET_KEY}"\n')
    start(OUTDIAL_CONFIG="../config", OUTDIAL_DATABASE_URL=DATABASE_URL)
    [server] = running_servers(tmp_path)
    whole = server.whole_settings({})
    assert (whole["database_url"], whole["secret_key"]) == (DATABASE_URL, SECRET_KEY)
    (tmp_path / "config").unlink()
    with pytest.raises(SettingsUnreadable, match="OUTDIAL_SECRET_KEY"):
        server.whole_settings({})
    assert server.whole_settings({"secret_key": "told"})["secret_key"] == "told"


def test_another_process_with_its_number_is_not_believed(tmp_path, start):
    start(OUTDIAL_DATABASE_URL=DATABASE_URL)
    [server] = running_servers(tmp_path)
    later = replace(server, process_started_at=server.process_started_at + 60)
    with pytest.raises(SettingsUnreadable):
        later.environment()


def test_a_killed_server_is_not_found_and_its_files_are_removed(tmp_path, start):
    process = start()
    assert len(running_servers(tmp_path / "a" / ".outdial")) == 1
    process.kill()
    process.wait()
    assert len(list(tmp_path.rglob("*.json"))) == 2
    assert running_servers(tmp_path / "a" / ".outdial") == []
    assert list(tmp_path.rglob("*.json")) == []


def left(state: Path, **changes: object) -> Path:
    """A file that nobody holds, of a process number that is in use: ours."""
    with run_files(Settings(data_dir=state / "data")):
        [server] = running_servers(state)
    file = state / "outdial" / "servers" / "left.json"
    file.write_text(json.dumps(asdict(replace(server, **changes))))
    return file


def test_a_file_that_nobody_holds_is_no_server_although_its_number_is_in_use(state):
    file = left(state)
    assert running_servers(state) == []
    assert not file.exists()


def test_files_of_another_machine_that_shares_the_home_are_left_alone(state):
    file = left(state, machine="elsewhere")
    assert running_servers(state) == []
    assert file.exists()


def test_a_file_that_is_just_being_written_is_left_alone(state):
    file = left(state)
    file.write_text("{")
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert running_servers(state) == []
        assert file.exists()


def test_several_servers_are_found_the_newest_first(tmp_path, start):
    start("a")
    start("b")
    assert [Path(server.folder).name for server in running_servers(tmp_path)] == ["b", "a"]


def test_who_has_no_home_to_write_to_is_found_by_the_data_directory(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with run_files(Settings(data_dir=tmp_path / "data")):
        assert len(running_servers(tmp_path / "data")) == 1


