"""The `outdial` command: one module per group of verbs."""

import typer

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


@app.callback()
def version(
    version: bool = typer.Option(False, "--version", help="Show the version.", is_eager=True),
) -> None:
    if version:
        from outdial import __version__

        typer.echo(f"outdial {__version__}")
        raise typer.Exit


def main() -> None:
    with explained():
        app()
