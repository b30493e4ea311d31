"""outdial alerts: rules changed and undone, who is told, a test e-mail."""

import pytest

from outdial.cli.failures import explanation


@pytest.fixture(autouse=True)
def workspace(outdial_json):
    return outdial_json("workspaces", "create", "Acme")


def test_rules_are_listed_changed_undone_added_and_removed(outdial, outdial_json):
    assert outdial_json("alerts", "list") == []
    assert len(outdial_json("alerts", "rules")) == 10
    changed = outdial_json("alerts", "change", "answer_rate", "--threshold", "0.05", "--window-min", "120", "--off")
    assert (changed["threshold"], changed["window_min"], changed["enabled"]) == (0.05, 120, False)
    assert outdial_json("alerts", "undo", "answer_rate")["threshold"] == 0.1
    added = outdial_json("alerts", "add", "failure_share", "--code", "blocked", "--threshold", "0.05")
    assert outdial("alerts", "remove", added["id"]).exit_code == 0
    assert len(outdial_json("alerts", "rules")) == 10
    assert outdial_json("alerts", "undo", added["id"])["code"] == "blocked"


def test_who_is_told_is_shown_and_changed(outdial, outdial_json):
    assert "nobody" in outdial("alerts", "email").stdout
    told = outdial_json("alerts", "email", "--to", "ops@example.com", "--quiet", "22:00-07:00")
    assert (told["emails"], told["quiet"]) == (["ops@example.com"], {"starts": "22:00", "ends": "07:00"})
    assert outdial_json("alerts", "email", "--nobody", "--quiet", "")["quiet"] is None


def test_a_test_without_a_mail_server_says_what_to_set(outdial):
    tried = outdial("alerts", "test", "--to", "ops@example.com")
    assert "OUTDIAL_SMTP_URL" in explanation(tried.exception)


def test_a_test_to_a_server_that_is_away_fails_in_words_without_the_password(outdial, monkeypatch):
    monkeypatch.setenv("OUTDIAL_SMTP_URL", "smtps://u:hunter2@127.0.0.1:1")
    monkeypatch.setenv("OUTDIAL_SMTP_SENDER", "alerts@example.com")
    tried = outdial("alerts", "test", "--to", "ops@example.com")
    assert tried.exit_code == 1
    assert "can't be reached" in tried.output
    assert "hunter2" not in tried.output
