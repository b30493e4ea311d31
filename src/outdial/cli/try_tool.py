"""outdial agents try-tool: one tool of a source, really asked."""

import json as jsons
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.kinds import KINDS, kind_of, parse_agent
from outdial.agents.script.model import ScriptError
from outdial.agents.tools.access import ToolAccess, kept_secrets
from outdial.agents.tools.asks import Result
from outdial.agents.tools.trying import TriedTool, try_tool
from outdial.cli.database import Workspace, the_box, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, show
from outdial.cli.rehearse import read_text
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE, record

Source = Annotated[Path, typer.Argument(help="The agent's YAML; - reads from standard input.", allow_dash=True)]


def try_(
    script: Source,
    tool: Annotated[str, typer.Argument(help="As the model knows it; of a server's, SERVER__TOOL.")],
    given: Annotated[str, typer.Option("--with", metavar="JSON", help="What the model would give it.")] = "{}",
    variables: Annotated[str, typer.Option(metavar="JSON", help="What would be sent with the call.")] = "{}",
    consequences: Annotated[bool, typer.Option("--consequences", help="It changes something; do so.")] = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Ask one tool of an agent now, for real, and show what came back."""
    source, arguments, known = read_text(script), _object(given, "--with"), _object(variables, "--variables")
    try:
        agent = parse_agent(source)
    except ScriptError as error:
        raise CommandFailed(f"{script}: {error}") from None
    own = KINDS[kind_of(source)].tools(agent)

    async def work(engine: AsyncEngine, settings: Settings) -> TriedTool:
        workspace_id, box = await the_workspace(engine, workspace), await the_box(engine, settings)
        access = ToolAccess(settings.allowed_private, kept_secrets(engine, box))
        try:
            tools = access.of(workspace_id)
            tried = await try_tool(own, tool, arguments, known, agent.variables, tools, consequences=consequences)
        finally:
            await access.aclose()
        async with engine.begin() as conn:
            details = {"place": tried["place"], "result": tried["result"], "consequences": tried["consequences"]}
            await record(
                conn, workspace_id, COMMAND_LINE, "tool.tried", subject_id=tool, subject_name=tool, details=details
            )
        return tried

    tried = with_database(work)
    show(tried, as_json=json, done="Answered." if tried["result"] == Result.OK else "It didn't answer well.")
    if tried["result"] != Result.OK:
        raise typer.Exit(1)


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        value = jsons.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandFailed(f'{what} is a JSON object, such as {{"day": "friday"}}.')
    return value
