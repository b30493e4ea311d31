"""outdial restore: a backup brought back."""

import asyncio
import sys
import time
from contextlib import nullcontext
from typing import IO, Annotated

import typer

from outdial.backup.archive import BackupUnusable
from outdial.backup.restore import Restored, restore
from outdial.cli.configuration import load_settings
from outdial.cli.failures import CommandFailed
from outdial.cli.next_steps import command, next_steps
from outdial.cli.output import console, progress
from outdial.cli.target import find_target
from outdial.cli.verbs import verbs
from outdial.db.engine import create_engine, put_away
from outdial.db.running import running_url
from outdial.settings import Settings

app = verbs()

TELL_EVERY_S = 5.0
NO_KEY = (
    "The secret key that its credentials are encrypted with isn't here. Put it back before a server starts: "
    "OUTDIAL_SECRET_KEY, or <data dir>/secret_key."
)
PAUSED = (
    "Dialling is paused in every workspace: what waited then may have been dialled since. Compare it with the "
    "carrier's list, cancel what must not be dialled again (outdial calls cancel-waiting), then outdial resume."
)


@app.command("restore")
def restore_(
    file: Annotated[str, typer.Argument(help="The backup; - for stdin.", show_default=False)],
    yes_replace: Annotated[
        bool, typer.Option("--yes-replace", help="In the place of everything that is in the database.")
    ] = False,
) -> None:
    """Bring a backup back, into an empty database. No server may run on it.

    Dialling is paused afterwards, until: outdial resume
    """
    target = find_target(load_settings())
    if target.server is not None:
        raise CommandFailed(f"a server runs here: {target.server.url}. Stop it first")
    with nullcontext(sys.stdin.buffer) if file == "-" else open(file, "rb") as content:
        done = asyncio.run(_restore(target.settings, content, replace=yes_replace))
    made = f"Outdial {done.manifest.version} at {done.manifest.made_at}"
    console.print(f"Restored: a backup by {made}, with {done.recordings} recordings.", style="green", markup=False)
    if done.manifest.store is not None:
        console.print(f"Other recordings are where they were: {done.manifest.store}", markup=False, soft_wrap=True)
    if not done.has_key:
        console.print(NO_KEY, markup=False, soft_wrap=True)
    console.print(PAUSED, soft_wrap=True)
    next_steps(command("doctor"), command("serve"), command("calls", "cancel-waiting", "--dry-run"), command("resume"))


async def _restore(settings: Settings, content: IO[bytes], *, replace: bool) -> Restored:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    told_at = time.monotonic()

    def told(what: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > TELL_EVERY_S:
            told_at = time.monotonic()
            progress.print(what, markup=False)

    async with running_url(settings) as url:
        engine = create_engine(url)
        try:
            return await restore(engine, settings, content, replace=replace, told=told)
        except BackupUnusable as error:
            raise CommandFailed(str(error)) from error
        finally:
            await put_away(engine)
