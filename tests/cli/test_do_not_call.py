"""outdial do-not-call, and what commands say after a call whose callee asked not to be called again."""

import asyncio

import httpx
import pytest

from outdial.carriers.registry import default_carrier
from outdial.cli.api_client import ApiClient
from outdial.cli.demo import Wish, _Demo
from outdial.cli.demo_home import only_demo
from outdial.cli.demo_setup import DemoSetup
from outdial.cli.failures import CommandFailed, explanation
from outdial.cli.narration import no_more_calls
from outdial.settings import Settings

LISTED = "+12025550115"


@pytest.fixture(autouse=True)
def _workspace(outdial_json):
    outdial_json("workspaces", "create", "Acme")


def test_a_number_is_added_listed_and_taken_off(outdial, outdial_json):
    added = outdial_json("do-not-call", "add", "+1 (202) 555-0115", "--reason", "Asked by mail")
    assert (added["number"], added["source"], added["added"], added["canceled"]) == (LISTED, "cli", True, 0)
    assert added["by"]["kind"] == "command_line"
    assert outdial_json("do-not-call", "add", LISTED)["added"] is False
    (listed,) = outdial_json("do-not-call", "list")
    assert (listed["number"], listed["reason"]) == (LISTED, "Asked by mail")
    assert LISTED in outdial("do-not-call", "list", "5550115").stdout
    assert outdial_json("do-not-call", "list", "+44") == []
    removed = outdial("do-not-call", "remove", LISTED)
    assert removed.exit_code == 0
    assert "may be called again" in removed.stdout
    assert outdial_json("do-not-call", "list") == []


def test_a_number_that_is_not_listed_or_is_none_is_told(outdial):
    assert "not on the do-not-call list" in explanation(outdial("do-not-call", "remove", LISTED).exception)
    assert "the number must be an E.164 number" in explanation(outdial("do-not-call", "add", "2025550115").exception)


def test_a_file_is_imported_and_its_faults_are_told(outdial, outdial_json, tmp_path):
    file = tmp_path / "numbers.csv"
    file.write_text(f"number,reason\n{LISTED},moved\n12\n{LISTED}\n")
    done = outdial("do-not-call", "import", str(file))
    assert done.exit_code == 0
    assert "1 added, 1 there already, 1 refused" in done.stdout
    assert "Line 3: must be an E.164 number" in done.stderr
    report = outdial_json("do-not-call", "import", str(file))
    assert (report["added"], report["already_there"], report["refused"]) == (0, 2, 1)


def test_where_nothing_but_a_demo_was_started_its_list_is_meant(tmp_path):
    settings = Settings(data_dir=tmp_path, database_url=None)
    assert only_demo(settings) is None
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "lock").touch()
    (tmp_path / "demo-2").mkdir()
    demo = only_demo(settings)
    assert demo is not None
    assert demo.data_dir == tmp_path / "demo"
    assert only_demo(Settings(data_dir=tmp_path, database_url="postgresql://elsewhere/x")) is None
    (tmp_path / "secret_key").touch()
    assert only_demo(settings) is None


CALL = {"to": LISTED, "direction": "outbound", "variables": {}, "noted": {"do_not_call": True}}


@pytest.mark.parametrize(
    "call",
    [
        CALL | {"noted": {}},
        CALL | {"noted": {"do_not_call": "true"}},
        CALL | {"direction": "inbound"},
        CALL | {"noted": {}, "variables": {"do_not_call": True}},  # somebody sent it
    ],
)
def test_other_calls_are_not_talked_about(call):
    assert no_more_calls(call) is None


def test_after_such_a_call_the_way_back_is_told():
    assert f"outdial do-not-call remove {LISTED}" in no_more_calls(CALL)


def refusing(request: httpx.Request) -> httpx.Response:
    return httpx.Response(409, json={"code": "do_not_call", "message": f"{LISTED} is on the list."})


async def demo_of(tmp_path, *, json=False):
    settings = Settings(data_dir=tmp_path, port=8099, database_url=None)
    carrier = default_carrier().name
    wish = Wish(carrier=carrier, to=LISTED, amd=False, once=False, json=json, no_call=False, open=False)
    made = DemoSetup(workspace_id="ws_1", api_key="od_1", numbers={carrier: "num_1"}, dashboard_url="")
    client = ApiClient("http://127.0.0.1:1", "od_1", transport=httpx.MockTransport(refusing))
    try:
        return await _Demo(settings, wish)._call(client, made, None, asyncio.Event())
    finally:
        await client.aclose()


def test_a_demo_that_is_refused_says_where_its_list_is_and_stays_up(tmp_path, capsys):
    faults = asyncio.run(demo_of(tmp_path))
    assert faults == [f"{LISTED} is on the list."]
    told = capsys.readouterr().out
    assert "http://127.0.0.1:8099/do-not-call?number=%2B12025550115" in told
    assert f"OUTDIAL_DATA_DIR={tmp_path} outdial do-not-call remove {LISTED}" in told


def test_a_demo_that_speaks_json_fails_with_the_server_s_words(tmp_path):
    with pytest.raises(CommandFailed, match="is on the list") as refused:
        asyncio.run(demo_of(tmp_path, json=True))
    assert refused.value.code == "do_not_call"
