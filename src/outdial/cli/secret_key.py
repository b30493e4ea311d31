"""outdial secret-key: the key that carrier credentials are encrypted with, and another one in its place."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts import secret_key_rotation
from outdial.accounts.secret_key import forget_secret_key
from outdial.accounts.secret_key_rotation import KeyStatus, RotationRefused, key_status
from outdial.cli.database import the_target, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.next_steps import command, next_steps
from outdial.cli.output import AsJson, console, print_json, progress, show_rows
from outdial.cli.verbs import verbs
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox, add_key, key_file, read_keys, write_keys

app = verbs("The key that credentials are encrypted with.")

Yes = Annotated[bool, typer.Option("--yes", help="Needed: what is encrypted stays unreadable.")]
EVERYWHERE = "Give every host both keys and start their servers again, one after the other; then: "
IN_VARIABLE = (
    "the secret key is in OUTDIAL_SECRET_KEY. On every host put it into OUTDIAL_OLD_SECRET_KEY and a new one into "
    "OUTDIAL_SECRET_KEY (openssl rand -base64 32 makes one), and start the servers again, one after the other"
)
TOLD_EVERY = 500


@app.command()
def status(json: AsJson = False) -> None:
    """How much is encrypted with which key. Shows no key."""

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[KeyStatus, int]:
        box = _box(settings)
        return await key_status(engine, box), len(box.key_ids)

    found, keys = with_database(work)
    if json:
        print_json(_told(found, keys))
        return
    show_rows(_rows(found), ["encrypted", "newest_key", "older_key", "unreadable"], as_json=False, empty="")
    _next(found, keys)


@app.command()
def new() -> None:
    """Make a new key beside the one in the data directory.

    Nothing is encrypted with it before: outdial secret-key rotate
    """
    settings = the_target().settings
    path = key_file(settings)
    if settings.secret_key is not None:
        raise CommandFailed(IN_VARIABLE)
    _check_there(settings)
    if len(read_keys(settings)) > 1:
        raise CommandFailed("there are two keys already; see: outdial secret-key status")
    add_key(settings)
    console.print(f"A new key is in {path.absolute()}, above the old one.", soft_wrap=True)
    console.print(f"{EVERYWHERE}outdial secret-key rotate", soft_wrap=True)


@app.command()
def rotate(json: AsJson = False) -> None:
    """Encrypt everything with the newest key, while servers run.

    Every host has both keys before: see docs/operate.md. May be stopped and done again.
    """

    def told(done: int) -> None:
        if done % TOLD_EVERY == 0:
            progress.print(f"{done} encrypted anew")

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[KeyStatus, int]:
        box = _box(settings)
        try:
            return await secret_key_rotation.rotate(engine, box, told), len(box.key_ids)
        except RotationRefused as error:
            raise CommandFailed(str(error)) from error

    found, keys = with_database(work)
    if json:
        print_json(_told(found, keys))
        return
    if found.older:
        console.print(f"{found.older} were encrypted with the old key meanwhile. Once more: outdial secret-key rotate")
        raise typer.Exit(1)
    console.print("Everything is encrypted with the new key.", style="green")
    _next(found, keys)


@app.command("drop-old")
def drop_old() -> None:
    """Forget the old key in the data directory.

    Refused while something is encrypted with it.
    """
    target = the_target()
    settings = target.settings
    if settings.secret_key is not None or settings.old_secret_key is not None:
        raise CommandFailed("the old key is in OUTDIAL_OLD_SECRET_KEY: unset it on every host")
    _check_there(settings)
    keys = read_keys(settings)
    if len(keys) == 1:
        raise CommandFailed("there is no old key here")

    async def work(engine: AsyncEngine, _: Settings) -> KeyStatus:
        return await key_status(engine, _box(settings))

    found = with_database(work, target)
    if found.older or not found.is_newest:
        raise CommandFailed(f"the old key is needed for {found.older} yet: outdial secret-key rotate")
    write_keys(key_file(settings), keys[:1])
    console.print("The old key is forgotten. Start the servers again, one after the other.")


@app.command()
def forget(yes: Yes = False) -> None:
    """Give a lost key up for that of the next server.

    The next server that starts makes its own key the database's. The credentials of carrier accounts and the secrets of
    workspaces can't be read any more then: give them anew, with outdial accounts change and outdial secrets set.
    """
    if not yes:
        raise CommandFailed(
            "the credentials of all carrier accounts will have to be given anew; "
            "to go on: outdial secret-key forget --yes"
        )

    async def work(engine: AsyncEngine, _: Settings) -> bool:
        return await forget_secret_key(engine)

    with_database(work)
    console.print(
        "Forgotten. Start outdial serve with the key that is to hold from now on, then give the credentials anew: "
        "outdial accounts list, outdial accounts change ID -c name=value; outdial secrets list, outdial secrets set "
        "NAME"
    )


def _box(settings: Settings) -> SecretBox:
    """Raises CommandFailed where there is no key: none is to be made."""
    _check_there(settings)
    return SecretBox.from_settings(settings)


def _check_there(settings: Settings) -> None:
    if not SecretBox.is_there(settings):
        raise CommandFailed(f"there is no secret key: no OUTDIAL_SECRET_KEY, and no {key_file(settings).absolute()}")


def _rows(found: KeyStatus) -> list[Mapping[str, Any]]:
    return [
        {"encrypted": what, "newest_key": count.newest, "older_key": count.older, "unreadable": count.unreadable}
        for what, count in found.counts.items()
    ]


def _told(found: KeyStatus, keys: int) -> Mapping[str, Any]:
    return {
        "keys": keys,
        "newest_in_use": found.is_newest,
        "older": found.older,
        "unreadable": found.unreadable,
        "workers_without": list(found.without),
        "encrypted": _rows(found),
    }


def _next(found: KeyStatus, keys: int) -> None:
    if found.unreadable:
        console.print(
            f"{found.unreadable} can't be read with any key here. Give them anew: outdial accounts change, "
            "outdial secrets set, outdial webhooks rotate-secret",
            soft_wrap=True,
        )
    if keys == 1:
        console.print("There is one key. For another one in its place: outdial secret-key new", soft_wrap=True)
    elif not found.is_newest and found.without:
        console.print(f"Without the new key yet: {', '.join(found.without)}", markup=False, soft_wrap=True)
        console.print(f"{EVERYWHERE}outdial secret-key rotate", soft_wrap=True)
    elif found.older or not found.is_newest:
        next_steps(command("secret-key", "rotate"))
    else:
        console.print(
            "The old key isn't needed any more. Where it is in the data directory: outdial secret-key drop-old; where "
            "it is in OUTDIAL_OLD_SECRET_KEY: unset that. Then start the servers again, one after the other.",
            soft_wrap=True,
        )
