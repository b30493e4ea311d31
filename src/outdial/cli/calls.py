"""outdial calls: what waits, and its end."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.cancel_waiting import COUNTED_TO, Canceled, Waiting, cancel_waiting, what_waits
from outdial.calls.wrap_ups import want_again
from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, progress, show
from outdial.cli.pause import Number
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.history.views import get_call
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("Show a call, wrap it up again, cancel those that wait.")


@app.command("show")
def show_(
    call_id: Annotated[str, typer.Argument(show_default=False)], workspace: Workspace = None, json: AsJson = False
) -> None:
    """One call: its state, and what it waits for."""

    async def work(engine: AsyncEngine, settings: Settings) -> dict[str, Any]:
        workspace_id = await the_workspace(engine, workspace)
        async with reading(engine) as conn:
            return dict(await get_call(conn, workspace_id, call_id, base_url=settings.base_url))

    call = with_database(work)
    waiting = call["waiting_for"]
    if json or waiting is None:
        show(call, as_json=json, done=f"Call {call['state']}.")
    else:
        show(call | {f"waiting_{name}": value for name, value in waiting.items()}, as_json=False, done="Call queued.")


@app.command("wrap-up")
def wrap_up(
    call_id: Annotated[str, typer.Argument(show_default=False)], workspace: Workspace = None, json: AsJson = False
) -> None:
    """Make a call's summary, facts and outcome again.

    A server with the role jobs does it.
    """

    async def work(engine: AsyncEngine, _: Settings) -> bool:
        workspace_id = await the_workspace(engine, workspace)
        return await want_again(engine, workspace_id, call_id, by=COMMAND_LINE)

    changed = with_database(work)
    done = "It is being made again." if changed else "It is being made already."
    show({"call_id": call_id, "changed": changed}, as_json=json, done=done)


@app.command("cancel-waiting")
def cancel(
    number: Number = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Cancel every call that waits, for good. Those that are being dialled are left."""

    async def look(engine: AsyncEngine, _: Settings) -> tuple[str, Waiting]:
        workspace_id = await the_workspace(engine, workspace)
        return workspace_id, await what_waits(engine, workspace_id, number)

    workspace_id, seen = with_database(look)
    if dry_run or not seen.waiting:
        show(_told(0, seen), as_json=json, done=_waiting(seen))
        return
    if not yes and not typer.confirm(f"{_waiting(seen)} Cancel them for good?", err=True):
        raise CommandFailed("nothing was canceled")

    async def work(engine: AsyncEngine, _: Settings) -> Canceled:
        canceled = 0
        while True:
            done = await cancel_waiting(
                engine, workspace_id, number, by=COMMAND_LINE, accepted_before=seen.accepted_before
            )
            canceled += done.canceled
            if not done.left.waiting or not done.canceled:
                return Canceled(canceled=canceled, left=done.left)
            progress.print(f"{canceled:,} canceled; going on", markup=False)

    done = with_database(work)
    told = "Waiting calls canceled." if not done.left.waiting else "Not all: somebody else is changing the calls left."
    show(_told(done.canceled, done.left), as_json=json, done=told)


def _waiting(seen: Waiting) -> str:
    more = " or more" if seen.waiting >= COUNTED_TO else ""
    waits = "1 call waits" if seen.waiting == 1 else f"{seen.waiting:,}{more} calls wait"
    return f"{waits}; {seen.being_dialled} being dialled are left alone."


def _told(canceled: int, left: Waiting) -> dict[str, int]:
    return {"canceled": canceled, "waiting": left.waiting, "being_dialled": left.being_dialled}
