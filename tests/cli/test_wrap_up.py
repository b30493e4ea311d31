"""outdial calls wrap-up."""

import psycopg
import pytest

from outdial.cli.failures import explanation
from outdial.db.engine import connection_url

CALL = "call_8r5v1kz3m0q4t7w2x9y6"
AGENT = "model: m\ninstructions: Talk.\nafter: {summary: true}\n"


@pytest.fixture
def ended_call(outdial_json, database_url, tmp_path):
    workspace = outdial_json("workspaces", "create", "Acme")
    source = tmp_path / "agent.yaml"
    source.write_text(AGENT)
    agent = outdial_json("agents", "create", str(source), "--name", "Reminder")
    with psycopg.connect(connection_url(database_url)) as connection:
        connection.execute(
            "INSERT INTO calls (id, workspace_id, direction, state, end_reason, \"from\", \"to\", agent_id,"
            " agent_version, ring_timeout_s, max_duration_s)"
            " VALUES (%s, %s, 'outbound', 'ended', 'completed', '+15551230002', '+15551234567', %s, 1, 30, 600)",
            (CALL, workspace["id"], agent["id"]),
        )
        connection.execute(
            "INSERT INTO attempts (id, call_id, number, carrier, state, stream_token_hash)"
            " VALUES ('att_1', %s, 1, 'twilio', 'ended', '')",
            (CALL,),
        )


def test_a_wrap_up_is_made_again_and_twice_without_harm(outdial, outdial_json, ended_call):
    assert outdial_json("calls", "wrap-up", CALL) == {"call_id": CALL, "changed": True}
    assert outdial_json("calls", "wrap-up", CALL) == {"call_id": CALL, "changed": False}
    assert outdial_json("calls", "show", CALL)["wrap_up"]["state"] == "pending"
    assert "no such call" in explanation(outdial("calls", "wrap-up", "call_gone").exception)
