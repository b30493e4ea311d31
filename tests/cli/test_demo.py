import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_server import model_server
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.llm.parse import parse_llm
from outdial.agents.script.examples import load_example
from outdial.cli.call import variables
from outdial.cli.demo_model import DOLLARS_A_CALL, DemoModel, chosen_model, with_servers
from outdial.cli.demo_setup import asked_of
from outdial.cli.demo_summary import judge
from outdial.cli.failures import CommandFailed
from outdial.cli.processes import a_free_port
from outdial.cli.simulator import accounts
from outdial.simulator.server import SimulatorConfig

GOOD: dict[str, Any] = {
    "to": "+12025550100",
    "end_reason": "completed",
    "error": None,
    "message_delivered": None,
    "transcript": [{"speaker": "agent", "text": "Hello."}, {"speaker": "callee", "text": "Hi."}],
}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="outdial-test-") as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL runs as another user
        yield Path(folder)


def run_demo(data_dir: Path, *args: str) -> tuple[int, list[dict[str, Any]]]:
    """The port it was given, and what it printed."""
    port = a_free_port("127.0.0.1", 0)
    result = subprocess.run(
        [sys.executable, "-m", "outdial", "demo", "--once", "--json", *args],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OUTDIAL_DATA_DIR": str(data_dir),
            "OUTDIAL_PORT": str(port),
            "OUTDIAL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/production",  # never touched by a demo
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return port, [json.loads(line) for line in result.stdout.splitlines()]


def test_the_demo_comes_up_calls_and_ends(data_dir):
    """A busy callee: the whole path through API, dispatcher, carrier and callbacks, without half a minute of talk."""
    port, [ready, *events, call] = run_demo(data_dir, "--to", "+12025550103")
    assert ready["event"] == "ready"
    assert ready["base_url"] == f"http://127.0.0.1:{port}"
    assert set(ready) == {"event", "base_url", "api_key", "numbers", "simulator_url", "dashboard_url"}
    assert ready["dashboard_url"].startswith(f"{ready['base_url']}/sign-in/")
    assert list(ready["numbers"]) == ["twilio", "vonage", "telnyx"]
    assert call["number_id"] == ready["numbers"]["twilio"]
    assert [event["state"] for event in events if event["event"] == "state"][-2:] == ["ringing", "ended"]
    assert (call["event"], call["end_reason"]) == ("call", "busy")
    assert not (data_dir / "demo" / "postgres" / "cluster" / "postmaster.pid").exists()


def test_a_later_demo_keeps_its_numbers_and_calls_from_any_carriers(data_dir):
    """Also when the simulator has other keys than last time, as it has with every start."""
    known = None
    for carrier in ("vonage", "telnyx"):
        _, [ready, *_, call] = run_demo(data_dir, "--to", "+12025550103", "--carrier", carrier)
        known = known or ready["numbers"]
        assert ready["numbers"] == known
        assert (call["number_id"], call["end_reason"]) == (known[carrier], "busy")


def test_a_model_talks_in_the_demo_without_a_key(data_dir):
    """A whole call: greeting, several turns with the simulator's model, outcome and goodbye."""
    _, [ready, *events, call] = run_demo(data_dir, "--agent", "llm")
    assert ready["model"] == {
        "name": "simulated-reminder",
        "base_url": f"{ready['simulator_url']}/model/v1",
        "stand_in": True,
    }
    assert (call["outcome"], call["end_reason"]) == ("confirmed", "completed")
    assert call["ended_by"] in ("agent", "callee")  # whoever is quicker after the goodbye
    said = [turn["text"] for turn in call["transcript"] if turn["speaker"] == "agent"]
    assert said[0] == "Hello, this is the automated assistant of Riverside Dental. Am I speaking with Jane?"
    assert len([event for event in events if event["event"] == "model"]) >= 2
    assert [event["tool"] for event in events if event["event"] == "tool"] == ["hang_up"]


async def test_a_real_model_is_only_asked_where_somebody_agrees():
    """Before anything is started; its server is asked for its models' names alone."""
    async with model_server() as simulator:
        url = f"{simulator.base_url}/model/v1"
        with pytest.raises(CommandFailed, match="say --yes"):
            await chosen_model(f"{url}/simulated-reminder", {}, yes=False)
        chosen = await chosen_model(url, {url: "k"}, yes=True)
        assert chosen.name == ModelName(name="simulated-reminder", base_url=url)
        assert (chosen.server, chosen.key) == (url, "k")
        assert not chosen.is_stand_in
        assert "may cost money" in chosen.words
        assert list(simulator.model.asked) == []
    assert "a stand-in" in (await chosen_model(None, {}, yes=False)).words


async def test_the_demos_server_has_the_key_of_the_model_that_was_agreed_to_and_no_other():
    def servers(model):
        env = with_servers({"HOME": "/", "OPENAI_API_KEY": "sk", "GROQ_API_KEY": "g"}, model, "http://s")
        return json.loads(env.pop("OUTDIAL_MODEL_SERVERS")), sorted(env)

    assert servers(None) == ({"http://s/model/v1": ""}, ["HOME"])
    assert servers(await chosen_model(None, {}, yes=False)) == ({"http://s/model/v1": ""}, ["HOME"])
    named = DemoModel(name=ModelName(name="m"), is_stand_in=False, server="http://a/v1", key="k")
    assert servers(named) == ({"http://s/model/v1": "", "http://a/v1": "k"}, ["HOME"])
    vendors = DemoModel(name=ModelName(name="groq:m"), is_stand_in=False)
    assert servers(vendors) == ({"http://s/model/v1": ""}, ["GROQ_API_KEY", "HOME", "OPENAI_API_KEY"])


def test_the_demos_agent_has_the_model_that_is_wanted_and_no_other():
    source = asked_of(load_example("model_reminder") + "fallback: other\n", ModelName(name="m", base_url="http://a/v1"))
    assert [(one.name, one.base_url) for one in parse_llm(source).models] == [("m", "http://a/v1")]
    assert parse_llm(asked_of(source, ModelName(name="openai:gpt"))).models == (ModelName(name="openai:gpt"),)
    assert asked_of(source, ModelName(name="m", base_url="http://a/v1")) == source
    assert parse_llm(source).limits.dollars == DOLLARS_A_CALL


def test_the_simulator_names_the_accounts_of_all_three_carriers():
    config = SimulatorConfig()
    shown = "\n".join(accounts(config, "http://127.0.0.1:8090"))
    for known in (config.account_sid, config.vonage.api_key, config.telnyx.connection_id):
        assert known in shown
    for number in (*config.numbers, *config.vonage.numbers, *config.telnyx.numbers):
        assert number in shown


def test_a_call_as_it_should_be_has_no_faults(tmp_path):
    recording = tmp_path / "call.wav"
    recording.write_bytes(b"RIFF")
    assert judge(GOOD, recording, amd=True) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"end_reason": "failed", "error": {"message": "No funds."}}, "it ended failed: No funds."),
        ({"transcript": GOOD["transcript"][:1]}, "the callee was not heard"),
        ({}, "there is no recording"),
    ],
)
def test_what_went_wrong_is_named(changes, fault):
    assert fault in judge({**GOOD, **changes}, None, amd=True)


def test_a_machine_is_hung_up_on_where_it_is_known_to_be_one():
    call = {**GOOD, "to": "+12025550105", "end_reason": "machine"}
    assert judge(call, None, amd=True) == []
    assert judge(call, None, amd=False) == ["it ended machine"]
    assert judge({**call, "answered_by": {"category": "machine", "evidence": ["words"]}}, None, amd=False) == []
    left = {**call, "end_reason": "completed", "message_delivered": True}
    assert judge(left, None, amd=True) == []
    assert judge({**left, "message_delivered": False}, None, amd=True) == ["it ended completed"]


def test_variables_are_pairs():
    assert variables(["user_name=Jane", "note=a=b", "empty="]) == {"user_name": "Jane", "note": "a=b", "empty": ""}
    for wrong in ("user_name", "=Jane", ""):
        with pytest.raises(CommandFailed):
            variables([wrong])
