"""outdial workspaces: who owns numbers, agents, keys and a pool of lines."""

from decimal import Decimal, InvalidOperation
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
from outdial.policy.spending import MAX_DOLLARS, MAX_TOKENS, change_spend_limit, get_spend_limit
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.plans import Plan

app = verbs("Workspaces, their plans and lines.")

MaxCalls = Annotated[str | None, typer.Option("--daily-limit", help="Calls a day (UTC), a number or: none.")]
MaxDollars = Annotated[
    str | None, typer.Option("--spend-limit", help="Dollars a day (UTC) that models may cost, a number or: none.")
]
MaxTokens = Annotated[
    str | None, typer.Option("--token-limit", help="Tokens a day (UTC) of models, a number or: none.")
]
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
    spend_limit: MaxDollars = None,
    token_limit: MaxTokens = None,
    json: AsJson = False,
) -> None:
    """Change a workspace's plan, lines and daily limits."""
    limit = None if daily_limit is None else _limit(daily_limit)
    spending: dict[str, Decimal | int | None] = {}
    if spend_limit is not None:
        spending["dollars"] = _dollars(spend_limit)
    if token_limit is not None:
        spending["tokens"] = _tokens(token_limit)

    async def work(engine: AsyncEngine, _: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
        before = await _workspace(engine, workspace_id)
        if daily_limit is not None:
            await change_daily_limit(engine, workspace_id, limit, by=COMMAND_LINE)
        if spending:
            await _change_spending(engine, workspace_id, spending)
        await workspace_pools.change_plan(
            engine, workspace_id, plan=plan, lines=lines, reserved_inbound=reserved_inbound, by=COMMAND_LINE
        )
        return before, await _workspace(engine, workspace_id)

    before, changed = with_database(work)
    names = ["plan", "pool.lines", "pool.reserved_inbound", "daily_limit", "spend_limit", "token_limit"]
    show_change(before, changed, names, as_json=json, done="Workspace changed.")


async def _workspace(engine: AsyncEngine, workspace_id: str) -> dict[str, Any]:
    async with engine.connect() as conn:
        found = await workspace_pools.get_workspace(conn, workspace_id)
        calls = (await get_daily_limit(conn, workspace_id))["calls"]
        spend = await get_spend_limit(conn, workspace_id)
    limits = {"daily_limit": calls, "spend_limit": spend["dollars"], "token_limit": spend["tokens"]}
    return {**found, **{name: "none" if limit is None else limit for name, limit in limits.items()}}


async def _change_spending(engine: AsyncEngine, workspace_id: str, given: dict[str, Decimal | int | None]) -> None:
    """What isn't given stays."""
    async with engine.connect() as conn:
        now = await get_spend_limit(conn, workspace_id)
    before = None if now["dollars"] is None else Decimal(str(now["dollars"]))
    dollars, tokens = given.get("dollars", before), given.get("tokens", now["tokens"])
    await change_spend_limit(
        engine,
        workspace_id,
        dollars=None if dollars is None else Decimal(dollars),
        tokens=None if tokens is None else int(tokens),
        by=COMMAND_LINE,
    )


def _limit(text: str) -> int | None:
    """None: no limit."""
    if text.strip().lower() == "none":
        return None
    if text.isascii() and text.isdigit() and int(text) <= MAX_LIMIT:
        return int(text)
    raise CommandFailed("the daily limit must be a number of calls, or: none")


def _dollars(text: str) -> Decimal | None:
    """None: no limit."""
    if text.strip().lower() == "none":
        return None
    try:
        dollars = Decimal(text)
    except InvalidOperation:
        dollars = Decimal("NaN")
    if not dollars.is_finite() or not 0 <= dollars <= MAX_DOLLARS:
        raise CommandFailed("the spend limit must be a number of dollars, or: none")
    return dollars


def _tokens(text: str) -> int | None:
    """None: no limit."""
    if text.strip().lower() == "none":
        return None
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_TOKENS:
        return int(text)
    raise CommandFailed("the token limit must be a number of tokens, or: none")
