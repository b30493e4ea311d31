"""A server moved to another data directory and database by two commands."""

import gzip
import stat

import pytest

from outdial.cli.failures import CommandFailed


@pytest.fixture
def elsewhere(monkeypatch, empty_database_url, tmp_path):
    """From here on commands are about another data directory and an empty database."""

    def move():
        monkeypatch.setenv("OUTDIAL_DATABASE_URL", empty_database_url)
        monkeypatch.setenv("OUTDIAL_DATA_DIR", str(tmp_path / "elsewhere"))

    return move


def test_a_server_is_moved_by_two_commands(outdial, outdial_json, connect, elsewhere, tmp_path):
    workspace = outdial_json("workspaces", "create", "Acme")
    number = connect("--yes")
    file = tmp_path / "outdial.backup"
    made = outdial("backup", str(file), "--with-key")
    assert made.exit_code == 0, made.output
    assert "Keep it closed" in made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert isinstance(outdial("backup", str(file)).exception, CommandFailed), "it is there already"
    elsewhere()
    done = outdial("restore", str(file))
    assert done.exit_code == 0, done.output
    assert "Dialling is paused" in done.stdout
    assert "secret key" not in done.stdout
    assert [each["id"] for each in outdial_json("numbers", "list")] == [number["id"]]
    assert outdial_json("secret-key", "status")["unreadable"] == 0
    assert outdial_json("resume")["changed"] is True
    again = outdial("restore", str(file))
    assert "--yes-replace" in str(again.exception)
    assert outdial("restore", str(file), "--yes-replace").exit_code == 0
    assert [each["id"] for each in outdial_json("workspaces", "list")] == [workspace["id"]]


def test_a_backup_goes_through_a_pipe_and_says_that_the_key_is_apart(outdial, outdial_json, connect, elsewhere):
    outdial_json("workspaces", "create", "Acme")
    connect("--yes")
    made = outdial("backup", "-")
    assert "The secret key is not in it" in made.stderr
    elsewhere()
    done = outdial("restore", "-", input=made.stdout_bytes)
    assert "isn't here" in done.stdout, done.output
    assert len(outdial_json("workspaces", "list")) == 1


def test_what_fails_leaves_no_file(outdial, outdial_json, tmp_path):
    outdial_json("workspaces", "create", "Acme")
    nowhere = outdial("backup", str(tmp_path / "no_folder" / "file"))
    assert nowhere.exit_code != 0
    (tmp_path / "text").write_bytes(gzip.compress(b"no backup"))
    refused = outdial("restore", str(tmp_path / "text"), "--yes-replace")
    assert "isn't a backup of Outdial" in str(refused.exception)
    assert len(outdial_json("workspaces", "list")) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("file")] == []
