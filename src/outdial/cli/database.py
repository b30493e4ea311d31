"""The database for commands that change it themselves, without a running server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.configuration import load_settings
from outdial.cli.failures import CommandFailed
from outdial.db.running import running_engine
from outdial.lines.workspace_pools import list_workspaces
from outdial.settings import Settings

T = TypeVar("T")
Work = Callable[[AsyncEngine, Settings], Awaitable[T]]

Workspace = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Its id; may be left out when there is only one.")
]


def with_database(work: Work[T], settings: Settings | None = None) -> T:
    """Run `work` on the database of the settings (default: this process's), as a whole program."""
    settings = settings or load_settings()

    async def run() -> T:
        async with running_engine(settings) as engine:
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
