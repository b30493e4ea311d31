"""outdial destinations, and the daily limit of a workspace."""

import pytest

from outdial.cli.failures import explanation


@pytest.fixture(autouse=True)
def workspace(outdial_json):
    return outdial_json("workspaces", "create", "Acme")


def test_destinations_are_allowed_listed_and_taken_away(outdial, outdial_json):
    assert outdial_json("destinations", "list") == []
    added = outdial_json("destinations", "allow", "de")
    assert (added["destination"], added["calling_code"], added["source"], added["added"]) == ("DE", "+49", "cli", True)
    assert outdial_json("destinations", "allow", "DE")["added"] is False
    warned = outdial("destinations", "allow", "+1900")
    assert warned.exit_code == 0
    assert "premium numbers" in warned.stderr
    assert [one["destination"] for one in outdial_json("destinations", "list")] == ["DE", "+1900"]
    assert outdial("destinations", "remove", "DE").exit_code == 0
    assert [one["destination"] for one in outdial_json("destinations", "list")] == ["+1900"]
    assert "not among" in explanation(outdial("destinations", "remove", "DE").exception)
    assert "the destination must be a country" in explanation(outdial("destinations", "allow", "Germany").exception)


def test_a_connected_number_brings_its_country(outdial_json, connect):
    connect("--yes")
    [brought] = outdial_json("destinations", "list")
    assert (brought["destination"], brought["source"], brought["only_account"]) == ("US", "number", None)


def test_the_daily_limit_is_changed_and_taken_off(outdial, outdial_json, workspace):
    def change(limit):
        return outdial_json("workspaces", "change", workspace["id"], "--daily-limit", limit)["daily_limit"]

    assert outdial_json("workspaces", "change", workspace["id"], "--lines", "3")["daily_limit"] == 2000
    assert change("5000") == 5000
    assert change("none") == "none"
    refused = outdial("workspaces", "change", workspace["id"], "--daily-limit", "many")
    assert "a number of calls, or: none" in explanation(refused.exception)
