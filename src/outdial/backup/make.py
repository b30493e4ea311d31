"""A backup of a server that runs, or doesn't."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.backup.archive import (
    COLUMNS,
    COMPLETE,
    DATABASE,
    KEY,
    RECORDINGS,
    SEQUENCES,
    SPOOL,
    ArchiveWriter,
    Manifest,
)
from outdial.backup.rows import columns_json, copy_out, list_rows, read_sequences, take_your_time
from outdial.db.migrate import heads
from outdial.db.tables import calls
from outdial.instants import to_json
from outdial.recordings.recordings import Recordings
from outdial.settings import Settings
from outdial.version import __version__
from outdial.workspaces.secrets import SecretBox, read_keys

Told = Callable[[str, int], None]  # what is being written, and how many bytes have been


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    key: bool = False
    recordings_of_store: bool = False


async def make_backup(
    engine: AsyncEngine, settings: Settings, archive: ArchiveWriter, wanted: Wanted, told: Told
) -> None:
    """The spool first: what is in it is either there, or in the snapshot of the database, or in both; taken in twice it
    is the same. Recordings that are under way are left out. Raises StoreUnreachable."""
    has_key = wanted.key and SecretBox.is_there(settings)
    archive.add_manifest(
        Manifest(
            version=__version__,
            revision=heads()[0],
            made_at=to_json(datetime.now(UTC)),
            with_key=has_key,
            store=None if wanted.recordings_of_store else settings.store_url,
        )
    )
    _add_folder(archive, settings.data_dir, SPOOL, ["*/*.json"])
    async with engine.connect() as plain:
        conn = await plain.execution_options(isolation_level="REPEATABLE READ")
        await take_your_time(conn)
        await _add_database(conn, archive, told)
        if has_key:
            archive.add(KEY, "".join(f"{key}\n" for key in read_keys(settings)).encode())
        told("recordings", archive.size)
        _add_folder(archive, settings.data_dir, RECORDINGS, ["*/*.wav"], told)
        if wanted.recordings_of_store and settings.store_url is not None:
            await _add_store(conn, archive, Recordings(settings.data_dir, settings.store_url), told)
    archive.add_json(COMPLETE, {})


async def _add_database(conn: AsyncConnection, archive: ArchiveWriter, told: Told) -> None:
    for rows in await list_rows(conn):
        archive.add(f"{DATABASE}/{rows.table}/{COLUMNS}", columns_json(rows))
        number = 0
        async for part in copy_out(conn, rows):
            number += 1
            archive.add(f"{DATABASE}/{rows.table}/{number:06}", part)
            told(f"table {rows.table}", archive.size)
    archive.add_json(f"{DATABASE}/{SEQUENCES}", await read_sequences(conn))


def _add_folder(
    archive: ArchiveWriter, data_dir: Path, folder: str, patterns: Sequence[str], told: Told = lambda what, size: None
) -> None:
    for pattern in patterns:
        for path in sorted((data_dir / folder).glob(pattern)):
            archive.add_file(path.relative_to(data_dir).as_posix(), path)
            told(folder, archive.size)


async def _add_store(conn: AsyncConnection, archive: ArchiveWriter, recordings: Recordings, told: Told) -> None:
    """Those of calls that the store has, and this disk hasn't."""
    named = (await conn.scalars(select(calls.c.recording).where(calls.c.recording.is_not(None)))).all()
    for recording in named:
        kept = await recordings.find(recording)
        if kept is not None and kept.path is None:
            with tempfile.NamedTemporaryFile() as copy:
                async for part in recordings.read(recording, 0, kept.size - 1):
                    copy.write(part)
                copy.flush()
                archive.add_file(recording, Path(copy.name))
            told("recordings of the store", archive.size)
