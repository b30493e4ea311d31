"""Run files: what a running server leaves behind for as long as it runs, so that a command in another folder or
terminal finds it.

    <data directory>/servers/<pid>-<random>.json      for who knows the data directory
    <state directory of the user>/outdial/servers/…   the same, for who doesn't: ~/.local/state, or $XDG_STATE_HOME

The server holds a lock on its file. The kernel drops the lock with the process, so a file that is left is told from
one whose server runs, also when another process has got its number since; whoever finds one removes it. The files
hold no secret: the settings that are secrets are named in them, and read from where the server itself has them: its
settings file, and the environment of its process, which the system shows to the same user and root alone.
"""

import fcntl
import json
import logging
import os
import platform
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outdial import open_files
from outdial.cli.processes import local_url
from outdial.instants import to_json
from outdial.settings import SECRETS, Settings, settings_file, variable
from outdial.version import __version__

logger = logging.getLogger(__name__)

FOLDER = "servers"
SAME_START_S = 1.0  # clocks of the kernel and of who reads it are rounded


class SettingsUnreadable(Exception):
    """A setting of a running server that is a secret can't be read from here; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server on this machine. `settings` are its own but for secrets, with an absolute data directory; `secrets`
    are the names of those that are set. `process_started_at` is in seconds since 1970, as the system counts."""

    pid: int
    process_started_at: float
    machine: str
    version: str
    started_at: str
    folder: str
    settings_file: str
    settings: Mapping[str, Any]
    secrets: tuple[str, ...]
    open_files: int

    @property
    def data_dir(self) -> Path:
        return Path(self.settings["data_dir"])

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        return local_url(self.settings["host"], self.settings["port"])

    def environment(self) -> Mapping[str, str]:
        """The OUTDIAL_ and OTEL_ variables it was started with. Raises SettingsUnreadable."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.process_started_at) > SAME_START_S:
                raise SettingsUnreadable(f"the process {self.pid} isn't the server at {self.url}")
            found = process.environ()
        except (psutil.Error, OSError) as error:
            raise SettingsUnreadable(f"the environment of the server at {self.url} can't be read from here") from error
        return {name: value for name, value in found.items() if name.upper().startswith((variable(""), "OTEL_"))}

    def whole_settings(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """All its settings by name, secrets too; `known` are used where it has secrets that can't be read.

        Raises SettingsUnreadable.
        """
        found: dict[str, Any] = dict.fromkeys(SECRETS)
        found |= {name: known[name] for name in self.secrets if name in known}
        if self.secrets:
            found |= self._secrets_in_file()
            with suppress(SettingsUnreadable):
                environment = {name.upper(): value for name, value in self.environment().items()}
                found |= {name: environment[variable(name)] for name in self.secrets if variable(name) in environment}
        if missing := [variable(name) for name in self.secrets if found[name] is None]:
            raise SettingsUnreadable(
                f"the server at {self.url} has settings that can't be read from here; "
                f"set them as it has them: {', '.join(missing)}"
            )
        return {**self.settings, **found}

    def _secrets_in_file(self) -> dict[str, Any]:
        try:
            given = tomllib.loads(Path(self.settings_file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {name: value for name, value in given.items() if name in self.secrets}


@contextmanager
def run_files(settings: Settings) -> Iterator[None]:
    """Say that this process serves with these settings, for as long as the context lasts."""
    text = json.dumps(asdict(_this_process(settings)))
    with ExitStack() as stack:
        for folder in filter(None, (settings.data_dir / FOLDER, user_folder())):
            try:
                stack.enter_context(_held(folder, text))
            except OSError as error:  # no home, a file system without locks: commands have to be told where it is
                logger.info("Run file not written", extra={"path": str(folder), "reason": error.strerror})
        yield


def running_servers(data_dir: Path) -> list[RunningServer]:
    """Those with this data directory and those of this user, the newest first."""
    found: dict[tuple[int, str], RunningServer] = {}
    for folder in filter(None, (data_dir / FOLDER, user_folder())):
        for path in folder.glob("*.json"):
            if (server := _read(path)) is not None:
                found[server.pid, server.started_at] = server
    return sorted(found.values(), key=lambda server: server.started_at, reverse=True)


def user_folder() -> Path | None:
    """Where the run files of this user's servers are; None for a user without a home."""
    given = os.environ.get("XDG_STATE_HOME", "")
    try:
        state = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return state / "outdial" / FOLDER


def _this_process(settings: Settings) -> RunningServer:
    import psutil

    told = settings.model_dump(mode="json", exclude=set(SECRETS))
    return RunningServer(
        pid=os.getpid(),
        process_started_at=psutil.Process().create_time(),
        machine=platform.node(),
        version=__version__,
        started_at=to_json(datetime.now(UTC)),
        folder=str(Path.cwd()),
        settings_file=str(settings_file().absolute()),
        settings={**told, "data_dir": str(settings.data_dir.resolve())},
        secrets=tuple(name for name in SECRETS if getattr(settings, name) is not None),
        open_files=open_files.limit(),
    )


@contextmanager
def _held(folder: Path, text: str) -> Iterator[None]:
    """A locked file with this text. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not path.exists():  # somebody took it for left before it was locked
                    continue
                file.write(text)
                file.flush()
                yield
                return
            finally:
                path.unlink(missing_ok=True)


def _read(path: Path) -> RunningServer | None:
    """The server of a run file; None when it runs no more (the file is removed), or runs on another machine."""
    try:
        with path.open() as file:
            try:
                fields = json.load(file)
                server = RunningServer(**{**fields, "secrets": tuple(fields["secrets"])})
            except (ValueError, TypeError, KeyError):  # being written, or of another version
                server = None
            if server is not None and server.machine != platform.node():
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return server
            path.unlink(missing_ok=True)
    except OSError:
        pass
    return None
