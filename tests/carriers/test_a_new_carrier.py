"""A carrier is a folder and one line: the toy's, which this test alone adds. docs/adding-a-carrier.md tells how."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from carriers.toy.kind import TOY
from carriers.toy_exchange import KEY, NUMBER, ToyExchange
from outdial.agents.store import create_agent
from outdial.app import Running, running
from outdial.carriers.registry import CARRIERS
from outdial.lines.workspace_pools import create_workspace
from outdial.settings import Settings
from outdial.speech.engines import Speech
from outdial.speech.instant import InstantSpeechToText, InstantTextToSpeech
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE

ROOT = Path(__file__).parents[2]
REAL = {name: ROOT / f"src/outdial/carriers/{name}" for name in CARRIERS}
TOYS = Path(__file__).parent / "toy"
GUIDE = (ROOT / "docs/adding-a-carrier.md").read_text()
SCRIPT = """
agent:
  name: Short
start: greeting
steps:
  greeting:
    hang_up: Good day, and goodbye.
"""
NEW = {"carrier": "toy", "e164": NUMBER, "credentials": {"name": "clinic", "key": KEY}, "simulated": True}


@pytest.fixture
async def exchange() -> AsyncIterator[ToyExchange]:
    async with ToyExchange.up() as exchange:
        yield exchange


@pytest.fixture
async def outdial(
    monkeypatch: pytest.MonkeyPatch, database_url: str, exchange: ToyExchange, tmp_path: Path
) -> AsyncIterator[Running]:
    monkeypatch.setitem(CARRIERS, TOY.name, TOY)  # the line
    settings = Settings(database_url=SecretStr(database_url), data_dir=tmp_path, port=0, simulator_url=exchange.url)
    speech = Speech(to_text=InstantSpeechToText(), from_text=InstantTextToSpeech())
    async with running(settings, speech=speech) as outdial:
        yield outdial


@pytest.fixture
async def workspace_id(outdial: Running) -> str:
    return (await create_workspace(outdial.services.engine, name="Clinic", lines=5))["id"]


@pytest.fixture
async def http(outdial: Running, workspace_id: str) -> AsyncIterator[httpx.AsyncClient]:
    key = (await create_api_key(outdial.services.engine, workspace_id, name="Test", by=COMMAND_LINE))["key"]
    headers = {"Authorization": key}
    async with httpx.AsyncClient(base_url=outdial.base_url, headers=headers, trust_env=False, timeout=30) as http:
        yield http


@pytest.fixture
async def number(outdial: Running, workspace_id: str, http: httpx.AsyncClient) -> dict[str, Any]:
    """Of the toy, connected, with an agent on it."""
    engine = outdial.services.engine
    agent = await create_agent(engine, workspace_id, name="Short", source=SCRIPT, publish=True, by=COMMAND_LINE)
    answer = await http.post("/v1/phone-numbers", json=NEW | {"agent_id": agent["id"]})
    assert answer.status_code == 201, answer.text
    number: dict[str, Any] = answer.json()
    return number


async def ended(http: httpx.AsyncClient, call_id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            call: dict[str, Any] = (await http.get(f"/v1/calls/{call_id}")).json()
            if call["state"] == "ended":
                return call
            await asyncio.sleep(0.05)


async def test_what_connecting_a_number_of_a_new_carrier_would_change_is_told(http, exchange):
    account = {name: NEW[name] for name in NEW if name in ("carrier", "credentials", "simulated")}
    theirs = (await http.post("/v1/phone-numbers/owned", json=account)).json()
    assert [each["e164"] for each in theirs["numbers"]] == [NEW["e164"]]
    check = (await http.post("/v1/phone-numbers/check", json=NEW)).json()
    assert (check["answered_by"], check["problems"], exchange.answer) == ("nothing", [], None)
    assert len(check["changes"]) == 1
    wrong = NEW | {"credentials": {"name": "clinic", "key": "wrong"}}
    (problem,) = (await http.post("/v1/phone-numbers/check", json=wrong)).json()["problems"]
    assert problem["code"] == "credentials_refused"
    (problem,) = (await http.post("/v1/phone-numbers/check", json=NEW | {"e164": "+15550000022"})).json()["problems"]
    assert problem["code"] == "number_not_owned"


async def test_a_number_of_a_new_carrier_is_connected_and_put_back(http, exchange, number):
    assert [number["carrier"], number["account"]] == ["toy", "clinic"]
    assert exchange.answer is not None
    (account,) = (await http.get("/v1/carrier-accounts")).json()["carrier_accounts"]
    assert [account["carrier"], account["calls_per_second"]] == ["toy", 50]
    removed = (await http.delete(f"/v1/phone-numbers/{number['id']}")).json()
    assert (removed["carrier"], exchange.answer) == ("restored", None)


async def test_a_call_is_placed_through_a_new_carrier(http, exchange, number):
    placed = await http.post(f"/v1/phone-number/{number['id']}/outbound", json={"to": "+15551230001"})
    call = await ended(http, placed.json()["call_id"])
    assert (call["end_reason"], call["error"]) == ("completed", None)
    (attempt,) = call["attempts"]
    assert (attempt["carrier"], attempt["carrier_call_id"]) == ("toy", "toy-0")
    assert all(attempt[at] for at in ("ringing_at", "answered_at", "ended_at"))
    assert exchange.phones["toy-0"].heard_bytes > 16_000, "the agent was heard"
    told = (await http.get(f"/v1/calls/{call['id']}/callbacks")).json()["callbacks"]
    assert [each["carrier"] for each in told] == ["toy"] * len(told)


async def test_a_new_carriers_callbacks_are_believed_when_it_signed_them(http, exchange, number):
    placed = await http.post(f"/v1/phone-number/{number['id']}/outbound", json={"to": "+15551230001"})
    await ended(http, placed.json()["call_id"])
    url = exchange.phones["toy-0"].asked["tell"]
    told = {"id": 99, "call": "toy-0", "status": "busy"}
    assert (await exchange.tell(url, told, key="forged")).status_code == 403
    assert (await exchange.tell(url, told)).status_code == 204
    assert (await ended(http, placed.json()["call_id"]))["end_reason"] == "completed", "the first end counts"


async def test_a_call_comes_in_through_a_new_carrier(http, exchange, number):
    phone = await exchange.call_in("+15551230007")
    (call,) = (await http.get("/v1/calls")).json()["calls"]
    call = await ended(http, call["id"])
    assert (call["direction"], call["from"], call["end_reason"]) == ("inbound", "+15551230007", "completed")
    assert phone.heard_bytes > 16_000


async def test_a_new_carrier_is_in_the_apis_document(http):
    document = (await http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for name in ("NewNumber", "NumberView", "AccountView"):
        assert schemas[name]["properties"]["carrier"]["enum"] == [*REAL, "toy"]
    unknown = await http.post("/v1/phone-numbers", json=NEW | {"carrier": "acme"})
    assert "must be one of: twilio, vonage, telnyx, toy" in unknown.text


# -- the guide -------------------------------------------------------------------------------------------------


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file() and path.name != "__init__.py"}


def named(heading: str) -> set[str]:
    """The files in the first column of the table under a heading."""
    section = GUIDE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE))


def test_the_toy_has_the_files_that_the_guide_asks_for_and_no_others():
    assert files(TOYS) == named("The folder")


@pytest.mark.parametrize("name", REAL)
def test_every_real_carrier_has_them_too_and_what_else_it_has_the_guide_knows(name):
    assert named("The folder") <= files(REAL[name])
    assert files(REAL[name]) <= named("The folder") | named("More files, where a carrier needs them")


@pytest.mark.parametrize("folder", [TOYS, *REAL.values()], ids=lambda folder: folder.name)
def test_the_readme_of_every_carrier_lists_its_modules(folder):
    listed = set(re.findall(r"^\| `(\w+\.py)` \|", (folder / "README.md").read_text(), re.MULTILINE))
    assert listed == files(folder) - {"README.md"}


def test_what_the_guide_leads_to_is_there():
    for path in re.findall(r"\]\((\.\.?/[^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / path).exists(), path
    for path in re.findall(r"`((?:src|tests|docs)/[\w./]+)`", GUIDE):
        assert (ROOT / path).exists(), path
