"""outdial serve: the whole of Outdial in one process, some of its roles, or several processes on one machine."""

import asyncio
import logging
import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outdial import open_files
from outdial.cli.configuration import load_settings
from outdial.cli.failures import CommandFailed
from outdial.cli.next_steps import command, next_steps
from outdial.cli.output import progress
from outdial.cli.processes import WithParent, end_with_parent
from outdial.cli.run_files import run_files
from outdial.cli.server_up import tell_that_it_is_up
from outdial.cli.several import serve_processes
from outdial.cli.verbs import verbs
from outdial.roles import ROLES, Role
from outdial.settings import Settings
from outdial.unknown_settings import unknown_variables

if TYPE_CHECKING:
    from outdial.members.first_start import FirstStart

logger = logging.getLogger(__name__)

app = verbs()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (OUTDIAL_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (OUTDIAL_PORT); 0 takes a free one.")] = None,
    agents: Annotated[
        Path | None, typer.Option(help="Agents in Python: a file, or a folder of them (OUTDIAL_AGENTS).")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(help="What this process does, separated by commas: api, dispatch, media, jobs. All by default."),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Run so many processes, one for each core, behind the one port.")
    ] = 1,
    with_parent: WithParent = False,
    first_start: Annotated[bool, typer.Option("--first-start/--no-first-start", hidden=True)] = True,
    listen_on: Annotated[str, typer.Option(hidden=True, help="File numbers of sockets that listen already.")] = "",
) -> None:
    """Run the server: take requests, dial, talk.

    Until Ctrl-C or SIGTERM; live calls may then go on for a minute (OUTDIAL_DRAIN_S).
    """
    roles = roles_named(role)
    options = {"host": host, "port": port, "agents": agents}
    given = {name: value for name, value in options.items() if value is not None}
    settings = load_settings(**given)
    for name, nearest in unknown_variables(os.environ).items():
        logger.warning("Environment variable unknown", extra={"variable": name, "nearest": nearest})
    if (files := open_files.raise_limit()) < open_files.ENOUGH:
        logger.warning("Open files limit is low", extra={"files": files, "enough": open_files.ENOUGH})
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        if processes > 1:
            runner.run(serve_processes(settings, processes, roles, with_parent=with_parent, first_start=first_start))
            return
        listeners = [socket.socket(fileno=int(number)) for number in listen_on.split(",") if number]
        runner.run(_serve(settings, roles, listeners, with_parent=with_parent, first_start=first_start))


def roles_named(given: str | None) -> frozenset[Role]:
    """Raises typer.BadParameter."""
    if given is None:
        return ROLES
    names = {name.strip() for name in given.split(",")}
    if unknown := names - set(Role):
        told = ", ".join(Role)
        raise typer.BadParameter(f"{sorted(unknown)[0] or 'nothing'} is none of {told}", param_hint="--role")
    return frozenset(Role(name) for name in names)


async def _serve(
    settings: Settings,
    roles: frozenset[Role],
    listeners: list[socket.socket],
    *,
    with_parent: bool,
    first_start: bool,
) -> None:
    from outdial.api.server import CannotListen  # loads the models' libraries
    from outdial.serving import end_soon
    from outdial.serving import serve as serve_until_stopped

    watch = asyncio.create_task(end_with_parent()) if with_parent else None

    stack = ExitStack()

    def started(settings: Settings, first: "FirstStart | None") -> None:
        if not listeners:  # else our parent does
            stack.enter_context(run_files(settings))
            tell_that_it_is_up(settings, roles)
        if first is not None:
            progress.print(way_in(first), soft_wrap=True)
            next_steps(
                command("keys", "create", "laptop", "--scope", "place_calls", anywhere=True),
                command("doctor", anywhere=True),
                where="in another terminal, in any folder",
            )

    try:
        await serve_until_stopped(
            settings,
            started=started,
            progress=(lambda step: None) if listeners else (lambda step: progress.print(f"{step} …")),
            first_person=first_start,
            on_terminal=progress.is_terminal,
            roles=roles,
            listeners=listeners,
        )
    except CannotListen as error:
        raise CommandFailed(f"{error}; stop what listens there or choose another port (OUTDIAL_PORT)") from error
    finally:
        stack.close()
        if watch is not None:
            watch.cancel()
    end_soon(0)  # everything has ended in order; what may be left are threads


def way_in(first: "FirstStart") -> str:
    """How the first person signs in, in words."""
    if first.link is not None:
        return f"Sign in (this link works once, for 24 hours): {first.link}"
    way = command("members", "link", first.email, anywhere=True)
    return f"Nobody has signed in yet. For a link that lets the first person in: {way}"


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for this platform
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
