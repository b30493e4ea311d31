"""outdial resume: what waits is dialled again."""

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.output import AsJson, show
from outdial.cli.pause import Number, flat
from outdial.cli.verbs import verbs
from outdial.policy import pauses
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs()


@app.command()
def resume(number: Number = None, workspace: Workspace = None, json: AsJson = False) -> None:
    """Dial again what waits, the longest due first.

    A number that is paused by itself goes on waiting: outdial resume --number ID
    """

    async def work(engine: AsyncEngine, _: Settings) -> dict[str, object]:
        workspace_id = await the_workspace(engine, workspace)
        return flat(await pauses.resume(engine, workspace_id, number, by=COMMAND_LINE))

    done = with_database(work)
    show(done, as_json=json, done="Dialling goes on." if done["changed"] else "Dialling wasn't paused.")
