"""The `outdial` command: one module per group of verbs."""

import typer

from outdial import __version__
from outdial.cli import agents, call, demo, doctor, keys, numbers, serve, simulator, workspaces
from outdial.cli.failures import explained

app = typer.Typer(
    name="outdial",
    help="Self-hosted outbound calling for AI voice agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("simulator")(simulator.simulator)
app.command("call")(call.call)
app.command("doctor")(doctor.doctor)
app.add_typer(workspaces.app, name="workspaces")
app.add_typer(keys.app, name="keys")
app.add_typer(numbers.app, name="numbers")
app.add_typer(agents.app, name="agents")


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
