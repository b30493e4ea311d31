import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from outdial.db import embedded as embedded_module
from outdial.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, reason
from outdial.db.supervised import embedded

FAST = {"fsync": "off"}

USER_OF_THE_SERVER = """
import sys
from pathlib import Path
from outdial.db.embedded import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"})
server.start()
print("started", flush=True)
sys.stdin.read()
server.stop()
"""


def reachable_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


fresh_dir = pytest.fixture(reachable_folder, name="fresh_dir")
data_dir = pytest.fixture(reachable_folder, name="data_dir", scope="module")


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir, settings=FAST)
    yield server
    server.stop()


def another_process(data_dir: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", USER_OF_THE_SERVER, data_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


async def test_it_runs_as_long_as_it_is_used_and_keeps_its_data(data_dir):
    async with embedded(data_dir, settings=FAST) as database:
        with psycopg.connect(database.url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS value")
    assert not answers(database.url)
    async with embedded(data_dir, settings=FAST) as again:
        with psycopg.connect(again.url) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_other_users_of_the_machine_can_not_reach_it(server):
    server.start()
    assert server.cluster.stat().st_mode & 0o077 == 0
    with psycopg.connect(server.url("outdial")) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_the_last_of_several_users_stops_it(server, data_dir):
    url = server.start()
    other = another_process(data_dir)
    server.stop()
    assert answers(url)
    other.communicate(timeout=30)
    assert not answers(url)


def test_a_killed_user_does_not_count(server, data_dir):
    killed = another_process(data_dir)
    killed.kill()
    killed.communicate()
    url = server.start()
    assert answers(url)
    server.stop()
    assert not answers(url)


def test_ctrl_c_does_not_reach_the_server(fresh_dir):
    code = USER_OF_THE_SERVER.replace("sys.stdin.read()", "import os, signal; os.killpg(0, signal.SIGINT)")
    code = code.replace("server.stop()", "").replace("import sys", "import sys, signal; signal.signal(2, lambda *_: 0)")
    subprocess.run(
        [sys.executable, "-c", code, fresh_dir],
        check=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    server = EmbeddedPostgres(fresh_dir, settings=FAST)
    server.start()
    log = (server.home / "log").read_text()
    server.stop()
    assert log.count("ready to accept connections") == 1
    assert "shutdown request" not in log


def test_it_recovers_when_the_server_itself_was_killed(server):
    url = server.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS value")
    process = server.postmaster()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    again = EmbeddedPostgres(server.home.parent, settings=FAST)
    with psycopg.connect(again.start()) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
    again.stop()


def test_a_stale_pid_file_that_names_another_process_is_no_obstacle(server):
    server.start()
    server.stop()
    # A living process of the user that runs PostgreSQL, which PostgreSQL alone would take for a second server.
    sleeper = subprocess.Popen(["sleep", "60"], user=server.cluster.stat().st_uid)
    try:
        (server.cluster / "postmaster.pid").write_text(f"{sleeper.pid}\n{server.cluster}\n1\n5432\n\n\n1 1\nready\n")
        assert server.postmaster() is None
        assert answers(server.start())
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize("content", ["", "not a number\n", "99999999\n"])
def test_a_broken_pid_file_is_no_obstacle(server, content):
    server.start()
    server.stop()
    (server.cluster / "postmaster.pid").write_text(content)
    assert answers(server.start())


def test_a_half_made_cluster_is_made_again(fresh_dir):
    half = fresh_dir / "postgres" / "initdb-killed"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(fresh_dir, settings=FAST)
    assert answers(server.start())
    server.stop()
    assert not half.exists()


def test_the_data_of_another_major_version_is_left_alone(server):
    server.start()
    server.stop()
    version = server.cluster / "PG_VERSION"
    ours = version.read_text()
    version.write_text("12\n")
    with pytest.raises(EmbeddedPostgresError, match="PostgreSQL 12"):
        server.start()
    version.write_text(ours)


def test_a_long_path_is_no_obstacle(fresh_dir):
    long = fresh_dir / ("long" * 30)
    long.mkdir(mode=0o755)
    server = EmbeddedPostgres(long, settings=FAST)
    url = server.start()
    assert answers(url)
    server.stop()
    assert not answers(url)


def test_a_place_that_can_not_be_written_is_refused_with_advice(data_dir):
    (data_dir / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="OUTDIAL_DATABASE_URL"):
        EmbeddedPostgres(data_dir / "file" / "data").start()


async def test_a_start_that_is_cancelled_leaves_no_server(fresh_dir):
    async def use() -> None:
        async with embedded(fresh_dir, settings=FAST):
            await asyncio.sleep(3600)

    task = asyncio.create_task(use())
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server = EmbeddedPostgres(fresh_dir)
    server.home = fresh_dir / "postgres"
    server.cluster = server.home / "cluster"
    assert server.postmaster() is None


def test_without_the_wheel_the_message_says_what_to_set(data_dir, monkeypatch):
    monkeypatch.setattr(embedded_module, "WHEEL", "no_such_package")
    with pytest.raises(EmbeddedPostgresError, match="OUTDIAL_DATABASE_URL"):
        EmbeddedPostgres(data_dir).start()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "running bootstrap script ... 2026-11-29 23:00:48 UTC [12618] FATAL:  could not write to file "
            '"pg_wal/xlogtemp.12618": No space left on device\nchild process exited with exit code 1\n'
            'initdb: removing contents of data directory "/data/initdb-x"',
            'could not write to file "pg_wal/xlogtemp.12618": No space left on device',
        ),
        (
            'creating directory ... initdb: error: could not create directory "/data": Permission denied\n'
            "initdb: hint: look at it",
            'could not create directory "/data": Permission denied',
        ),
        ("pg_ctl: no server running\nIs it?", "Is it?"),
        ("", ""),
    ],
)
def test_the_reason_of_a_failure_is_told_and_not_the_cleaning_up_after_it(said, why):
    assert reason(said) == why


def test_a_server_that_does_not_start_says_why(fresh_dir):
    server = EmbeddedPostgres(fresh_dir, settings=FAST)
    server.start()
    server.stop()
    with pytest.raises(EmbeddedPostgresError, match=r"doesn't start: .*no_such_setting"):
        EmbeddedPostgres(fresh_dir, settings=FAST | {"no_such_setting": "1"}).start()
