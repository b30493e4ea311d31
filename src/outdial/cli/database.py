"""The database for commands that change it themselves, whether a server runs or not. Only `with_new_database`
makes one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.secret_key import AnotherSecretKey, may_use
from outdial.cli.configuration import load_settings
from outdial.cli.failures import CommandFailed
from outdial.cli.output import progress
from outdial.cli.target import Target, find_target
from outdial.db.made import is_made
from outdial.db.running import existing_engine, running_engine
from outdial.lines.workspace_pools import list_workspaces
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox

T = TypeVar("T")
Work = Callable[[AsyncEngine, Settings], Awaitable[T]]

Workspace = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Its id; may be left out when there is only one.")
]


def the_target(*, addresses: bool = False) -> Target:
    """Where there is a database. `addresses`: people or carriers are to be told where its server is reached.

    Raises CommandFailed where there is none.
    """
    target = _target()
    target.check_database()
    if addresses and not target.knows_its_address:
        progress.print(
            f"No server runs on these data: {target.settings.base_url} is taken for its address. "
            "If it has another one, set OUTDIAL_PUBLIC_URL.",
            soft_wrap=True,
        )
    return target


def with_database(work: Work[T], target: Target | None = None) -> T:
    """Run `work` on the database that is meant (default: `the_target`), as a whole program.

    Raises SchemaError for a database that a server has yet to bring up to date.
    """
    return _run(work, (target or the_target()).settings, existing_engine)


def with_new_database(work: Work[T]) -> T:
    """The same, where there need not be a database yet: it is made, or brought up to date."""
    target = _target()
    if not is_made(target.settings):
        progress.print(f"A database is made in {target.settings.data_dir.absolute()}", markup=False, soft_wrap=True)
    return _run(work, target.settings, existing_engine if target.server else running_engine)


def _target() -> Target:
    target = find_target(load_settings())
    target.tell()
    return target


def _run(
    work: Work[T], settings: Settings, opened: Callable[[Settings], AbstractAsyncContextManager[AsyncEngine]]
) -> T:
    async def run() -> T:
        async with opened(settings) as engine:
            return await work(engine, settings)

    return asyncio.run(run())


async def the_workspace(engine: AsyncEngine, given: str | None) -> str:
    """The id that was given, else that of the only workspace."""
    async with engine.connect() as conn:
        known = await list_workspaces(conn)
    if given is not None:
        if given not in {workspace["id"] for workspace in known}:
            raise CommandFailed(f"there is no workspace {given}; see: outdial workspaces list")
        return given
    match known:
        case [only]:
            return only["id"]
        case []:
            raise CommandFailed("there is no workspace yet; make one: outdial workspaces create NAME")
    raise CommandFailed("there are several workspaces; say which: --workspace ID (see: outdial workspaces list)")


async def the_box(engine: AsyncEngine, settings: Settings) -> SecretBox:
    """For secrets that a command stores or shows. Raises AnotherSecretKey where no server could read what it
    encrypts."""
    if not await may_use(engine, settings):
        raise AnotherSecretKey
    return SecretBox.from_settings(settings)
