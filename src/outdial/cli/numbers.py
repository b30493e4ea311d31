"""outdial numbers: phone numbers connected from a carrier account."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.carriers.registry import CARRIERS, carrier_named, default_carrier
from outdial.cli.choosing_number import choose_number
from outdial.cli.connecting import Credentials, connector, read_credentials, simulated_account
from outdial.cli.database import Workspace, the_target, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.next_steps import command
from outdial.cli.output import AsJson, progress, show, show_change, show_rows
from outdial.cli.verbs import verbs
from outdial.cli.way_on import Way, way_on
from outdial.numbers.connecting import NumberCheck, RemovedNumber
from outdial.numbers.new_number import GivenAccount, NewNumber
from outdial.numbers.store import change_number
from outdial.numbers.views import NumberView, get_number, list_numbers
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("Phone numbers.")

COLUMNS = ["id", "e164", "name", "carrier", "direction", "agent.name", "agent.version"]
CHANGEABLE = ["name", "direction", "agent.name", "agent.id", "agent.version"]


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The numbers of a workspace."""

    async def work(engine: AsyncEngine, settings: Settings) -> list[NumberView]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await list_numbers(conn, workspace_id, public_url=settings.base_url)

    show_rows(with_database(work), COLUMNS, as_json=json, empty="No number yet: outdial numbers connect --help")


@app.command()
def connect(
    e164: Annotated[
        str | None, typer.Argument(help="The number: +15551230002. Left out, you choose from the account's.")
    ] = None,
    credential: Credentials = None,
    carrier: Annotated[str, typer.Option(help="The carrier it belongs to.")] = default_carrier().name,
    agent: Annotated[str | None, typer.Option(help="Id of the agent that talks on it.")] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Use the agent's draft instead of what is published.")] = False,
    name: Annotated[str | None, typer.Option(help="A name for people. Default: the number")] = None,
    inbound_only: Annotated[bool, typer.Option("--inbound-only", help="Never dial out from it.")] = False,
    calls_per_second: Annotated[
        float | None, typer.Option(min=0.01, max=1000, help="New calls the carrier account may place a second.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Where the carrier handles the account's calls; its page in docs/ has the names.")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="On the simulator beside the server, with its published credentials.")
    ] = False,
    carrier_url: Annotated[
        str | None, typer.Option(help="Another address of the carrier's API: http://127.0.0.1:8090, the simulator's.")
    ] = None,
    outbound_only: Annotated[
        bool, typer.Option("--outbound-only", help="Change nothing at the carrier: no call to it reaches Outdial.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Don't ask before changing anything at the carrier.")
    ] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Connect a number of a carrier account.

    Says what will change at the carrier, asks, and does it.

    Missing credentials are asked for. To give them, for Twilio:

    \b
      -c account_sid=AC… -c auth_token=@TWILIO_AUTH_TOKEN
    """
    known = carrier_named(carrier)
    if known is None:
        raise CommandFailed(f"there is no carrier {carrier}; known are: {', '.join(CARRIERS)}")
    kind = CARRIERS[known]
    credentials = read_credentials(credential)
    target = the_target(addresses=True)  # before anything is asked
    if simulated:
        if credentials or carrier_url or region:
            raise CommandFailed("--simulated brings its own credentials and address: leave yours out")
        there = simulated_account(kind, target.settings)
        credentials, carrier_url = dict(there.credentials), there.base_url
    for field in kind.credential_fields:
        if field.required and field.name not in credentials:
            credentials[field.name] = typer.prompt(f"{kind.label} {field.label}", hide_input=field.secret, err=True)
    if e164 is None:
        given = GivenAccount(carrier=kind.name, credentials=credentials, region=region, base_url=carrier_url)
        e164 = choose_number(target, workspace, given)

    new = NewNumber(
        carrier=kind.name,
        e164=e164,
        credentials=credentials,
        name=name,
        agent_id=agent,
        agent_version="draft" if draft else "published",
        direction="inbound" if inbound_only else "both",
        configure_carrier=not outbound_only,
        region=region,
        base_url=carrier_url,
        calls_per_second=calls_per_second,
    )

    async def check(engine: AsyncEngine, settings: Settings) -> NumberCheck:
        return await (await connector(engine, settings)).check(await the_workspace(engine, workspace), new)

    if not (yes or outbound_only):
        _ask(kind.label, with_database(check, target))

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[NumberView, Way]:
        workspace_id = await the_workspace(engine, workspace)
        number = await (await connector(engine, settings)).connect(workspace_id, new, by=COMMAND_LINE)
        return number, await way_on(engine, settings, workspace_id, chosen=workspace, number_id=number["id"])

    number, way = with_database(work, target)
    show(number, as_json=json, done="Number connected.")
    if not json:
        way.tell(command("doctor"))


@app.command()
def change(
    number_id: str,
    agent: Annotated[str | None, typer.Option(help="Id of the agent that talks on it.")] = None,
    draft: Annotated[bool | None, typer.Option("--draft/--published", help="Which version of the agent.")] = None,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    inbound_only: Annotated[
        bool | None, typer.Option("--inbound-only/--both", help="Whether it may dial out.")
    ] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Change what is given, leave the rest."""
    changes: dict[str, str] = {}
    if agent is not None:
        changes["agent_id"] = agent
    if draft is not None:
        changes["agent_version"] = "draft" if draft else "published"
    if name is not None:
        changes["name"] = name
    if inbound_only is not None:
        changes["direction"] = "inbound" if inbound_only else "both"

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[NumberView, NumberView, Way]:
        workspace_id = await the_workspace(engine, workspace)
        url = settings.base_url
        async with engine.connect() as conn:
            before = await get_number(conn, workspace_id, number_id, public_url=url)
        number = await change_number(engine, workspace_id, number_id, changes, public_url=url, by=COMMAND_LINE)
        way = await way_on(engine, settings, workspace_id, chosen=workspace, number_id=number["id"])
        return before, number, way

    before, number, way = with_database(work)
    show_change(before, number, CHANGEABLE, as_json=json, done="Number changed.")
    if not json and number["outbound_url"] is not None:
        way.tell()


@app.command()
def remove(
    number_id: str,
    leave_carrier: Annotated[
        bool, typer.Option("--leave-carrier", help="Don't put the carrier's settings back as they were.")
    ] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Disconnect a number, at the carrier too. Its calls stay; credentials go with their account's last number."""

    async def work(engine: AsyncEngine, settings: Settings) -> RemovedNumber:
        workspace_id = await the_workspace(engine, workspace)
        return await (await connector(engine, settings, stores=False)).remove(
            workspace_id, number_id, configure_carrier=not leave_carrier, by=COMMAND_LINE
        )

    show(with_database(work), as_json=json, done="Number disconnected.")


def _ask(carrier: str, check: NumberCheck) -> None:
    """Have the user agree to what will change; raises CommandFailed when it can't be done."""
    if check["problems"]:
        raise CommandFailed(" ".join(problem["message"] for problem in check["problems"]))
    progress.print(f"Calls to {check['e164']} are answered by {check['answered_by']} now.", markup=False)
    if not check["changes"]:
        progress.print(f"Nothing has to be changed at {carrier}.")
        return
    progress.print(f"At {carrier}:")
    for change in check["changes"]:
        progress.print(f"  {change}", markup=False, soft_wrap=True)
    if not typer.confirm("Go on?", err=True):
        raise CommandFailed("nothing was changed")
