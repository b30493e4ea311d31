"""Each step ends with the next command, filled in; and JSON stays JSON alone."""

import shlex
import sys

import pytest

from outdial.cli.next_steps import command

SCRIPT = """
agent:
  name: Greeting
variables:
  practice: Riverside Dental
  user_name:
start: greet
steps:
  greet:
    say: Hello {user_name}, this is {practice}.
    hang_up: true
"""


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "greeting.yaml"
    file.write_text(SCRIPT)
    return str(file)


def next_of(result) -> list[str]:
    """The commands that are told next."""
    assert result.exit_code == 0, result.output
    _, told, rest = result.stderr.partition("Next")
    assert told, result.stderr
    return [line.strip() for line in rest.splitlines()[1:] if line.startswith("  ")]


def words(line: str) -> list[str]:
    return shlex.split(line)[1:]


def test_from_nothing_to_a_call_each_step_names_the_next(outdial, connect, outdial_json, script):
    made = outdial("workspaces", "create", "Acme")
    invite, create_key = (words(line) for line in next_of(made))
    assert outdial(*invite).exit_code == 0
    key = outdial(*create_key)
    export, example, create = next_of(key)
    assert export.split("=")[1] in key.stdout
    assert words(example)[:2] == ["agents", "example"]
    assert outdial(*words(create.replace("reminder.yaml", script))).exit_code == 0
    [agent] = outdial_json("agents", "list")
    [connecting] = next_of(outdial("agents", "publish", agent["id"]))
    assert connecting == f"outdial numbers connect --agent {agent['id']}"
    number = connect("--agent", agent["id"], "--yes")
    changed = outdial("numbers", "change", number["id"], "--name", "Desk")
    call, *curl = next_of(changed)
    assert call == f"outdial call +12025550100 --number {number['id']} --var user_name=…"
    assert curl[0] == f"curl {number['outbound_url']} \\"
    assert "Idempotency-Key" in " ".join(curl)
    assert next_of(outdial("keys", "create", "another"))[1] == call


def test_an_agent_that_is_a_draft_is_to_be_published(outdial, script):
    outdial("workspaces", "create", "Acme")
    [publish] = next_of(outdial("agents", "create", script))
    [connecting] = next_of(outdial(*words(publish)))
    assert "numbers connect" in connecting


def test_another_agent_is_given_to_the_number_that_is_there(outdial, outdial_json, connect, script):
    outdial("workspaces", "create", "Acme")
    number = connect("--yes")
    assert next_of(outdial("keys", "create", "laptop"))[1:] == [
        "outdial agents example > reminder.yaml",
        "outdial agents create reminder.yaml --publish",
    ]
    [change] = next_of(outdial("agents", "create", script, "--publish"))
    assert change.startswith(f"outdial numbers change {number['id']} --agent agent_")
    assert "outdial call" in next_of(outdial(*words(change)))[0]


def test_the_workspace_that_was_named_is_named_again(outdial, outdial_json):
    outdial_json("workspaces", "create", "One")
    other = outdial_json("workspaces", "create", "Other")["id"]
    assert f"--workspace {other}" in next_of(outdial("keys", "create", "laptop", "-w", other))[2]


def test_a_key_that_only_reads_is_tried_by_reading(outdial):
    outdial("workspaces", "create", "Acme")
    told = next_of(outdial("keys", "create", "laptop", "--scope", "read"))
    assert told[1] == 'curl http://127.0.0.1:8080/v1/calls -H "Authorization: $OUTDIAL_API_KEY"'


def test_programs_are_told_nothing_but_json(outdial, outdial_json, script):
    made = outdial("workspaces", "create", "Acme", "--json")
    assert "Next" not in made.output
    for verb in (("keys", "create", "laptop"), ("agents", "create", script, "--publish")):
        outdial_json(*verb)
        assert "Next" not in outdial(*verb, "--json").output


@pytest.mark.parametrize(
    ("called", "told"),
    [
        (".venv/bin/outdial", ".venv/bin/outdial"),
        ("/opt/my tools/outdial", "'/opt/my tools/outdial'"),
        ("/x/outdial/__main__.py", f"{shlex.quote(sys.executable)} -m outdial"),
        ("/x/pytest", "outdial"),
    ],
)
def test_commands_are_told_as_they_can_be_typed(called, told, monkeypatch):
    monkeypatch.setattr(sys, "argv", [called])
    assert command("keys", "list") == f"{told} keys list"


def test_a_program_on_the_path_is_told_by_its_name(tmp_path, monkeypatch):
    program = tmp_path / "outdial"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert command("keys", "list") == "outdial keys list"


def test_a_command_for_another_folder_is_told_by_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/outdial"])
    assert command("keys", "list", anywhere=True) == f"{tmp_path}/.venv/bin/outdial keys list"


def test_beside_a_simulator_the_next_number_is_one_of_the_simulator_s(outdial, simulator, script, monkeypatch):
    monkeypatch.setenv("OUTDIAL_SIMULATOR_URL", simulator.base_url)
    outdial("workspaces", "create", "Acme")
    [connecting] = next_of(outdial("agents", "create", script, "--publish"))
    assert "numbers connect --simulated --agent agent_" in connecting
    [_, call, *_] = next_of(outdial(*words(connecting), input="1\ny\n"))
    assert call.startswith("outdial call +12025550100 --number num_")
