"""PostgreSQL servers that a test may kill, freeze and fail over: on TCP ports of their own, on a disk that may lose."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from outdial.db.embedded import EmbeddedPostgres

SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "hot_standby": "on",
}


class OwnPostgres(EmbeddedPostgres):
    """One of them. `folder` has to be open to other users: for root, PostgreSQL runs as one."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        super().__init__(folder, settings=SETTINGS | {"port": str(self.port)})

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def kill(self) -> None:
        """kill -9 of the postmaster; its children follow."""
        postmaster = self._postmaster()
        children = postmaster.children()
        postmaster.kill()
        psutil.wait_procs([postmaster, *children], timeout=60)

    def restart(self) -> None:
        self._program("pg_ctl", "stop", "-D", self.cluster, "-m", "fast", "-w", "-t", "60")
        self.revive()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        postmaster = self._postmaster()
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    def standby(self, folder: Path, *, synchronous: bool = True) -> "OwnPostgres":
        """A replica that has what its primary has said is written; else it may be behind."""
        replica = OwnPostgres(folder)
        replica._find_home()
        self._program(
            "pg_basebackup", "-d", self.url("postgres"), "-D", replica.cluster, "-R", "-c", "fast", "--no-sync"
        )
        replica.start()
        if not synchronous:
            return replica
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        return replica

    def promote(self) -> None:
        self._program("pg_ctl", "promote", "-D", self.cluster, "-w", "-t", "60")

    def _postmaster(self) -> psutil.Process:
        process = self.postmaster()
        assert process is not None
        return process
