"""outdial retention: how long what grows without end is kept, and clearing it now."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.database import with_database
from outdial.cli.output import AsJson, console, print_json, show_rows
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.instants import to_json
from outdial.retention.kept import kept
from outdial.retention.run import last_run, run_retention, would_go
from outdial.settings import Settings

app = verbs("How long what grows without end is kept.")


@app.command()
def show(json: AsJson = False) -> None:
    """What is cleared, after how long, and when that was done last. A running server does it every hour."""

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        async with reading(engine) as conn:
            run = await last_run(conn)
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
        return rows, told

    rows, run = with_database(work)
    if json:
        print_json({"kept": rows, "last_run": run})
        return
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
