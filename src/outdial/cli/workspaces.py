"""outdial workspaces: who owns numbers, agents, keys and a pool of lines."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.database import with_database, with_new_database
from outdial.cli.failures import CommandFailed
from outdial.cli.next_steps import command, next_steps
from outdial.cli.output import AsJson, show, show_change, show_rows
from outdial.cli.verbs import verbs
from outdial.lines import workspace_pools
from outdial.policy.daily_limit import MAX_LIMIT, change_daily_limit, get_daily_limit
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.plans import Plan

app = verbs("Workspaces, their plans and lines.")

MaxCalls = Annotated[str | None, typer.Option("--daily-limit", help="Calls a day (UTC), a number or: none.")]
Lines = Annotated[int | None, typer.Option(help="Calls at the same time, instead of the plan's number.")]


@app.command("list")
def list_(json: AsJson = False) -> None:
    """All workspaces, and how busy their lines are."""

    async def work(engine: AsyncEngine, _: Settings) -> list[workspace_pools.WorkspaceView]:
        async with engine.connect() as conn:
            return await workspace_pools.list_workspaces(conn)

    show_rows(
        with_database(work),
        ["id", "name", "plan", "pool.lines", "pool.used_outbound", "pool.used_inbound", "pool.queued"],
        as_json=json,
        empty="No workspace yet; make one: outdial workspaces create NAME",
    )


@app.command()
def create(
    name: str,
    plan: Annotated[Plan, typer.Option(help="How many calls at the same time.")] = Plan.STARTER,
    lines: Lines = None,
    json: AsJson = False,
) -> None:
    """Make a workspace."""

    async def work(engine: AsyncEngine, _: Settings) -> workspace_pools.WorkspaceView:
        return await workspace_pools.create_workspace(engine, name=name, plan=plan, lines=lines)

    made = with_new_database(work)
    show(made, as_json=json, done="Workspace made.")
    if not json:
        where = ("--workspace", made["id"])
        next_steps(
            command("members", "invite", "you@example.com", "--role", "operator", *where),
            command("keys", "create", "laptop", "--scope", "place_calls", *where),
        )


@app.command()
def change(
    workspace_id: str,
    plan: Annotated[Plan | None, typer.Option(help="A preset of lines.")] = None,
    lines: Lines = None,
    reserved_inbound: Annotated[int | None, typer.Option(help="Lines kept free for inbound calls.")] = None,
    daily_limit: MaxCalls = None,
    json: AsJson = False,
) -> None:
    """Change a workspace's plan, lines, reserve or daily limit."""
    limit = None if daily_limit is None else _limit(daily_limit)

    async def work(engine: AsyncEngine, _: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
        before = await _workspace(engine, workspace_id)
        if daily_limit is not None:
            await change_daily_limit(engine, workspace_id, limit, by=COMMAND_LINE)
        await workspace_pools.change_plan(
            engine, workspace_id, plan=plan, lines=lines, reserved_inbound=reserved_inbound, by=COMMAND_LINE
        )
        return before, await _workspace(engine, workspace_id)

    before, changed = with_database(work)
    names = ["plan", "pool.lines", "pool.reserved_inbound", "daily_limit"]
    show_change(before, changed, names, as_json=json, done="Workspace changed.")


async def _workspace(engine: AsyncEngine, workspace_id: str) -> dict[str, Any]:
    async with engine.connect() as conn:
        found = await workspace_pools.get_workspace(conn, workspace_id)
        calls = (await get_daily_limit(conn, workspace_id))["calls"]
    return {**found, "daily_limit": "none" if calls is None else calls}


def _limit(text: str) -> int | None:
    """None: no limit."""
    if text.strip().lower() == "none":
        return None
    if text.isascii() and text.isdigit() and int(text) <= MAX_LIMIT:
        return int(text)
    raise CommandFailed("the daily limit must be a number of calls, or: none")
