"""The commands of docs/operate.md, run one after the other as somebody would who follows the page."""

import re
import shlex
from pathlib import Path

import pytest

from outdial.cli import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs/operate.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
MENTIONED = re.findall(r"`outdial ([a-z][\w-]*)([^`]*)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))


def commands(block):
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines() if line.startswith("outdial ")]


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_backup_restore_and_rotation_are_as_the_page_has_them(
    here, outdial, outdial_json, connect, monkeypatch, empty_database_url
):
    outdial_json("workspaces", "create", "Acme")
    number = connect("--yes")
    done = []

    def follow(block):
        for words in commands(block):
            told = outdial(*words)
            assert told.exit_code == 0, (words, told.output)
            done.append(words[0])

    backup, restore, rotation = BLOCKS
    follow(backup)
    monkeypatch.setenv("OUTDIAL_DATABASE_URL", empty_database_url)
    follow(restore)
    assert [each["id"] for each in outdial_json("numbers", "list")] == [number["id"]]
    assert outdial("secret-key", "new").exit_code == 0
    follow(rotation)
    assert outdial("secret-key", "drop-old").exit_code == 0
    assert done == ["backup", "restore", "doctor", "calls", "resume", "secret-key", "secret-key"]


@pytest.mark.parametrize(("command", "rest"), sorted(set(MENTIONED)))
def test_every_command_that_is_named_is_one(outdial, command, rest):
    assert command in COMMANDS
    verb = [word for word in rest.split()[:1] if re.fullmatch(r"[a-z][a-z-]+", word)]
    told = outdial(command, *verb, "--help")
    assert told.exit_code == 0, told.output
    assert [option for option in re.findall(r"--[a-z-]+", rest) if option not in told.output] == []
