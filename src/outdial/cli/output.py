"""How commands show what they did: a table for people, JSON for programs. Only results go to stdout."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

console = Console(highlight=False, emoji=False)  # file:100: is a place, and no emoji
progress = Console(stderr=True, highlight=False, emoji=False)

WIDEST = 10_000  # columns: how wide a table might be is asked without a terminal in mind

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """`columns` may reach into nested values: "pool.lines". Where a row would be broken inside a word, an id above all,
    each value has a line of its own."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        progress.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(_label(column), overflow="fold")
    for row in rows:
        table.add_row(*(_text(_reach(row, column)) for column in columns))
    if Measurement.get(console, console.options.update(max_width=WIDEST), table).minimum <= console.width:
        console.print(table)
        return
    for row in rows:
        console.print(_text(_reach(row, columns[0])), style="bold", markup=False, soft_wrap=True)
        _show_values([(_label(column), _text(_reach(row, column))) for column in columns[1:]])


def show(row: Mapping[str, Any], *, as_json: bool, done: str) -> None:
    """One thing, after something was done to it."""
    if as_json:
        print_json(row)
        return
    console.print(done, style="green")
    _show_values([(name, _text(value)) for name, value in row.items() if not isinstance(value, Mapping | list)])


def show_change(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: Sequence[str],
    *,
    as_json: bool,
    done: str,
    unseen: Mapping[str, str] | None = None,
) -> None:
    """What is another of one thing's `names` (as show_rows has them) than it was before. `unseen`: what was done to
    values that nobody is shown."""
    if as_json:
        print_json(after)
        return
    changes = [
        (_label(name), f"{_text(_reach(before, name))} → {_text(_reach(after, name))}")
        for name in names
        if _reach(before, name) != _reach(after, name)
    ] + [(_label(name), words) for name, words in (unseen or {}).items()]
    console.print(done if changes else "Nothing to change: it is so already.", style="green")
    _show_values(changes)


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def _show_values(values: Sequence[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in values), default=0)
    for name, value in values:
        console.print(f"  {name:<{width}}  {value}", soft_wrap=True, markup=False)


def _label(column: str) -> str:
    return column.replace("_", " ").replace(".", " ")


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
