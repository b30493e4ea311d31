"""outdial simulator: a carrier on this machine, for trying and testing."""

import typer


def simulator() -> None:
    """placeholder"""
    raise typer.Exit(1)
