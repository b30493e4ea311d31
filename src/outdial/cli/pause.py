"""outdial pause: no call is dialled any more."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.cancel_waiting import what_waits
from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.next_steps import command, next_steps
from outdial.cli.output import AsJson, show
from outdial.cli.verbs import verbs
from outdial.policy import pauses
from outdial.policy.import_file import clean_reason
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs()

Number = Annotated[
    str | None, typer.Option("--number", "-n", help="Id of a phone number. Default: the whole workspace.")
]


@app.command()
def pause(
    number: Number = None,
    reason: Annotated[str, typer.Option(help="For everybody who sees that calls wait.")] = "",
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Dial no calls any more, until: outdial resume. Calls are accepted and wait.

    Live calls, and those that come in, go on.
    """
    async def work(engine: AsyncEngine, _: Settings) -> dict[str, object]:
        workspace_id = await the_workspace(engine, workspace)
        answer = await pauses.pause(engine, workspace_id, number, reason=clean_reason(reason), by=COMMAND_LINE)
        left = await what_waits(engine, workspace_id, number)
        return flat(answer) | {"waiting": left.waiting, "being_dialled": left.being_dialled}

    done = with_database(work)
    show(done, as_json=json, done="Dialling is paused." if done["changed"] else "Dialling was paused already.")
    if not json:
        where = (("--number", number) if number else ()) + (("--workspace", workspace) if workspace else ())
        next_steps(command("resume", *where), command("calls", "cancel-waiting", *where))


def flat(answer: pauses.PauseAnswer) -> dict[str, object]:
    """Who paused, since when and why beside the rest, for people."""
    told: dict[str, object] = {"paused": answer["paused"], "changed": answer["changed"]}
    if (pause := answer["pause"]) is None:
        return told
    return told | {"since": pause["at"], "by": pause["by"]["name"], "reason": pause["reason"]}
