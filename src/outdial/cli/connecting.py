"""What the commands about numbers and carrier accounts share: credentials as arguments, and a Connector."""

import asyncio
import os
from typing import Annotated

import httpx
import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.secret_key import AnotherSecretKey, may_use
from outdial.accounts.simulated import SimulatedAccount, simulated_accounts
from outdial.carriers.kind import CarrierKind
from outdial.cli.failures import CommandFailed
from outdial.numbers.connecting import Connector
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox

Credentials = Annotated[
    list[str] | None,
    typer.Option("--credential", "-c", help="name=value; a value of @NAME is read from that environment variable."),
]


def read_credentials(given: list[str] | None) -> dict[str, str]:
    """A value of @NAME is that environment variable's: arguments are seen by every user of the machine."""
    credentials = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandFailed("--credential wants name=value")
        if value.startswith("@"):
            variable = value[1:]
            if variable not in os.environ:
                raise CommandFailed(f"--credential {name}: the environment variable {variable} isn't set")
            value = os.environ[variable]
        credentials[name] = value
    return credentials


def simulated_account(kind: CarrierKind, settings: Settings) -> SimulatedAccount:
    """The one at the simulator that the server runs beside. Raises CommandFailed when there is none."""
    if settings.simulator_url is None:
        raise CommandFailed(
            "the server runs beside no simulator: start one with outdial simulator, and the server with "
            "OUTDIAL_SIMULATOR_URL set to its address"
        )
    try:
        accounts = asyncio.run(simulated_accounts(settings.simulator_url))
    except httpx.HTTPError as error:
        raise CommandFailed(f"no simulator answers at {settings.simulator_url}") from error
    for account in accounts:
        if account.carrier == kind.name:
            return account
    raise CommandFailed(f"the simulator at {settings.simulator_url} has no {kind.label} account")


async def connector(engine: AsyncEngine, settings: Settings, *, stores: bool = True) -> Connector:
    """`stores`: new credentials. Raises AnotherSecretKey where no server could read them."""
    if stores and not await may_use(engine, settings):
        raise AnotherSecretKey
    return Connector(engine=engine, secret_box=SecretBox.from_settings(settings), public_url=settings.base_url)
