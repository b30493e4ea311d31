"""outdial agents: what is said on calls. A script is a YAML file; every change is a new version."""

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents import store
from outdial.cli.database import Workspace, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.next_steps import command, next_steps
from outdial.cli.output import AsJson, progress, show, show_rows
from outdial.cli.rehearse import read_text, rehearse
from outdial.cli.talk import talk
from outdial.cli.try_tool import try_
from outdial.cli.verbs import verbs
from outdial.cli.way_on import Way, way_on
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("Agents and their versions.")
app.command()(rehearse)
app.command()(talk)
app.command("try-tool")(try_)

Script = Annotated[Path, typer.Argument(help="A YAML file; - reads from standard input.", allow_dash=True)]
Publish = Annotated[bool, typer.Option("--publish", help="Calls get it from now on.")]


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The agents of a workspace."""

    async def work(engine: AsyncEngine, _: Settings) -> list[store.AgentView]:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await store.list_agents(conn, workspace_id)

    show_rows(
        with_database(work),
        ["id", "name", "kind", "published_version", "draft_version"],
        as_json=json,
        empty="No agent yet: outdial agents example > reminder.yaml; outdial agents create reminder.yaml --publish",
    )


@app.command()
def create(
    script: Script,
    name: Annotated[str | None, typer.Option(help="Default: the script's, else the file's name")] = None,
    publish: Publish = False,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Make an agent from a script."""
    source = read_text(script)

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[store.AgentDetail, Way]:
        workspace_id = await the_workspace(engine, workspace)
        agent = await store.create_agent(
            engine,
            workspace_id,
            name=name,
            otherwise=script.stem,
            source=source,
            publish=publish,
            by=COMMAND_LINE,
        )
        return agent, await way_on(engine, settings, workspace_id, chosen=workspace, agent_id=agent["id"])

    _show(with_database(work), as_json=json, words="Agent made.")


@app.command()
def update(
    agent_id: str, script: Script, publish: Publish = False, workspace: Workspace = None, json: AsJson = False
) -> None:
    """Give an agent a new version. Calls under way keep theirs."""
    source = read_text(script)

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[store.AgentDetail, Way]:
        workspace_id = await the_workspace(engine, workspace)
        agent = await store.add_version(engine, workspace_id, agent_id, source=source, publish=publish, by=COMMAND_LINE)
        return agent, await way_on(engine, settings, workspace_id, chosen=workspace, agent_id=agent["id"])

    _show(with_database(work), as_json=json, words="New version stored.")


@app.command()
def publish(
    agent_id: str,
    version: Annotated[int | None, typer.Option(help="Default: the newest")] = None,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Choose the version that calls get."""

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[store.AgentDetail, Way]:
        workspace_id = await the_workspace(engine, workspace)
        agent = await store.publish_version(engine, workspace_id, agent_id, version, by=COMMAND_LINE)
        return agent, await way_on(engine, settings, workspace_id, chosen=workspace, agent_id=agent["id"])

    _show(with_database(work), as_json=json, words="Version published.")


@app.command("show")
def show_source(agent_id: str, workspace: Workspace = None) -> None:
    """Print the newest version's script."""

    async def work(engine: AsyncEngine, _: Settings) -> store.AgentDetail:
        workspace_id = await the_workspace(engine, workspace)
        async with engine.connect() as conn:
            return await store.get_agent(conn, workspace_id, agent_id)

    sys.stdout.write(with_database(work)["source"])


@app.command()
def example(name: Annotated[str, typer.Argument(help="Which one.")] = "appointment_reminder") -> None:
    """Print a script worth copying."""
    from outdial.agents.script.examples import load_example

    try:
        sys.stdout.write(load_example(name))
    except LookupError as error:
        raise CommandFailed(str(error)) from None
    if not sys.stdout.isatty() and progress.is_terminal:
        next_steps(command("agents", "create", _written_to(), "--publish"), where="when it says what you want")


def _written_to() -> str:
    """The file that the output goes to, where that can be found out."""
    with suppress(OSError):
        path = Path(os.readlink(f"/proc/self/fd/{sys.stdout.fileno()}"))  # Linux
        if path.is_file():
            return shlex.quote(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))
    return "FILE"


def _show(done: tuple[store.AgentDetail, Way], *, as_json: bool, words: str) -> None:
    agent, way = done
    shown = dict(agent) if as_json else {key: value for key, value in agent.items() if key != "source"}
    show(shown, as_json=as_json, done=words)
    if not as_json:
        way.tell()
