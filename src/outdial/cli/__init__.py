"""The `outdial` command: one module per group of verbs, loaded when it is asked for.

The demo starts three of these processes, and what the others need is most of their starting time.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from outdial.cli.failures import explained
from outdial.version import __version__

COMMANDS = (
    "demo",
    "serve",
    "simulator",
    "call",
    "calls",
    "pause",
    "resume",
    "doctor",
    "workspaces",
    "members",
    "keys",
    "numbers",
    "accounts",
    "agents",
    "do-not-call",
    "destinations",
    "alerts",
    "webhooks",
    "secrets",
    "speech",
    "secret-key",
    "backup",
    "restore",
    "retention",
    "erase",
    "listening",
    "amd",
    "workers",
)


class _Commands(TyperGroup):
    """Each command is `app` in the module of its name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # of click, or of Typer's own copy of it
        if cmd_name not in COMMANDS:
            return None
        return typer.main.get_command(import_module(f"outdial.cli.{cmd_name.replace('-', '_')}").app)


app = typer.Typer(
    name="outdial",
    cls=_Commands,
    help="Self-hosted outbound calling for AI voice agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"outdial {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", help="Show the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    pass


def main() -> None:
    with explained():
        app()
