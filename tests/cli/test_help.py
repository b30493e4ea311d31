"""Every command's --help is whole on the narrowest terminal that is usual."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from outdial.cli import app

COLUMNS = 80


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What there is to call, group by group, and how it is called."""
    yield names, command
    if hasattr(command, "list_commands"):
        context = typer.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), *names, name)


EVERY = dict(commands(typer.main.get_command(app)))


def whole(text: str) -> str:
    """As it reads, wherever its lines end."""
    return " ".join(text.replace("\b", "").split())


def help_of(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setenv("TERMINAL_WIDTH", str(COLUMNS))
    result = CliRunner().invoke(app, [*names, "--help"])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("names", EVERY, ids=" ".join)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_cut(names, monkeypatch):
    told = help_of(names, monkeypatch)
    assert [line for line in told.splitlines() if len(line) > COLUMNS] == []
    command = EVERY[names]
    parts = [command.help] + [each.help for each in command.params if getattr(each, "help", None) and not each.hidden]
    assert [part for part in parts if whole(part) not in whole(told)] == []


@pytest.mark.parametrize("names", [names for names in EVERY if hasattr(EVERY[names], "list_commands")], ids=" ".join)
def test_the_list_of_verbs_breaks_no_sentence_off(names, monkeypatch):
    _, title, listed = help_of(names, monkeypatch).partition("Commands:")
    assert title
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


def test_there_is_no_option_that_does_nothing_here(monkeypatch):
    assert [names for names in EVERY if "completion" in help_of(names, monkeypatch)] == []
