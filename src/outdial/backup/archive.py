"""The file of a backup: a compressed tar, written and read in one go, so it may be a pipe.

    manifest.json             what it is of
    spool/<worker>/….json     what conversations had brought that the database hadn't taken yet
    database/<table>/<n>      its rows, as COPY writes them, in parts; "columns.json" comes before them
    database/sequences.json
    secret_key                where it was wanted
    recordings/<workspace>/…
    complete.json             the last one: without it the backup was cut off
"""

import gzip
import io
import json
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

FORMAT = 1
MANIFEST, SPOOL, DATABASE, KEY, RECORDINGS, COMPLETE = (
    "manifest.json", "spool", "database", "secret_key", "recordings", "complete.json"
)  # fmt: skip
COLUMNS, SEQUENCES = "columns.json", "sequences.json"
FAST = 1  # of gzip: half the size for a tenth of the best one's CPU


class BackupUnusable(RuntimeError):
    """It can't be restored here; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`revision`: of its tables; `made_at`: ISO 8601, UTC; `store`: where recordings are that aren't in it."""

    version: str
    revision: str
    made_at: str
    with_key: bool
    store: str | None
    format: int = FORMAT

    @classmethod
    def parse(cls, content: bytes) -> "Manifest":
        """Raises BackupUnusable."""
        try:
            given = json.loads(content)
            if given["format"] > FORMAT:
                raise BackupUnusable(f"this backup was made by Outdial {given['version']}: restore it by that version")
            return cls(**{name: given[name] for name in cls.__slots__})
        except (ValueError, KeyError, TypeError) as error:
            raise BackupUnusable("this isn't a backup of Outdial") from error


class ArchiveWriter:
    """Of what is given to it one after the other. `size`: bytes so far, not compressed."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.size = 0

    def add(self, name: str, content: bytes) -> None:
        self._add(name, len(content), io.BytesIO(content))

    def add_json(self, name: str, content: Any) -> None:
        self.add(name, json.dumps(content).encode())

    def add_manifest(self, manifest: Manifest) -> None:
        self.add_json(MANIFEST, asdict(manifest))

    def add_file(self, name: str, path: Path) -> bool:
        """False where it is gone by now."""
        try:
            with path.open("rb") as file:
                self._add(name, path.stat().st_size, file)
        except FileNotFoundError:
            return False
        return True

    def _add(self, name: str, size: int, content: IO[bytes]) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(time.time())
        self._tar.addfile(member, content)
        self.size += size


@contextmanager
def writing(out: IO[bytes]) -> Iterator[ArchiveWriter]:
    """To a file or a pipe; whoever leaves by an exception leaves what can't be restored."""
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=FAST, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield ArchiveWriter(tar)


class Content:
    """Of a member. Raises BackupUnusable where it was cut off or damaged."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        with _readable():
            return self._file.read(size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """`path`: its parts; `content` is to be read before the next one is asked for."""

    path: tuple[str, ...]
    content: Content


def members(file: IO[bytes]) -> Iterator[Member]:
    """In the order in which they were written. Raises BackupUnusable, also for one that was cut off."""
    is_complete = False
    packed = gzip.GzipFile(fileobj=file)
    with _readable():
        tar = tarfile.open(fileobj=packed, mode="r|")  # noqa: SIM115 - it has nothing of its own to close
    while True:
        with _readable():
            member = tar.next()
        if member is None:
            break
        content, path = tar.extractfile(member), PurePosixPath(member.name)
        if content is None or not member.isreg() or path.is_absolute() or ".." in path.parts:
            raise BackupUnusable(f"this isn't a backup of Outdial: it has {member.name[:100]!r}")
        is_complete = member.name == COMPLETE
        yield Member(path=path.parts, content=Content(content))
    with _readable():
        while packed.read(tarfile.RECORDSIZE):  # to its checksum
            pass
    if not is_complete:
        raise BackupUnusable("this backup was cut off: it has no end. Nothing was restored")


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise BackupUnusable("this isn't a backup of Outdial, or it was cut off or damaged") from error
