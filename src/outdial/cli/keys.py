"""outdial keys: what API users authenticate with."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.output import AsJson, show, show_change, show_rows
from outdial.cli.verbs import verbs
from outdial.cli.way_on import Way, way_on
from outdial.settings import Settings
from outdial.workspaces import api_keys
from outdial.workspaces.access import Scope
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("API keys.")

SCOPES = (
    "What it may do. place_calls: place calls, end them, read and follow the workspace's calls. read: look at "
    "everything. operator: everything but what only people may."
)


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The keys of a workspace, by their first characters."""

    async def work(engine: AsyncEngine, _: Settings) -> list[api_keys.ApiKeyView]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await api_keys.list_api_keys(conn, workspace_id)

    show_rows(
        with_database(work),
        ["id", "name", "scope", "hint", "created_at", "last_used_at", "revoked_at"],
        as_json=json,
        empty="No key yet; make one: outdial keys create NAME",
    )


@app.command()
def create(
    name: str,
    scope: Annotated[Scope, typer.Option(help=SCOPES)] = Scope.OPERATOR,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Make a key. It is shown this once."""

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[api_keys.NewApiKey, Way]:
        workspace_id = await the_workspace(engine, workspace)
        made = await api_keys.create_api_key(engine, workspace_id, name=name, scope=scope, by=COMMAND_LINE)
        if scope is Scope.READ:
            return made, Way(commands=(f'curl {settings.base_url}/v1/calls -H "Authorization: $OUTDIAL_API_KEY"',))
        return made, await way_on(engine, settings, workspace_id, chosen=workspace)

    made, way = with_database(work)
    show(made, as_json=json, done="Key made. Keep it now: it can't be shown again.")
    if not json:
        way.tell(f"export OUTDIAL_API_KEY={made['key']}")


@app.command()
def change(
    key_id: str,
    scope: Annotated[Scope, typer.Option(help=SCOPES)],
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Give a key another scope."""

    async def work(engine: AsyncEngine, _: Settings) -> tuple[dict[str, Any], api_keys.ApiKeyView]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            before = {key["id"]: dict(key) for key in await api_keys.list_api_keys(conn, workspace_id)}
        changed = await api_keys.change_scope(engine, workspace_id, key_id, scope, by=COMMAND_LINE)
        return before.get(key_id, {}), changed

    before, changed = with_database(work)
    done = f"Key {changed['name']} changed. Running servers may take a few seconds."
    show_change(before, changed, ["scope"], as_json=json, done=done)


@app.command()
def revoke(key_id: str, workspace: Workspace = None, json: AsJson = False) -> None:
    """Make a key stop working, for good."""

    async def work(engine: AsyncEngine, _: Settings) -> api_keys.ApiKeyView:
        return await api_keys.revoke_api_key(engine, await the_workspace(engine, workspace), key_id, by=COMMAND_LINE)

    show(with_database(work), as_json=json, done="Key revoked. Running servers may honour it for a few seconds.")
