"""What the commands about numbers and carrier accounts share: credentials as arguments, and a Connector."""

import os
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.secret_key import AnotherSecretKey, may_use
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


async def connector(engine: AsyncEngine, settings: Settings, *, stores: bool = True) -> Connector:
    """`stores`: new credentials. Raises AnotherSecretKey where no server could read them."""
    if stores and not await may_use(engine, settings):
        raise AnotherSecretKey
    return Connector(engine=engine, secret_box=SecretBox.from_settings(settings), public_url=settings.base_url)
