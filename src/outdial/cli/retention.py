"""outdial retention: how long what grows without end is kept, and clearing it now."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.output import AsJson, console, print_json, show, show_rows
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.instants import to_json
from outdial.retention.kept import kept
from outdial.retention.rules import (
    MAX_DAYS,
    Days,
    RuleView,
    read_rules,
    retention_view,
    set_days,
    undo,
    workspaces_with_rules,
)
from outdial.retention.run import last_run, run_retention, would_go
from outdial.retention.too_old import count_too_old
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("How long calls, and what else grows, are kept.")

_RULE = ["workspace", "agent", "recordings_days", "transcripts_days", "details_days", "callbacks_days", "applies_at"]
_Days = Annotated[int | None, typer.Option(min=0, max=MAX_DAYS, help="After a call's end; 0: for ever.")]
_Agent = Annotated[str | None, typer.Option(help="Of this agent's calls alone, by its id.")]


class _Shown(TypedDict):
    kept: list[dict[str, Any]]
    last_run: dict[str, Any] | None
    rules: list[dict[str, Any]]


@app.command("show")
def show_(json: AsJson = False) -> None:
    """What is cleared, after how long, and when that was done last. A running server does it every hour."""

    async def work(engine: AsyncEngine, settings: Settings) -> _Shown:
        async with reading(engine) as conn:
            run = await last_run(conn)
            rules = [each for one in await workspaces_with_rules(conn) for each in await _rules_of(conn, one)]
        rows = [
            {
                "table": each.name,
                "kept_days": None if each.kept_for is None else round(each.kept_for.total_seconds() / 86_400, 2),
                "setting": each.variable,
                "removed_last": None if run is None else run.removed.get(each.name),
            }
            for each in kept(settings)
        ]
        told = None if run is None else {"finished_at": to_json(run.finished_at), "removed": run.removed}
        return _Shown(kept=rows, last_run=told, rules=rules)

    shown = with_database(work)
    if json:
        print_json(shown)
        return
    rows, run = shown["kept"], shown["last_run"]
    show_rows(shown["rules"], _RULE, as_json=False, empty="Every workspace keeps its calls whole, for ever.")
    words = [{**row, "kept_days": "for ever" if row["kept_days"] is None else row["kept_days"]} for row in rows]
    show_rows(words, ["table", "kept_days", "setting", "removed_last"], as_json=False, empty="")
    console.print("It has not been cleared yet." if run is None else f"Cleared last: {run['finished_at']}")


@app.command()
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go. Changes nothing.")] = False,
    json: AsJson = False,
) -> None:
    """Clear now what is older than it is to be kept.

    A running server does it every hour.
    """

    async def work(engine: AsyncEngine, settings: Settings) -> Mapping[str, int]:
        return await (would_go if dry_run else run_retention)(engine, settings)

    rows = with_database(work)
    if json:
        print_json(rows)
        return
    column = "would_go" if dry_run else "removed"
    show_rows([{"table": name, column: number} for name, number in rows.items()], ["table", column], as_json=False,
              empty="Everything is kept for ever.")


@app.command("set")
def set_(
    recordings: _Days = None,
    transcripts: _Days = None,
    details: _Days = None,
    callbacks: _Days = None,
    agent: _Agent = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go. Changes nothing.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Say how long what calls brought is kept.

    What isn't given stays as it is.

    It takes effect an hour later; until then: outdial retention undo
    """
    given = {
        f"{kind}_days": days
        for kind, days in (
            ("recordings", recordings), ("transcripts", transcripts), ("details", details), ("callbacks", callbacks),
        )
        if days is not None
    }  # fmt: skip

    async def work(engine: AsyncEngine, _: Settings) -> Mapping[str, Any]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            rules = await read_rules(conn, workspace_id)
            own = rules.agents.get(agent or "")
            inherits = Days(recordings_days=None, transcripts_days=None, details_days=None)
            days = rules.workspace.days if agent is None else inherits if own is None else own.days
            wanted = replace(days, **given)
            if dry_run:
                return await count_too_old(conn, rules.after(agent, wanted))
        view = await set_days(engine, workspace_id, agent, wanted, by=COMMAND_LINE)
        return _of(view["workspace"], "") if agent is None else _of(_own(view["agents"], agent), agent)

    done = "Would be erased, of so many calls:" if dry_run else "Saved."
    show(with_database(work), as_json=json, done=done)


@app.command("undo")
def undo_(agent: _Agent = None, workspace: Workspace = None, json: AsJson = False) -> None:
    """Take back the last change, as long as no run has gone by it."""

    async def work(engine: AsyncEngine, _: Settings) -> Mapping[str, Any]:
        workspace_id = await the_workspace(engine, workspace)
        view = await undo(engine, workspace_id, agent, by=COMMAND_LINE)
        return _of(view["workspace"], "") if agent is None else _of(_own(view["agents"], agent), agent)

    show(with_database(work), as_json=json, done="It is as it was before.")


async def _rules_of(conn: AsyncConnection, workspace_id: str) -> list[dict[str, Any]]:
    view = await retention_view(conn, workspace_id)
    of_agents = [_of(rule, rule["agent_id"]) for rule in view["agents"]]
    return [{"workspace": workspace_id, **each} for each in (_of(view["workspace"], ""), *of_agents)]


def _of(rule: RuleView, agent_id: str) -> dict[str, Any]:
    shown = {name: value for name, value in rule.items() if name not in ("before", "agent_id", "agent_name")}
    return {"agent": agent_id or None, **shown}


def _own(rules: list[Any], agent_id: str) -> Any:
    return next(rule for rule in rules if rule["agent_id"] == agent_id)
