"""outdial speech: the vendors whose voice and recognition agents may have, and whether their keys work."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.own_speech import SpeechVendors
from outdial.agents.speech_check import VendorCheck, VendorPart, check_vendor, list_vendors
from outdial.agents.tools.access import kept_secrets
from outdial.cli.database import Workspace, the_box, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, show, show_rows
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.refusals import Invalid, NotFound
from outdial.secrets.store import names
from outdial.settings import Settings

app = verbs("Vendors of speech, and their keys.")

Name = Annotated[str, typer.Argument(help="Such as deepgram.", show_default=False)]
ThePart = Annotated[
    VendorPart | None, typer.Option("--part", help="Default: recognition, where it has that.", show_default=False)
]
Voice = Annotated[str | None, typer.Option(help="Default: one that all its customers have.", show_default=False)]
Model = Annotated[str | None, typer.Option(help="Default: the first that is known.", show_default=False)]


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The vendors there are, and whether each has a key."""

    async def work(engine: AsyncEngine, settings: Settings) -> list[dict[str, Any]]:
        workspace_id = await the_workspace(engine, workspace)
        vendors = await _vendors(engine, settings)
        async with reading(engine) as conn:
            known = await names(conn, workspace_id)
        return [dict(one) for one in list_vendors(known, vendors)]

    columns = ["name", "recognition", "voice", "realtime", "secret", "has_key"]
    show_rows(with_database(work), columns, as_json=json, empty="No vendor.")


@app.command()
def check(
    vendor: Name,
    part: ThePart = None,
    model: Model = None,
    voice: Voice = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Open a session as a call does, and close it: whether the key works. A voice says one word."""

    async def work(engine: AsyncEngine, settings: Settings) -> VendorCheck:
        workspace_id = await the_workspace(engine, workspace)
        try:
            vendors = await _vendors(engine, settings)
            return await check_vendor(vendors, workspace_id, vendor, part=part, model=model, voice=voice)
        except Invalid as error:
            raise CommandFailed(f"the {error.field} {error.message}") from None
        except NotFound as error:
            raise CommandFailed(error.message) from None

    found = with_database(work)
    what = f"{vendor} ({found['part']})"
    done = f"{what} takes calls." if found["works"] else f"{what} takes no calls: {found['fault']}."
    show(dict(found), as_json=json, done=done)
    if not found["works"]:
        raise typer.Exit(1)


async def _vendors(engine: AsyncEngine, settings: Settings) -> SpeechVendors:
    box = await the_box(engine, settings)
    return SpeechVendors(settings.speech_servers, kept_secrets(engine, box))
