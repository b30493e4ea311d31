"""A backup brought back: into an empty database, or in the place of what is there.

The database's part is one transaction, which ends when the whole backup was read: of one that was cut off nothing is
left. Dialling is paused in every workspace with it, for what waited then may have been dialled since.
"""

import io
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.accounts.secret_key import may_use
from outdial.backup.archive import (
    COLUMNS,
    COMPLETE,
    DATABASE,
    KEY,
    MANIFEST,
    RECORDINGS,
    SEQUENCES,
    SPOOL,
    BackupUnusable,
    Content,
    Manifest,
    Member,
    members,
)
from outdial.backup.rows import Loading, rows_of, take_your_time
from outdial.db.migrate import SchemaError, is_empty, knows_revision, remake, upgrade
from outdial.db.workers_tables import ALIVE
from outdial.policy.pauses import pause_everything
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox, key_file, read_keys, write_keys

AT_ONCE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """`paused`: workspaces; `recordings`: files; `has_key`: this host can read what is encrypted in it."""

    manifest: Manifest
    paused: int
    recordings: int
    has_key: bool


async def restore(
    engine: AsyncEngine, settings: Settings, file: IO[bytes], *, replace: bool, told: Callable[[str], None]
) -> Restored:
    """`replace`: whatever is in the database now. Raises BackupUnusable, SchemaError."""
    reading = members(file)
    manifest = _manifest(reading)
    if not await is_empty(engine):
        await _check_replaceable(engine, replace=replace)
    recordings, keys = 0, None
    async with engine.begin() as conn:
        await take_your_time(conn)
        told("tables")
        await remake(conn, manifest.revision)
        reading = await _load(conn, reading, told)
        for member in reading:
            match member.path:
                case (first, *_) if first in (SPOOL, RECORDINGS):
                    _write(settings.data_dir.joinpath(*member.path), member.content)
                    recordings += first == RECORDINGS
                case (only,) if only == KEY:
                    keys = _new_keys(settings, member.content.read(), replace=replace)
                case (only,) if only == COMPLETE:
                    pass
                case _:
                    raise BackupUnusable(f"this backup has {'/'.join(member.path)[:100]!r}, which isn't known")
        reason = f"Restored from a backup of {manifest.made_at}"
        paused = await pause_everything(conn, reason=reason, by=COMMAND_LINE)
    if keys is not None:  # not before: the data that are replaced may need another one
        write_keys(key_file(settings), keys)
    await upgrade(engine)
    return Restored(
        manifest=manifest, paused=paused, recordings=recordings, has_key=await may_use(engine, settings)
    )


def _manifest(reading: Iterator[Member]) -> Manifest:
    first = next(reading, None)
    if first is None or first.path != (MANIFEST,):
        raise BackupUnusable("this isn't a backup of Outdial")
    manifest = Manifest.parse(first.content.read())
    if not knows_revision(manifest.revision):
        raise BackupUnusable(
            f"this backup was made by Outdial {manifest.version}, which is newer than this one (its tables are at "
            f"{manifest.revision}); restore it by that version or a later one"
        )
    return manifest


async def _check_replaceable(engine: AsyncEngine, *, replace: bool) -> None:
    if not replace:
        raise BackupUnusable(
            "this database isn't empty, and everything in it would be replaced. Back it up, then: "
            "outdial restore FILE --yes-replace; or restore into another OUTDIAL_DATA_DIR or OUTDIAL_DATABASE_URL"
        )
    async with engine.connect() as conn:
        try:
            alive = (await conn.execute(ALIVE)).all()
        except Exception as error:
            raise SchemaError("this database is of an Outdial too old to be replaced; use an empty one") from error
    if alive:
        named = ", ".join(f"{row.id} on {row.host}" for row in alive)
        raise BackupUnusable(f"servers run on this database: {named}. Stop them first")


async def _load(conn: AsyncConnection, reading: Iterator[Member], told: Callable[[str], None]) -> Iterator[Member]:
    """The database's members; those before them, of the spool, are given back together with those that follow."""
    loading, before = Loading(conn), []
    await loading.begin()
    member = next(reading, None)
    while member is not None and member.path[0] == SPOOL:
        before.append(Member(path=member.path, content=_kept(member.content)))
        member = next(reading, None)
    while member is not None and member.path[0] == DATABASE and member.path[1:] != (SEQUENCES,):
        if len(member.path) != 3 or member.path[2] != COLUMNS:
            raise BackupUnusable("this backup has rows without a table")
        rows, following = rows_of(member.path[1], member.content.read()), _Following()
        told(f"table {rows.table}")
        await loading.copy_in(rows, following.parts_of(rows.table, reading))
        member = following.member
    if member is None or member.path != (DATABASE, SEQUENCES):
        raise BackupUnusable("this backup was cut off: it has no end. Nothing was restored")
    await loading.end(json.loads(member.content.read()))
    return chain(before, reading)


class _Following:
    """The parts of a table, and the member after them."""

    def __init__(self) -> None:
        self.member: Member | None = None

    async def parts_of(self, table: str, reading: Iterator[Member]) -> AsyncIterator[bytes]:
        for member in reading:
            if member.path[:2] != (DATABASE, table) or len(member.path) != 3:
                self.member = member
                return
            while part := member.content.read(AT_ONCE_BYTES):
                yield part


def _kept(content: Content) -> Content:
    """What a conversation brought is small: kept until the database's rows are loaded."""
    return Content(io.BytesIO(content.read()))


def _new_keys(settings: Settings, content: bytes, *, replace: bool) -> tuple[str, ...] | None:
    """For the data directory; None where they are known here, by a variable say. Raises BackupUnusable where another
    one is."""
    keys = tuple(content.decode().split("\n")[:-1])
    if SecretBox.is_there(settings):
        if read_keys(settings)[: len(keys)] == keys:
            return None
        if settings.secret_key is not None:
            raise BackupUnusable("OUTDIAL_SECRET_KEY is another key than the backup's: unset it. Nothing was restored")
        if not replace:
            raise BackupUnusable(
                f"{key_file(settings).absolute()} is another key than the backup's: move it away, or --yes-replace. "
                "Nothing was restored"
            )
    return keys


def _write(path: Path, content: Content) -> None:
    """Whole or not at all; its owner's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while part_of_it := content.read(AT_ONCE_BYTES):
            file.write(part_of_it)
    part.replace(path)
