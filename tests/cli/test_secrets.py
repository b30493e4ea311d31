"""outdial secrets: the value comes from stdin, and is shown to nobody."""

import psycopg
import pytest

from outdial.cli.failures import explanation

VALUE = "wk-2f9d0c-and-more"


@pytest.fixture(autouse=True)
def workspace(outdial_json):
    return outdial_json("workspaces", "create", "Acme")


def test_a_secret_is_set_from_stdin_listed_and_removed(outdial, outdial_json):
    made = outdial("secrets", "set", "weather_key", "--host", "api.weather.example", input=f"{VALUE}\n")
    assert made.exit_code == 0
    replaced = outdial_json("secrets", "set", "weather_key", input=VALUE)
    assert (replaced["added"], replaced["hosts"]) == (False, None)
    listed = outdial("secrets", "list")
    assert "weather_key" in listed.stdout
    assert VALUE not in made.output + str(replaced) + listed.output
    (one,) = outdial_json("secrets", "list")
    assert (one["name"], one["readable"], one["used_by"]) == ("weather_key", True, [])
    assert outdial("secrets", "remove", "weather_key").exit_code == 0
    assert outdial_json("secrets", "list") == []


def test_a_secret_that_agents_name_is_removed_by_who_says_so(outdial, outdial_json, tmp_path, database_url):
    outdial("secrets", "set", "weather_key", input=VALUE)
    (tmp_path / "agent.yaml").write_text("steps: {a: {hang_up: Goodbye.}}")
    outdial_json("agents", "create", str(tmp_path / "agent.yaml"), "--name", "Front desk")
    with psycopg.connect(database_url) as conn:
        conn.execute("UPDATE agent_versions SET source = %s", ['headers: {key: "{secret:weather_key}"}'])
    assert "would fail: Front desk" in explanation(outdial("secrets", "remove", "weather_key").exception)
    assert outdial("secrets", "remove", "weather_key", "--yes").exit_code == 0


@pytest.mark.parametrize(("name", "value"), [("Weather", VALUE), ("weather", "")])
def test_what_can_not_be_kept_is_refused_in_words(outdial, name, value):
    refused = outdial("secrets", "set", name, input=value)
    assert refused.exit_code != 0
    assert VALUE not in refused.output
