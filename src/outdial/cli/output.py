"""How commands show what they did: a table for people, JSON for programs. Only results go to stdout."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
progress = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """`columns` may reach into nested values: "pool.lines"."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        progress.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " ").replace(".", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_text(_reach(row, column)) for column in columns))
    console.print(table)


def show(row: Mapping[str, Any], *, as_json: bool, done: str) -> None:
    """One thing, after something was done to it."""
    if as_json:
        print_json(row)
        return
    console.print(done, style="green")
    for name, value in row.items():
        if not isinstance(value, Mapping | list):
            console.print(f"  {name:<16} {_text(value)}", soft_wrap=True, markup=False)


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def _reach(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
    return str(value)
