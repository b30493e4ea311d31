"""outdial accounts: the accounts at carriers that connected numbers belong to."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.changes import AccountChanges
from outdial.accounts.views import AccountView, get_account, list_accounts
from outdial.cli.connecting import Credentials, connector, read_credentials
from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.output import AsJson, show_change, show_rows
from outdial.cli.verbs import verbs
from outdial.numbers.reconnecting import change_account
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("Accounts at carriers.")

COLUMNS = ["id", "carrier", "account", "region", "base_url", "calls_per_second"]


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The carrier accounts of a workspace. One comes with its first number and goes with its last."""

    async def work(engine: AsyncEngine, settings: Settings) -> list[AccountView]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await list_accounts(conn, workspace_id)

    show_rows(with_database(work), COLUMNS, as_json=json, empty="No account yet: outdial numbers connect --help")


@app.command()
def change(
    account_id: str,
    credential: Credentials = None,
    region: Annotated[str | None, typer.Option(help="Where the carrier handles its calls.")] = None,
    carrier_url: Annotated[
        str | None, typer.Option(help="Another address of the carrier's API; --region takes it away again.")
    ] = None,
    calls_per_second: Annotated[float | None, typer.Option(help="New calls it may place a second.")] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Change what is given, leave the rest.

    Credentials and region are kept once the carrier has accepted them.

    A new secret: -c auth_token=@NEW_TOKEN. An optional credential is taken away by an empty one: -c next_auth_token=
    """
    credentials = {name: value or None for name, value in read_credentials(credential).items()}
    changes = AccountChanges(
        credentials=credentials, region=region, base_url=carrier_url, calls_per_second=calls_per_second
    )

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[AccountView, AccountView]:
        workspace_id = await the_workspace(engine, workspace)
        there = await connector(engine, settings)
        async with engine.connect() as conn:
            before = await get_account(conn, workspace_id, account_id)
        return before, await change_account(there, workspace_id, account_id, changes, by=COMMAND_LINE)

    before, changed = with_database(work)
    secret = {name: "taken away" if value is None else "given anew" for name, value in credentials.items()}
    names = ["account", "region", "base_url", "calls_per_second"]
    show_change(before, changed, names, as_json=json, done="Carrier account changed.", unseen=secret)
