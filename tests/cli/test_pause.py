"""outdial pause, resume, and calls: a stop from the terminal."""

import psycopg
import pytest

from outdial.cli.failures import explanation
from outdial.db.engine import connection_url


@pytest.fixture(autouse=True)
def workspace(outdial_json):
    return outdial_json("workspaces", "create", "Acme")


@pytest.fixture
def waiting_call(workspace, outdial_json, connect, database_url):
    """A call that was accepted while dialling is paused."""
    connect("--yes")
    [number] = outdial_json("numbers", "list")
    outdial_json("pause")
    with psycopg.connect(connection_url(database_url)) as connection:
        connection.execute(
            "INSERT INTO calls (id, workspace_id, number_id, direction, state, \"from\", \"to\", ring_timeout_s,"
            " max_duration_s) VALUES (%s, %s, %s, 'outbound', 'queued', %s, '+15551234567', 30, 600)",
            ("call_8r5v1kz3m0q4t7w2x9y6", workspace["id"], number["id"], number["e164"]),
        )
    return "call_8r5v1kz3m0q4t7w2x9y6"


def test_dialling_is_paused_and_resumed_and_both_twice_without_harm(outdial_json):
    first = outdial_json("pause", "--reason", "Wrong list")
    assert (first["paused"], first["changed"], first["by"]) == (True, True, "Command line")
    assert (first["reason"], first["waiting"], first["being_dialled"]) == ("Wrong list", 0, 0)
    assert outdial_json("pause", "--reason", "Another") == first | {"changed": False}
    assert outdial_json("resume") == {"paused": False, "changed": True}
    assert outdial_json("resume") == {"paused": False, "changed": False}


def test_people_are_told_what_comes_next(outdial):
    paused = outdial("pause")
    assert "Dialling is paused." in paused.stdout
    assert "resume" in paused.stderr
    assert "calls cancel-waiting" in paused.stderr
    assert "was paused already" in outdial("pause").stdout
    assert "Dialling goes on." in outdial("resume").stdout


def test_a_number_is_paused_by_itself(outdial, outdial_json, connect):
    connect("--yes")
    [number] = outdial_json("numbers", "list")
    assert outdial_json("pause", "--number", number["id"])["changed"] is True
    [number] = outdial_json("numbers", "list")
    assert number["pause"]["by"]["name"] == "Command line"
    assert outdial_json("workspaces", "list")[0]["pause"] is None
    assert outdial_json("resume", "--number", number["id"])["changed"] is True
    assert "no such phone number" in explanation(outdial("pause", "--number", "num_unknown").exception)


def test_nothing_is_canceled_without_a_yes(outdial, outdial_json, waiting_call):
    assert outdial_json("calls", "cancel-waiting", "--dry-run") == {"canceled": 0, "waiting": 1, "being_dialled": 0}
    refused = outdial("calls", "cancel-waiting", input="n\n")
    assert "1 call waits" in refused.stderr
    assert "nothing was canceled" in explanation(refused.exception)
    assert outdial_json("calls", "show", waiting_call)["waiting_for"]["reason"] == "pause"
    shown = outdial("calls", "show", waiting_call).stdout
    assert "waiting_reason" in shown
    done = outdial_json("calls", "cancel-waiting", "--yes")
    assert done == {"canceled": 1, "waiting": 0, "being_dialled": 0}
    ended = outdial_json("calls", "show", waiting_call)
    assert (ended["end_reason"], ended["ended_by"]) == ("canceled", "operator")
    assert outdial_json("calls", "cancel-waiting", "--yes")["canceled"] == 0


def test_calls_that_could_not_be_canceled_are_told(outdial, waiting_call, database_url):
    with psycopg.connect(connection_url(database_url)) as connection:
        connection.execute("SELECT FROM calls WHERE id = %s FOR UPDATE", (waiting_call,))
        told = outdial("calls", "cancel-waiting", "--yes").stdout
    assert "Not all" in told
    assert "Waiting calls canceled." not in told
