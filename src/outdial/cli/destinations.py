"""outdial destinations: where a workspace's calls may go."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, progress, show, show_rows
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.policy import destinations
from outdial.policy.destination_match import parse_destination
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("Where a workspace's calls may go.")


def _parsed(text: str) -> str:
    try:
        return parse_destination(text)
    except ValueError as error:
        raise CommandFailed(f"the destination {error}") from None


Destination = Annotated[
    str, typer.Argument(help="A country (DE) or a prefix of numbers (+4930).", show_default=False)
]


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The countries and prefixes that may be called. Calls to any other number are refused."""

    async def work(engine: AsyncEngine, _: Settings) -> list[destinations.DestinationView]:
        workspace_id = await the_workspace(engine, workspace)
        async with reading(engine) as conn:
            return await destinations.list_destinations(conn, workspace_id)

    show_rows(
        with_database(work),
        ["destination", "calling_code", "special", "source", "only_account", "created_at"],
        as_json=json,
        empty="Nothing may be called yet. A number that is connected brings its country; others: outdial destinations "
        "allow DE",
    )


@app.command()
def allow(destination: Destination, workspace: Workspace = None, json: AsJson = False) -> None:
    """Let calls go to a country or a prefix. Premium, shared-cost and satellite numbers only by a prefix of theirs."""
    parsed = _parsed(destination)

    async def work(engine: AsyncEngine, _: Settings) -> dict[str, Any]:
        workspace_id = await the_workspace(engine, workspace)
        view, is_new = await destinations.allow(
            engine, workspace_id, parsed, source=destinations.DestinationSource.CLI, by=COMMAND_LINE
        )
        return {**view, "added": is_new}

    allowed = with_database(work)
    if allowed["warning"] is not None:
        progress.print(allowed["warning"], markup=False, soft_wrap=True)
    show(allowed, as_json=json, done="It may be called." if allowed["added"] else "It was allowed already.")


@app.command()
def remove(destination: Destination, workspace: Workspace = None, json: AsJson = False) -> None:
    """Let no more calls go there. Those that wait are canceled when they are due."""
    parsed = _parsed(destination)

    async def work(engine: AsyncEngine, _: Settings) -> destinations.DestinationView:
        workspace_id = await the_workspace(engine, workspace)
        return await destinations.take_away(engine, workspace_id, parsed, by=COMMAND_LINE)

    show(with_database(work), as_json=json, done="Taken away. Calls there are refused.")
