"""outdial erase: what is personal in one call, or of one person's number."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.secret_key import AnotherSecretKey, may_use
from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, show
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.policy.erased_entries import Box
from outdial.retention import erase_call, erase_number
from outdial.settings import Settings
from outdial.telephony.e164 import normal_e164
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox

app = verbs("What is personal in calls, erased for good.")


@app.command()
def call(
    call_id: Annotated[str, typer.Argument(help="Of a call that has ended.", show_default=False)],
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Erase all that is personal in one call.

    Number, variables, what was said, recording, and what webhooks were told.
    The call stays, with its times, end and price.
    """

    async def work(engine: AsyncEngine, settings: Settings) -> erase_call.ErasedCall:
        workspace_id, box = await the_workspace(engine, workspace), await box_of(engine, settings)
        return await erase_call.erase_call(engine, box, workspace_id, call_id, by=COMMAND_LINE)

    show(with_database(work), as_json=json, done="Erased.")


@app.command()
def number(
    number: Annotated[str, typer.Argument(help="+15551234567", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what there is. Changes nothing.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Erase all calls from and to a number.

    A do-not-call entry stays, as a keyed hash. Calls that wait for it are canceled.
    """
    try:
        normal = normal_e164(number)
    except ValueError as error:
        raise CommandFailed(f"the number {error}") from None

    async def work(engine: AsyncEngine, settings: Settings) -> Any:
        workspace_id = await the_workspace(engine, workspace)
        if dry_run:
            async with reading(engine) as conn:
                return await erase_number.what_is_there(conn, workspace_id, normal)
        box = await box_of(engine, settings)
        return await erase_number.erase_number(engine, box, workspace_id, normal, by=COMMAND_LINE)

    found = with_database(work)
    if dry_run:
        show(found, as_json=json, done="Nothing was changed.")
        return
    left = "Begun; a running server does the rest." if found["finished_at"] is None else "Erased."
    show(found, as_json=json, done=left)


async def box_of(engine: AsyncEngine, settings: Settings) -> Box:
    """What do-not-call entries are hashed with. Raises AnotherSecretKey where no server could read that."""
    if not await may_use(engine, settings):
        raise AnotherSecretKey
    return lambda: SecretBox.shared(settings)
