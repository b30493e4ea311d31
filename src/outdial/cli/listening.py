"""outdial listening: whether callees are told that people may listen to their calls."""

from typing import Annotated

import typer
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.request import CleanText
from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, show
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.listening import (
    MAX_CHARS,
    Announce,
    ListeningNotice,
    ListeningNoticeView,
    change_listening_notice,
    get_listening_notice,
    view,
)

app = verbs()

_WORDS: TypeAdapter[str] = TypeAdapter(Annotated[CleanText, Field(min_length=1, max_length=MAX_CHARS)])


@app.command()
def listening(
    announce: Annotated[
        Announce | None,
        typer.Option(help="When somebody begins to listen, before they hear anything; on every call; or not at all."),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="What callees hear. Default: a sentence in the agent's language.")
    ] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Show or change what callees are told of people who listen.

    With --announce it is changed, and so are the words: without --text they
    are those of the agent's language.
    """
    wanted = _wanted(announce, text)

    async def work(engine: AsyncEngine, _: Settings) -> ListeningNoticeView:
        workspace_id = await the_workspace(engine, workspace)
        if wanted is not None:
            return view(await change_listening_notice(engine, workspace_id, wanted, by=COMMAND_LINE))
        async with reading(engine) as conn:
            return view(await get_listening_notice(conn, workspace_id))

    show(with_database(work), as_json=json, done="Callees are told so:" if wanted is None else "Saved.")


def _wanted(announce: Announce | None, text: str | None) -> ListeningNotice | None:
    """None: nothing is to be changed. Raises CommandFailed."""
    if announce is None:
        if text is not None:
            raise CommandFailed("say with the words when they are said: --announce on_join, or at_start")
        return None
    try:
        return ListeningNotice(announce=announce, text=None if text is None else _WORDS.validate_python(text))
    except ValidationError as error:
        raise CommandFailed(f"the text can't be said: {error.errors()[0]['msg']}") from None
