"""Which speech vendors there are for a workspace, and whether its keys work, against simulated vendors."""

import json

import pytest
from pydantic import SecretStr

from outdial.settings import Settings
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import SimulatorConfig, serve
from speech.recognition.callee import WordEars
from speech.synthesis.in_memory import WordVoice

RECOGNISING = {"deepgram": "deepgram", "assemblyai": "assemblyai", "openai": "openai/v1"}


@pytest.fixture
async def simulator(tmp_path):
    async with serve(SimulatorConfig(prompts_dir=tmp_path), vendors_ears=WordEars(WordVoice())) as simulator:
        yield simulator


@pytest.fixture
def settings(tmp_path, simulator) -> Settings:
    there = {name: {"url": f"{simulator.base_url}/{path}"} for name, path in RECOGNISING.items()}
    return Settings(
        data_dir=tmp_path, public_url="https://voice.example", speech_vendors=SecretStr(json.dumps(there))
    )


async def test_a_vendor_is_listed_with_the_secret_that_is_its_key(client):
    def deepgram(answer):
        return next(one for one in answer.json()["vendors"] if one["name"] == "deepgram")

    before = deepgram(await client.get("/v1/speech-vendors"))
    assert (before["secret"], before["has_key"], before["recognition"]) == ("deepgram_api_key", False, True)
    await client.put("/v1/secrets/deepgram_api_key", json={"value": "k"})
    assert deepgram(await client.get("/v1/speech-vendors"))["has_key"]


async def test_a_key_is_checked_where_it_is_used(client, simulator):
    async def check(vendor, **query):
        return (await client.post(f"/v1/speech-vendors/{vendor}/check", params=query)).json()

    missing = await check("deepgram")
    assert (missing["works"], missing["fault"], missing["code"]) == (False, "unauthorized", "no_key")
    for vendor in RECOGNISING:
        await client.put(f"/v1/secrets/{vendor}_api_key", json={"value": "k"})
        assert (await check(vendor))["works"], vendor
    assert (await check("deepgram", model="flux-general-en"))["works"]
    simulator.network.faults.add(Fault(kind=FaultKind.HEARING_ERROR, status=402))
    for vendor in ("deepgram", "assemblyai"):
        refused = await check(vendor)
        assert (refused["works"], refused["fault"]) == (False, "no_credit"), vendor


async def test_who_is_no_vendor_of_recognition_is_refused(client):
    unknown = await client.post("/v1/speech-vendors/acme/check")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "speech_vendor_not_found")
    voice = await client.post("/v1/speech-vendors/cartesia/check")
    assert (voice.status_code, voice.json()["errors"][0]["field"]) == (422, "vendor")
