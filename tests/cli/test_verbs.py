import pytest

from outdial.cli.failures import CommandFailed

TWILIO = ("-c", "account_sid=AC" + "1" * 32, "-c", "auth_token=@TOKEN")


@pytest.fixture
def reminder(outdial, tmp_path):
    file = tmp_path / "reminder.yaml"
    file.write_text(outdial("agents", "example").stdout)
    return str(file)


def test_from_nothing_to_a_number_that_can_call(outdial_json, reminder):
    workspace = outdial_json("workspaces", "create", "Acme", "--plan", "pro")
    assert (workspace["plan"], workspace["pool"]["lines"]) == ("pro", 5)
    assert outdial_json("keys", "create", "backend")["key"].startswith("od_")
    agent = outdial_json("agents", "create", reminder, "--publish")
    number = outdial_json(
        "numbers", "connect", "+15551230002", *TWILIO, "--agent", agent["id"], env={"TOKEN": "twilio-token"}
    )
    assert (number["agent"]["id"], number["direction"]) == (agent["id"], "both")
    assert [each["id"] for each in outdial_json("numbers", "list")] == [number["id"]]


def test_a_new_version_is_a_draft_until_it_is_published(outdial, outdial_json, reminder):
    outdial_json("workspaces", "create", "Acme")
    agent = outdial_json("agents", "create", reminder, "--name", "Reminder", "--publish")
    updated = outdial_json("agents", "update", agent["id"], reminder)
    assert (updated["published_version"], updated["draft_version"]) == (1, 2)
    assert outdial_json("agents", "publish", agent["id"])["published_version"] == 2
    with open(reminder) as source:
        assert outdial("agents", "show", agent["id"]).stdout == source.read()


def test_a_revoked_key_is_listed_as_revoked(outdial_json):
    outdial_json("workspaces", "create", "Acme")
    key = outdial_json("keys", "create", "backend")
    outdial_json("keys", "revoke", key["id"])
    [listed] = outdial_json("keys", "list")
    assert listed["revoked_at"] is not None
    assert "key" not in listed


def test_lists_are_tables_for_people(outdial, outdial_json):
    outdial_json("workspaces", "create", "Acme", "--lines", "7")
    shown = outdial("workspaces", "list").stdout
    assert "pool lines" in shown
    assert "Acme" in shown


def test_with_several_workspaces_one_has_to_be_named(outdial, outdial_json):
    ids = [outdial_json("workspaces", "create", name)["id"] for name in ("A", "B")]
    assert isinstance(outdial("keys", "list").exception, CommandFailed)
    assert outdial_json("keys", "list", "-w", ids[1]) == []
    assert isinstance(outdial("keys", "list", "-w", "ws_none").exception, CommandFailed)


def test_a_number_changes_and_goes(outdial, outdial_json):
    outdial_json("workspaces", "create", "Acme")
    number = outdial_json("numbers", "connect", "+15551230002", *TWILIO, env={"TOKEN": "twilio-token"})
    changed = outdial_json("numbers", "change", number["id"], "--name", "Front desk", "--inbound-only")
    assert (changed["name"], changed["direction"], changed["outbound_url"]) == ("Front desk", "inbound", None)
    assert outdial("numbers", "remove", number["id"]).exit_code == 0
    assert outdial_json("numbers", "list") == []


def test_missing_credentials_are_asked_for(outdial, outdial_json):
    outdial_json("workspaces", "create", "Acme")
    given = f"AC{'1' * 32}\nsecret-token\n"
    asked = outdial("numbers", "connect", "+15551230002", input=given)
    assert asked.exit_code == 0
    assert "secret-token" not in asked.output


@pytest.mark.parametrize("credential", ["account_sid", "=x", "auth_token=@NOT_SET_ANYWHERE"])
def test_a_malformed_credential_is_refused(outdial, credential):
    result = outdial("numbers", "connect", "+15551230002", "-c", credential)
    assert isinstance(result.exception, CommandFailed)
