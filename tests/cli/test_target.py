"""Which server and database a command is about, in another folder and another terminal than the server's."""

import ast
import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from outdial.accounts.secret_key import AnotherSecretKey, check_secret_key
from outdial.cli import app
from outdial.cli.failures import CommandFailed, explanation
from outdial.cli.run_files import run_files
from outdial.cli.target import find_target
from outdial.db.engine import create_engine, put_away
from outdial.db.migrate import SchemaError
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox
from source_trees import tree_of

CLI = Path(__file__).parents[2] / "src/outdial/cli"
Outdial = Callable[..., Any]
Serving = Callable[..., AbstractContextManager[None]]
PORT = 1  # nothing listens there
VERBS = (
    ("accounts", "list"),
    ("agents", "list"),
    ("agents", "publish", "agent_1"),
    ("agents", "show", "agent_1"),
    ("do-not-call", "list"),
    ("do-not-call", "add", "+12025550115"),
    ("keys", "list"),
    ("keys", "create", "laptop"),
    ("members", "list"),
    ("members", "invite", "jane@acme.example"),
    ("members", "link", "operator@localhost"),
    ("numbers", "list"),
    ("numbers", "connect", "+15551230002"),  # and asks for no credentials before it knows
    ("numbers", "change", "num_1", "--name", "Desk"),
    ("retention", "show"),
    ("secret-key", "forget", "--yes"),
    ("workspaces", "list"),
    ("workspaces", "change", "ws_1", "--lines", "2"),
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """The folder of the command, which is nobody's."""
    for name in [name for name in os.environ if name.startswith("OUTDIAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def outdial() -> Outdial:
    return lambda *args, **more: CliRunner().invoke(app, args, **more)


@pytest.fixture
def serving(tmp_path, monkeypatch, here) -> Serving:
    """A server as a command sees it: started in a folder of its own, with a settings file that the command hasn't."""

    @contextmanager
    def run(database_url: str, *, name: str = "there", public_url: str = "https://voice.example") -> Iterator[None]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "outdial.toml").write_text(
            f'database_url = "{database_url}"\npublic_url = "{public_url}"\nport = {PORT}\n'
        )
        monkeypatch.chdir(folder)
        with run_files(Settings()):
            monkeypatch.chdir(here)
            yield

    return run


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_verb_makes_a_database_by_the_way(outdial, here, verb):
    refused = outdial(*verb)
    assert isinstance(refused.exception, CommandFailed)
    words = explanation(refused.exception)
    assert words.startswith(f"there is no Outdial database in {here}/.outdial; no server of yours runs")
    assert str(here.parent / "state") in words
    assert "outdial serve" in words
    assert "OUTDIAL_DATA_DIR=" in words
    assert list(here.iterdir()) == []


def test_only_these_commands_can_make_one():
    """`serve` has it made by the process it runs, or by the parent of several; the demo and new workspaces ask here."""
    makes = {"running_engine", "with_new_database", "upgrade", "embedded", "EmbeddedPostgres"}
    found = {}
    for path in CLI.glob("*.py"):
        names = {
            alias.name
            for node in ast.walk(tree_of(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if names & makes:
            found[path.stem] = names & makes
    assert found == {
        "database": {"running_engine"},
        "demo": {"running_engine"},
        "several": {"embedded"},  # for the processes that it starts
        "workspaces": {"with_new_database"},
    }


def test_a_running_server_is_found_from_any_folder(outdial, serving, database_url, here):
    with serving(database_url):
        made = outdial("workspaces", "create", "Acme")
        assert made.exit_code == 0
        listed = outdial("workspaces", "list")
        assert "Acme" in listed.stdout
        assert f"data in {here.parent}/there/.outdial" in listed.stderr
        link = outdial("members", "invite", "jane@acme.example", "--json")
        assert '"https://voice.example/sign-in/' in link.stdout
    assert list(here.iterdir()) == []


def test_what_a_command_is_told_goes_before_what_the_server_has(outdial, serving, database_url, monkeypatch):
    with serving(database_url):
        outdial("workspaces", "create", "Acme")
        monkeypatch.setenv("OUTDIAL_PUBLIC_URL", "https://other.example")
        assert "https://other.example/" in outdial("members", "invite", "jane@acme.example").stdout
        told = outdial("doctor", "--json").stdout
        assert "has another OUTDIAL_PUBLIC_URL than the server" in told
        assert "https://voice.example" in told
        assert "other.example" not in told


def test_a_server_is_known_by_its_database_too(serving, database_url, monkeypatch):
    monkeypatch.setenv("OUTDIAL_DATABASE_URL", database_url)
    assert find_target(Settings()).server is None
    with serving(database_url):
        target = find_target(Settings())
        assert target.settings.base_url == "https://voice.example"
        monkeypatch.setenv("OUTDIAL_DATABASE_URL", "postgresql://elsewhere/x")
        target = find_target(Settings())
        assert (target.server, len(target.elsewhere)) == (None, 1)


def test_an_address_that_is_only_a_guess_is_told(outdial, database_url, monkeypatch):
    monkeypatch.setenv("OUTDIAL_DATABASE_URL", database_url)
    outdial("workspaces", "create", "Acme")
    assert "set OUTDIAL_PUBLIC_URL" in outdial("members", "invite", "jane@acme.example").stderr
    assert "OUTDIAL_PUBLIC_URL" not in outdial("members", "list").stderr


def test_of_several_servers_one_has_to_be_named(outdial, serving, database_url, tmp_path, monkeypatch):
    with serving(database_url, name="one"), serving("postgresql://elsewhere/x", name="two"):
        for verb in (("workspaces", "list"), ("doctor",), ("call", "+12025550100", "-n", "num_1", "--api-key", "od_1")):
            words = explanation(outdial(*verb).exception)
            assert "several servers of yours run" in words
            for name in ("one", "two"):
                assert f"OUTDIAL_DATA_DIR={tmp_path}/{name}/.outdial outdial …" in words
        monkeypatch.setenv("OUTDIAL_DATA_DIR", str(tmp_path / "one" / ".outdial"))
        assert outdial("workspaces", "list").exit_code == 0


def test_several_processes_on_one_data_directory_are_one_server(outdial, serving, database_url):
    with serving(database_url), serving(database_url, public_url="https://new.example"):
        assert outdial("workspaces", "create", "Acme").exit_code == 0
        assert "https://new.example/" in outdial("members", "invite", "jane@acme.example").stdout


def test_the_folder_s_own_data_go_before_a_server_elsewhere(serving, database_url, here):
    (here / ".outdial" / "postgres" / "cluster").mkdir(parents=True)
    assert find_target(Settings()).note is None
    with serving(database_url):
        target = find_target(Settings())
    assert target.settings.data_dir == Path(".outdial")
    assert target.server is None
    assert f"OUTDIAL_DATA_DIR={here.parent}/there/.outdial" in (target.note or "")


def test_the_data_of_a_demo_are_meant_where_nothing_else_runs(serving, database_url, here):
    demo = here / ".outdial" / "demo"
    (demo / "postgres" / "cluster").mkdir(parents=True)
    (demo / "lock").touch()
    assert find_target(Settings()).settings.data_dir == demo
    with serving(database_url):
        assert find_target(Settings()).server is not None
        with run_files(Settings(data_dir=demo, public_url="https://demo.example")):
            assert find_target(Settings()).settings.base_url == "https://demo.example"


def test_a_database_of_an_older_outdial_is_left_to_the_server(outdial, serving, database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        (now,) = conn.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        conn.execute("UPDATE alembic_version SET version_num = '0001'")
        try:
            with serving(database_url):
                refused = outdial("workspaces", "list")
            assert isinstance(refused.exception, SchemaError)
            assert "start outdial serve" in explanation(refused.exception)
            assert conn.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        finally:
            conn.execute("UPDATE alembic_version SET version_num = %s", [now])


def test_an_empty_database_is_filled_by_a_first_workspace_alone(outdial, empty_database_url, monkeypatch):
    monkeypatch.setenv("OUTDIAL_DATABASE_URL", empty_database_url)
    assert "this database is empty" in explanation(outdial("workspaces", "list").exception)
    with psycopg.connect(empty_database_url) as conn:
        assert conn.execute("SELECT to_regclass('calls')").fetchone() == (None,)
    assert outdial("workspaces", "create", "Acme").exit_code == 0
    assert "Acme" in outdial("workspaces", "list").stdout


def test_a_call_goes_to_the_server_that_runs_and_else_says_where_was_looked(outdial, serving, database_url, here):
    command = ("call", "+12025550100", "-n", "num_1", "--api-key", "od_1")
    (here / "outdial.toml").write_text("log_level = 'error'\n")
    with serving(database_url):
        assert f"http://127.0.0.1:{PORT}" in outdial(*command).stderr
    (here / ".outdial" / "postgres" / "cluster").mkdir(parents=True)
    with serving(database_url):
        assert "no server runs on the data in" in explanation(outdial(*command).exception)


def test_doctor_answers_for_the_server(outdial, serving, database_url, here):
    none = outdial("doctor", "--json").stdout
    assert "none of yours runs; this is what serve would use here" in none
    assert f"{here}/.outdial" in none
    with serving(database_url):
        found = outdial("doctor", "--json").stdout
    assert "runs but doesn't answer" in found  # it has a run file and a database, and nothing listens
    assert f"{here.parent}/there/.outdial" in found
    assert f"{here}/.outdial" not in found
    assert "https://voice.example" in found


def test_no_second_secret_key_is_made_for_a_database_that_has_one(outdial, serving, database_url, monkeypatch, here):
    """Who tells a command the database has not told it the key that its credentials are encrypted with."""
    there = here.parent / "there" / ".outdial"
    monkeypatch.setenv("OUTDIAL_DATABASE_URL", database_url)
    outdial("workspaces", "create", "Acme")
    connect = ("numbers", "connect", "+15551230002", "--yes", "-c", "account_sid=AC1", "-c", "auth_token=x")
    with serving(database_url):
        box = SecretBox.from_settings(Settings(data_dir=there))
    asyncio.run(leave_canary(database_url, box))
    assert isinstance(outdial(*connect).exception, AnotherSecretKey)
    assert "secret key" in outdial("doctor").stdout
    assert list(here.iterdir()) == []


async def leave_canary(database_url: str, box: SecretBox) -> None:
    engine = create_engine(database_url)
    await check_secret_key(engine, box)
    await put_away(engine)
