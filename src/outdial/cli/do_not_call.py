"""outdial do-not-call: the numbers that a workspace doesn't call."""

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.secret_key import may_use
from outdial.calls.do_not_call import ImportReport, import_numbers, list_number
from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, console, print_json, progress, show, show_rows
from outdial.cli.verbs import verbs
from outdial.policy import do_not_call
from outdial.policy.import_file import ImportFile, clean_reason
from outdial.settings import Settings
from outdial.telephony.e164 import normal_e164
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox

app = verbs("The numbers that a workspace doesn't call.")


def _number(text: str) -> str:
    try:
        return normal_e164(text)
    except ValueError as error:
        raise CommandFailed(f"the number {error}") from None


Number = Annotated[str, typer.Argument(help="+15551234567", show_default=False)]


@app.command("list")
def list_(
    number: Annotated[str, typer.Argument(help="How it begins (+1555), or some of its digits.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=do_not_call.MAX_PAGE, help="Newest first, so many.")] = 100,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Who isn't called, and why."""

    async def work(engine: AsyncEngine, _: Settings) -> do_not_call.EntryPage:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await do_not_call.list_entries(conn, workspace_id, number=number, limit=limit)

    found = with_database(work)
    empty = f"No number like {number} is on the list." if number else "No number is on the list."
    show_rows(found["entries"], ["number", "source", "reason", "created_at", "call_id"], as_json=json, empty=empty)
    if found["next_cursor"] is not None and not json:
        progress.print("There are more; the dashboard and the API show all of them.")


@app.command()
def add(
    number: Number,
    reason: Annotated[str, typer.Option(help="For people who read the list.")] = "",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Have a number not called any more. Calls that wait for it are canceled."""
    normal = _number(number)

    async def work(engine: AsyncEngine, _: Settings) -> dict[str, Any]:
        listed = await list_number(
            engine,
            await the_workspace(engine, workspace),
            normal,
            reason=clean_reason(reason),
            source=do_not_call.Source.CLI,
            by=COMMAND_LINE,
        )
        return {**listed.entry, "added": listed.added, "canceled": listed.canceled}

    entry = with_database(work)
    show(entry, as_json=json, done="It isn't called any more." if entry["added"] else "It was on the list already.")


@app.command()
def remove(number: Number, workspace: Workspace = None, json: AsJson = False) -> None:
    """Take a number off the list: it may be called again. The audit log keeps that it was done here."""
    normal = _number(number)

    async def work(engine: AsyncEngine, settings: Settings) -> do_not_call.EntryView:
        workspace_id = await the_workspace(engine, workspace)
        box = SecretBox.shared(settings) if await may_use(engine, settings) else None
        return await do_not_call.remove_entry(engine, workspace_id, normal, by=COMMAND_LINE, box=box)

    show(with_database(work), as_json=json, done="Taken off the list. It may be called again.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: a number a row, a reason beside it if you like.", dir_okay=False)],
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Add all numbers of a CSV file. Rows without a usable number are told, and left out."""

    async def work(engine: AsyncEngine, _: Settings) -> ImportReport:
        workspace_id = await the_workspace(engine, workspace)
        with file.open("rb") as opened:
            return await import_numbers(engine, workspace_id, ImportFile(opened), by=COMMAND_LINE)

    report = with_database(work)
    if json:
        print_json(report)
        return
    for row in report["refused_rows"]:
        progress.print(f"Line {row['line']}: {row['reason']}", markup=False, soft_wrap=True)
    console.print(
        f"{report['added']} added, {report['already_there']} there already, {report['refused']} refused; "
        f"{report['canceled']} waiting calls canceled."
    )

