import pytest

from outdial.carriers.registry import CARRIERS
from outdial.cli.failures import CommandFailed
from outdial.cli.output import console
from outdial.refusals import NotFound
from outdial.simulator.server import SimulatorConfig

NUMBER = SimulatorConfig().numbers[0]
TOKEN = SimulatorConfig().auth_token


@pytest.fixture
def reminder(outdial, tmp_path):
    file = tmp_path / "reminder.yaml"
    file.write_text(outdial("agents", "example").stdout)
    return str(file)


def test_from_nothing_to_a_number_that_can_call(outdial_json, reminder, connect):
    workspace = outdial_json("workspaces", "create", "Acme", "--plan", "pro")
    assert (workspace["plan"], workspace["pool"]["lines"]) == ("pro", 5)
    assert outdial_json("keys", "create", "backend")["key"].startswith("od_")
    agent = outdial_json("agents", "create", reminder, "--publish")
    number = connect("--agent", agent["id"], "--yes")
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


def test_a_key_is_an_operator_s_unless_a_scope_is_given_and_gets_another_one(outdial, outdial_json):
    outdial_json("workspaces", "create", "Acme")
    outdial_json("keys", "create", "backend")
    made = outdial_json("keys", "create", "zapier", "--scope", "place_calls")
    assert [(key["name"], key["scope"]) for key in outdial_json("keys", "list")] == [
        ("zapier", "place_calls"),
        ("backend", "operator"),
    ]
    assert outdial_json("keys", "change", made["id"], "--scope", "read")["scope"] == "read"
    assert outdial("keys", "create", "x", "--scope", "everything").exit_code == 2
    assert isinstance(outdial("keys", "change", "key_none", "--scope", "read").exception, NotFound)


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


def test_a_number_changes_and_goes(outdial_json, connect, simulator):
    outdial_json("workspaces", "create", "Acme")
    number = connect("--yes")
    assert "/callbacks/twilio/accounts/" in simulator.account.number_at(NUMBER).voice_url
    changed = outdial_json("numbers", "change", number["id"], "--name", "Front desk", "--inbound-only")
    assert (changed["name"], changed["direction"], changed["outbound_url"]) == ("Front desk", "inbound", None)
    assert outdial_json("numbers", "remove", number["id"])["carrier"] == "restored"
    assert simulator.account.number_at(NUMBER).voice_url == ""
    assert outdial_json("numbers", "list") == []


def test_an_account_is_listed_and_changed(outdial, outdial_json, connect, simulator):
    outdial_json("workspaces", "create", "Acme")
    connect("--yes", "--calls-per-second", "2")
    (account,) = outdial_json("accounts", "list")
    assert (account["base_url"], account["calls_per_second"]) == (simulator.base_url, 2)
    change = ("accounts", "change", account["id"])
    changed = outdial_json(*change, "-c", "next_auth_token=@NEXT", "--calls-per-second", "4", env={"NEXT": "next"})
    assert changed == account | {"calls_per_second": 4}
    assert outdial_json(*change, "-c", "next_auth_token=") == changed
    wrong = outdial(*change, "-c", "auth_token=wrong")
    assert "did not accept the credentials" in wrong.exception.message
    assert "mars" not in outdial(*change, "--region", "mars").stdout
    assert account["id"] in outdial("accounts", "list").stdout


def test_a_region_nobody_has_is_refused_before_anything_is_asked(outdial, outdial_json):
    outdial_json("workspaces", "create", "Acme")
    given = ("-c", "account_sid=AC1", "-c", "auth_token=x", "--region", "mars")
    refused = outdial("numbers", "connect", NUMBER, *given)
    assert "ie1 (Ireland)" in refused.exception.message


def test_missing_credentials_are_asked_for_and_nothing_changes_without_a_yes(outdial, outdial_json, simulator):
    outdial_json("workspaces", "create", "Acme")
    config = SimulatorConfig()
    given = f"{config.account_sid}\n{config.auth_token}\n"
    command = ("numbers", "connect", NUMBER, "--carrier-url", simulator.base_url)
    declined = outdial(*command, input=given + "n\n")
    assert "nothing was changed" in str(declined.exception)
    assert simulator.account.number_at(NUMBER).voice_url == ""
    agreed = outdial(*command, input=given + "y\n")
    assert agreed.exit_code == 0
    assert "VoiceUrl will be" in agreed.output
    assert config.auth_token not in agreed.output
    [number] = outdial_json("numbers", "list")
    outdial_json("numbers", "remove", number["id"])


def test_a_number_is_chosen_from_those_the_credentials_list(outdial, outdial_json, simulator):
    outdial_json("workspaces", "create", "Acme")
    first, second = SimulatorConfig().numbers
    given = ("-c", f"account_sid={SimulatorConfig().account_sid}", "-c", "auth_token=@TOKEN")
    command = ("numbers", "connect", "--carrier-url", simulator.base_url, *given)
    chosen = outdial(*command, input="99999\n0004\n1\ny\n", env={"TOKEN": TOKEN})
    assert chosen.exit_code == 0, chosen.output
    assert f"   1  {first}" in chosen.stderr
    assert f"   2  {second}" in chosen.stderr
    assert "No number has 99999 in it." in chosen.stderr
    assert second in chosen.stdout
    refused = outdial(*command, input=f"2\n{first}\ny\n", env={"TOKEN": TOKEN})
    assert f"{second} can't be connected: connected already." in refused.stderr
    assert first in refused.stdout
    full = outdial(*command, env={"TOKEN": TOKEN})
    assert "has no number that could be connected" in str(full.exception)
    for number in outdial_json("numbers", "list"):
        outdial_json("numbers", "remove", number["id"])


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_number_of_the_simulator_needs_no_credentials_typed(outdial, outdial_json, simulator, monkeypatch, carrier):
    monkeypatch.setenv("OUTDIAL_SIMULATOR_URL", simulator.base_url)
    outdial_json("workspaces", "create", "Acme")
    connected = outdial("numbers", "connect", "--simulated", "--carrier", carrier, "--yes", input="2\n")
    assert connected.exit_code == 0, connected.output
    [number] = outdial_json("numbers", "list")
    assert number["carrier"] == carrier
    outdial_json("numbers", "remove", number["id"])


def test_without_a_simulator_nothing_is_simulated(outdial, outdial_json):
    outdial_json("workspaces", "create", "Acme")
    refused = outdial("numbers", "connect", "--simulated")
    assert "runs beside no simulator" in str(refused.exception)


def test_what_the_carrier_refuses_is_told_before_anything_is_asked(outdial, outdial_json, simulator):
    outdial_json("workspaces", "create", "Acme")
    command = ("numbers", "connect", "+15559999999", "--carrier-url", simulator.base_url)
    given = ("-c", f"account_sid={SimulatorConfig().account_sid}", "-c", "auth_token=@TOKEN")
    refused = outdial(*command, *given, env={"TOKEN": SimulatorConfig().auth_token})
    assert isinstance(refused.exception, CommandFailed)
    assert "does not belong to the Twilio account" in str(refused.exception)


def test_a_number_may_be_left_alone_at_its_carrier(outdial_json, connect, simulator):
    outdial_json("workspaces", "create", "Acme")
    number = connect("--outbound-only")
    assert simulator.account.number_at(NUMBER).voice_url == ""
    assert outdial_json("numbers", "remove", number["id"])["carrier"] == "untouched"


@pytest.mark.parametrize("credential", ["account_sid", "=x", "auth_token=@NOT_SET_ANYWHERE"])
def test_a_malformed_credential_is_refused(outdial, credential):
    result = outdial("numbers", "connect", "+15551230002", "-c", credential)
    assert isinstance(result.exception, CommandFailed)


def test_members_come_get_back_in_and_go(outdial, outdial_json):
    outdial_json("workspaces", "create", "Acme")
    boss = outdial_json("members", "invite", "boss@acme.example", "--role", "operator")
    assert (boss["name"], boss["role"]) == ("boss", "operator")
    assert "/sign-in/" in boss["link"]
    outdial_json("members", "invite", "alex@acme.example", "--name", "Alex")
    link = outdial_json("members", "link", "Boss@acme.example")["url"]
    assert "/sign-in/" in link
    assert link != boss["link"]
    assert outdial_json("members", "remove", "alex@acme.example")["name"] == "Alex"
    assert [member["email"] for member in outdial_json("members", "list")] == ["boss@acme.example"]
    assert "last operator" in str(outdial("members", "remove", boss["id"]).exception.message)
    assert isinstance(outdial("members", "link", "nobody@acme.example").exception, CommandFailed)


def test_a_list_of_members_is_empty_at_first(outdial, outdial_json):
    outdial_json("workspaces", "create", "Acme")
    assert "outdial members invite" in outdial("members", "list").stderr


def test_a_lost_secret_key_is_forgotten_only_when_its_price_is_known(outdial):
    refused = outdial("secret-key", "forget")
    assert isinstance(refused.exception, CommandFailed)
    assert "--yes" in str(refused.exception)
    assert "accounts change" in outdial("secret-key", "forget", "--yes").output


def test_a_secret_key_is_replaced_by_another_one(outdial, outdial_json, tmp_path, connect, reminder):
    outdial_json("workspaces", "create", "Acme")
    connect("--yes")
    (before,) = (tmp_path / "secret_key").read_text().split()
    assert isinstance(outdial("secret-key", "rotate").exception, CommandFailed), "there is one key only"
    assert "secret-key rotate" in outdial("secret-key", "new").output
    assert isinstance(outdial("secret-key", "new").exception, CommandFailed), "a rotation is under way"
    assert outdial_json("secret-key", "status")["older"] == 1
    assert isinstance(outdial("secret-key", "drop-old").exception, CommandFailed), "it is needed yet"
    done = outdial("secret-key", "rotate")
    assert (done.exit_code, before in done.output) == (0, False)
    assert outdial_json("secret-key", "status") | {"encrypted": []} == {
        "keys": 2, "newest_in_use": True, "older": 0, "unreadable": 0, "workers_without": [], "encrypted": []
    }
    assert "drop-old" in outdial("secret-key", "status").output
    assert outdial("secret-key", "drop-old").exit_code == 0
    assert before not in (tmp_path / "secret_key").read_text()
    assert outdial_json("secret-key", "status")["keys"] == 1
    [account] = outdial_json("accounts", "list")
    assert outdial("accounts", "change", account["id"], "-c", "auth_token=@TOKEN", env={"TOKEN": TOKEN}).exit_code == 0


def test_what_was_changed_is_told_and_nothing_else(outdial, outdial_json, reminder, connect):
    workspace = outdial_json("workspaces", "create", "Acme")
    agent = outdial_json("agents", "create", reminder, "--publish")
    number = connect("--yes")
    changed = outdial("numbers", "change", number["id"], "--agent", agent["id"], "--name", "Desk", "--draft")
    assert changed.stdout.splitlines() == [
        "Number changed.",
        f"  name           {number['e164']} → Desk",
        f"  agent name     - → {agent['name']}",
        f"  agent id       - → {agent['id']}",
        "  agent version  - → draft",
    ]
    again = outdial("numbers", "change", number["id"], "--name", "Desk")
    assert again.stdout == "Nothing to change: it is so already.\n"
    [account] = outdial_json("accounts", "list")
    changes = ("--calls-per-second", "5", "-c", "auth_token=@TOKEN")
    paced = outdial("accounts", "change", account["id"], *changes, env={"TOKEN": TOKEN})
    assert paced.stdout.splitlines() == [
        "Carrier account changed.",
        "  calls per second  1.0 → 5.0",
        "  auth token        given anew",
    ]
    key = outdial_json("keys", "create", "laptop")
    narrowed = outdial("keys", "change", key["id"], "--scope", "read")
    assert narrowed.stdout.splitlines()[1:] == ["  scope  operator → read"]
    more = outdial("workspaces", "change", workspace["id"], "--lines", "7", "--daily-limit", "none")
    assert more.stdout.splitlines() == [
        "Workspace changed.",
        "  plan         starter → custom",
        "  pool lines   1 → 7",
        "  daily limit  2000 → none",
    ]


def test_an_id_in_a_list_is_whole_however_narrow_the_terminal_is(outdial, outdial_json, reminder, connect, monkeypatch):
    outdial_json("workspaces", "create", "Acme")
    agent = outdial_json("agents", "create", reminder, "--publish")
    number = connect("--agent", agent["id"], "--yes")
    [account] = outdial_json("accounts", "list")
    monkeypatch.setattr(console, "_width", 60)
    listed = outdial("numbers", "list").stdout
    assert number["id"] in listed
    assert number["e164"] in listed
    assert account["account"] in outdial("accounts", "list").stdout
