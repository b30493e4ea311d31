"""outdial secrets: what agents' tools send along, and nobody is shown again."""

import sys
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.secret_use import agents_by_secret
from outdial.cli.database import Workspace, the_box, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, show, show_rows
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.refusals import Invalid
from outdial.secrets import store
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("Secrets, which agents' tools send along.")

Name = Annotated[str, typer.Argument(help="A small letter, then small letters, digits and _.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Also one that agents name.")]


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The secrets of a workspace, without their values."""

    async def work(engine: AsyncEngine, settings: Settings) -> list[dict[str, Any]]:
        workspace_id = await the_workspace(engine, workspace)
        box = await the_box(engine, settings)
        async with reading(engine) as conn:
            users = await agents_by_secret(conn, workspace_id)
            found = await store.list_secrets(conn, box, workspace_id)
        return [{**one, "used_by": [agent["name"] for agent in users.get(one["name"], [])]} for one in found]

    rows = with_database(work)
    if not json:
        rows = [
            row | {"hosts": ", ".join(row["hosts"] or []) or "any", "used_by": ", ".join(row["used_by"]) or None}
            for row in rows
        ]
    show_rows(
        rows,
        ["name", "hosts", "set_at", "set_by.name", "readable", "used_by"],
        as_json=json,
        empty="No secret yet; set one: outdial secrets set NAME",
    )


@app.command("set")
def set_(
    name: Name,
    host: Annotated[
        list[str] | None,
        typer.Option(help="The only host it may be sent to; may be repeated. Default: any.", show_default=False),
    ] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Set or replace one. Its value is asked for, or read from stdin.

    Never an argument: those are seen by every user of the machine.
    """
    value = _value()
    new = store.NewSecret(value=value, hosts=tuple(host) if host else None)

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[store.SecretView, bool]:
        workspace_id = await the_workspace(engine, workspace)
        box = await the_box(engine, settings)
        try:
            return await store.put(engine, box, workspace_id, name, new, by=COMMAND_LINE)
        except Invalid as error:
            raise CommandFailed(f"the {error.field} {error.message}") from None

    view, is_new = with_database(work)
    shown = {"name": view["name"], "hosts": view["hosts"] if json else ", ".join(view["hosts"] or []) or "any"}
    show(
        {**view, "added": is_new} if json else shown,
        as_json=json,
        done="Secret set. It can't be shown again." if is_new else "Secret replaced.",
    )


@app.command()
def remove(name: Name, yes: Yes = False, workspace: Workspace = None, json: AsJson = False) -> None:
    """Remove one. The tools of agents that name it fail from then on."""

    async def work(engine: AsyncEngine, settings: Settings) -> store.SecretView:
        workspace_id = await the_workspace(engine, workspace)
        async with reading(engine) as conn:
            users = (await agents_by_secret(conn, workspace_id)).get(name, [])
        if users and not yes:
            named = ", ".join(agent["name"] for agent in users)
            raise CommandFailed(
                f"tools of these agents send it along, and would fail: {named}. "
                f"To go on: outdial secrets remove {name} --yes"
            )
        return await store.remove(
            engine, await the_box(engine, settings), workspace_id, name, by=COMMAND_LINE
        )

    gone = with_database(work)
    show(gone if json else {"name": gone["name"]}, as_json=json, done="Secret removed.")


def _value() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Value", hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")
