"""What conversations brought, kept on disk until the database has taken it: a file for each.

They lie in `<data directory>/spool/<worker>/`, of which a process locks its own for as long as it lives. So processes
that share a data directory tell the files of a dead one, which are theirs to deliver, from those of a live one, which
are its own matter, also while the database that knows who is alive is away.
"""

import asyncio
import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

FOLDER = "spool"  # under the data directory
LOCK = "lock"
DISK_S = 2.0  # a disk that stands still is not waited for by a process that ends

Content = Mapping[str, Any]


class Spool:
    """The files of this process. None of its methods raises for a disk that is full or broken: the log says so, and
    what a conversation brought is in memory still."""

    def __init__(self, data_dir: Path, owner: str) -> None:
        self.folder = data_dir / FOLDER / owner
        self._lock: int | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="spool")  # one: files are written in order

    async def keep(self, name: str, content: Content) -> None:
        """Write the file of this name, in place of what it was; it is on the disk when this returns."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._keep, name, json.dumps(content))

    def keep_now(self, name: str, content: Content) -> None:
        """As `keep`, for a process that ends and has no time to do anything else meanwhile."""
        with suppress(TimeoutError):
            self._writer.submit(self._keep, name, json.dumps(content)).result(DISK_S)

    async def remove(self, name: str) -> None:
        """The database has taken it."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._remove, name)

    async def aclose(self) -> None:
        """What is still there is any process's to deliver from now on."""
        self._writer.shutdown(wait=False)
        if self._lock is not None:
            with suppress(OSError):  # not empty
                if not any(self.folder.glob("*.json")):
                    _remove_folder(self.folder)
            os.close(self._lock)
            self._lock = None

    def _keep(self, name: str, text: str) -> None:
        try:
            if self._lock is None:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock = _locked(self.folder)
            write_whole(self.folder / f"{name}.json", text)
        except OSError as error:
            fields = {"file": name, "error": type(error).__name__}
            logger.error("Result not kept on disk", extra=fields)

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            (self.folder / f"{name}.json").unlink()


def write_whole(path: Path, text: str) -> None:
    """A file that is there whole or not at all, also after a power cut; its owner's alone."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def left_behind(folder: Path) -> Iterator[list[Path] | None]:
    """The files in the folder of a dead process, which are nobody else's while inside; None where it lives, or somebody
    else is at them. A folder that is empty afterwards is removed."""
    lock = None
    try:
        lock = _locked(folder, create=False)
        yield None if lock is None else sorted(folder.glob("*.json"))
        if lock is not None and not any(folder.glob("*.json")):
            _remove_folder(folder)
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path, *, create: bool = True) -> int | None:
    """The folder's lock, held: the system lets go of it when the process dies. None: somebody else holds it."""
    while True:
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
        except FileNotFoundError:
            if create:
                raise
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(folder / LOCK).st_ino == os.fstat(lock).st_ino:
                return lock
        except FileNotFoundError:
            if create:  # somebody took it for a dead one's, and removed it
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            os.close(lock)
            return None
        os.close(lock)


def _remove_folder(folder: Path) -> None:
    for name in (*folder.glob("*.part"), folder / LOCK):
        name.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
