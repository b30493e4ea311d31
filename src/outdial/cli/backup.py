"""outdial backup: everything of a server in one file."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.backup.archive import writing
from outdial.backup.make import Wanted, make_backup
from outdial.cli.database import with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import progress
from outdial.cli.verbs import verbs
from outdial.recordings.errors import StoreUnreachable
from outdial.settings import Settings

app = verbs()

TELL_EVERY_S = 5.0
KEY_APART = (
    "The secret key is not in it: without the key nobody reads its carrier credentials and secrets. Keep a copy of "
    "<data dir>/secret_key, or of OUTDIAL_SECRET_KEY, in another place than this file."
)
KEY_IN_IT = "The secret key is in it: whoever has this file can call with your carrier accounts. Keep it closed."


@app.command()
def backup(
    file: Annotated[str, typer.Argument(help="Where to; - for stdout.", show_default=False)],
    with_key: Annotated[bool, typer.Option("--with-key", help="The secret key, too.")] = False,
    with_recordings: Annotated[
        bool, typer.Option("--with-recordings", help="Also recordings that are in the store.")
    ] = False,
) -> None:
    """Write everything into one file, while servers run.

    The database as it is at one instant, recordings in the data directory, and what conversations there have yet to
    bring into the database. On several hosts: on each that has recordings of its own.
    """

    async def work(engine: AsyncEngine, settings: Settings) -> None:
        with _output(file) as out, writing(out) as archive:
            wanted = Wanted(key=with_key, recordings_of_store=with_recordings)
            try:
                await make_backup(engine, settings, archive, wanted, _Telling())
            except StoreUnreachable as error:
                raise CommandFailed(f"the store of recordings can't be read: {error}") from error
        if settings.store_url is not None and not with_recordings:
            progress.print(f"Recordings in the store aren't in it: {settings.store_url}", markup=False)

    with_database(work)
    progress.print("Backup complete." + ("" if file == "-" else f" {file}"), markup=False, soft_wrap=True)
    progress.print(KEY_IN_IT if with_key else KEY_APART, markup=False, soft_wrap=True)


@contextmanager
def _output(file: str) -> Iterator[IO[bytes]]:
    """A file is there whole or not at all, and its owner's alone."""
    if file == "-":
        if sys.stdout.isatty():
            raise CommandFailed("a backup is no text for a terminal: outdial backup - > FILE")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    if path.exists():
        raise CommandFailed(f"{path} is there already")
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class _Telling:
    """What is being written, every few seconds."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def __call__(self, what: str, size: int) -> None:
        if time.monotonic() - self._told_at > TELL_EVERY_S:
            self._told_at = time.monotonic()
            progress.print(f"{size / 1e6:,.0f} MB, {what}", markup=False)
