"""A PgBouncer in transaction mode before a database of the tests, as Debian has it."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from outdial.db.account import account

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="needs pgbouncer (apt-get install pgbouncer)")


class PgBouncer:
    """`ignored`: what of a connection's start it takes and drops; `more`: lines of its file."""

    def __init__(
        self, folder: Path, url: str, *, mode: str = "transaction", ignored: str = "", size: int = 5, more: str = ""
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        there = conninfo_to_dict(url)
        where = " ".join(f"{name}={there[name]}" for name in ("host", "port") if name in there)
        folder.mkdir(mode=0o755, exist_ok=True)
        self._database = there["dbname"]
        self._file = folder / "pgbouncer.ini"
        self._log = folder / "pgbouncer.log"
        self._file.write_text(
            f"[databases]\n* = {where} user=postgres\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = {mode}\ndefault_pool_size = {size}\nignore_startup_parameters = {ignored}\n"
            f"server_login_retry = 1\n{more}"
        )
        self._file.chmod(0o644)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{self._database}"

    def start(self) -> "PgBouncer":
        assert PROGRAM is not None
        user = account().user  # it refuses to run as root
        command = [PROGRAM, *(["-u", user] if user else []), str(self._file)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.02)
        raise AssertionError(self._log.read_text())

    def stop(self) -> None:
        """At once, as a crash: whoever is connected is cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()


def forget_limits(url: str) -> None:
    """Undo what was set for the role in this database."""
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER ROLE postgres IN DATABASE {} RESET ALL").format(name))
