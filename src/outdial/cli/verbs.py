"""A group of verbs, or one verb: help in plain lines that fit 80 columns, whatever the terminal's width."""

import typer


def verbs(help: str | None = None) -> typer.Typer:
    """`help`: of a group, which shows it when it is called alone; one verb has its docstring."""
    return typer.Typer(
        help=help,
        no_args_is_help=help is not None,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
