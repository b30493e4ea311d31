"""outdial secret-key: the key that carrier credentials are encrypted with."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.secret_key import forget_secret_key
from outdial.cli.database import with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import console
from outdial.cli.verbs import verbs
from outdial.settings import Settings

app = verbs("The key that carrier credentials are encrypted with.")

Yes = Annotated[bool, typer.Option("--yes", help="Needed: what is encrypted stays unreadable.")]


@app.callback()
def _group() -> None:
    """Typer makes a single command the group itself; here the verb is to be said."""


@app.command()
def forget(yes: Yes = False) -> None:
    """Give a lost key up for that of the next server.

    The next server that starts makes its own key the database's. The credentials of carrier accounts and the secrets of
    workspaces can't be read any more then: give them anew, with outdial accounts change and outdial secrets set.
    """
    if not yes:
        raise CommandFailed(
            "the credentials of all carrier accounts will have to be given anew; "
            "to go on: outdial secret-key forget --yes"
        )

    async def work(engine: AsyncEngine, _: Settings) -> bool:
        return await forget_secret_key(engine)

    with_database(work)
    console.print(
        "Forgotten. Start outdial serve with the key that is to hold from now on, then give the credentials anew: "
        "outdial accounts list, outdial accounts change ID -c name=value; outdial secrets list, outdial secrets set "
        "NAME"
    )
