"""Which speech vendors there are for a workspace, and whether its keys work, against simulated vendors."""

import json
from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from outdial.agents.previews import Previews
from outdial.db.spend_tables import spend_limits
from outdial.settings import Settings
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import SimulatorConfig, serve
from outdial.speech.instant import InstantTextToSpeech
from speech.recognition.callee import WordEars
from speech.synthesis.in_memory import WordVoice

RECOGNISING = {"deepgram": "deepgram", "assemblyai": "assemblyai", "openai": "openai/v1"}
SPEAKING = {"deepgram": "deepgram", "cartesia": "cartesia", "elevenlabs": "elevenlabs", "openai": "openai/v1"}


class Tone:
    name = "tone"

    async def speak(self, text):
        yield bytes(1600)


@pytest.fixture
async def simulator(tmp_path):
    config = SimulatorConfig(prompts_dir=tmp_path)
    async with serve(config, vendors_ears=WordEars(WordVoice()), agent_voice=Tone(), callee_voice=Tone()) as simulator:
        yield simulator


@pytest.fixture
def settings(tmp_path, simulator) -> Settings:
    there = {name: {"url": f"{simulator.base_url}/{path}"} for name, path in (RECOGNISING | SPEAKING).items()}
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


async def test_the_key_of_a_model_that_speaks_itself_is_checked(client, simulator):
    async def check(**query):
        return (await client.post("/v1/speech-vendors/openai/check", params={"part": "realtime", **query})).json()

    await client.put("/v1/secrets/openai_api_key", json={"value": "k"})
    done = await check()
    assert (done["works"], done["part"], done["model"]) == (True, "realtime", "gpt-realtime")
    simulator.network.faults.add(Fault(kind=FaultKind.REALTIME_UNAUTHORIZED, count=1))
    refused = await check(model="gpt-realtime-mini")
    assert (refused["works"], refused["fault"], refused["code"]) == (False, "unauthorized", "invalid_api_key")
    assert (await client.post("/v1/speech-vendors/deepgram/check?part=realtime")).status_code == 422


async def test_who_is_no_vendor_of_recognition_is_refused(client):
    unknown = await client.post("/v1/speech-vendors/acme/check")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "speech_vendor_not_found")
    for vendor, part in (("cartesia", "recognition"), ("assemblyai", "voice")):
        answer = await client.post(f"/v1/speech-vendors/{vendor}/check", params={"part": part})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "part"), vendor


async def test_a_vendor_with_voices_is_asked_to_say_a_word(client, simulator):
    async def check(vendor, **query):
        return (await client.post(f"/v1/speech-vendors/{vendor}/check", params=query)).json()

    missing = await check("cartesia")
    assert (missing["part"], missing["works"], missing["fault"]) == ("voice", False, "unauthorized")
    for vendor in SPEAKING:
        await client.put(f"/v1/secrets/{vendor}_api_key", json={"value": "k"})
        found = await check(vendor, part="voice")
        assert (found["part"], found["works"], found["fault"]) == ("voice", True, None), vendor
    assert (await check("deepgram", voice="aura-2-lara-de"))["voice"] == "aura-2-lara-de"
    for kind, fault in ((FaultKind.VOICE_UNAUTHORIZED, "unauthorized"), (FaultKind.VOICE_THROTTLED, "busy")):
        simulator.network.faults.add(Fault(kind=kind))
        for vendor in SPEAKING:
            refused = await check(vendor, part="voice")
            assert (refused["works"], refused["fault"]) == (False, fault), (vendor, kind)
        simulator.network.faults.clear()


async def test_a_vendor_s_key_is_used_by_agents_that_speak_or_listen_with_it(client):
    for vendor in ("cartesia", "deepgram"):
        await client.put(f"/v1/secrets/{vendor}_api_key", json={"value": "k"})
    source = "agent: {voice: cartesia/v-1, recognition: deepgram/nova-3}\nsteps: {a: {hang_up: Bye.}}\n"
    await client.post("/v1/agents", json={"name": "Front desk", "source": source})
    await client.post("/v1/agents", json={"name": "Offline", "source": "steps: {a: {hang_up: 'His voice: low.'}}"})
    relay = "relay: {url: 'wss://brain.example/relay', languages: {es: {voice: cartesia/v-2}}}\n"
    await client.post("/v1/agents", json={"name": "In Spanish", "source": relay})
    secrets = (await client.get("/v1/secrets")).json()["secrets"]
    assert {one["name"]: [agent["name"] for agent in one["used_by"]] for one in secrets} == {
        "cartesia_api_key": ["Front desk", "In Spanish"],
        "deepgram_api_key": ["Front desk"],
    }


async def test_a_vendors_voice_is_heard_before_an_agent_has_it(client, app, services, simulator):
    app.state.services = replace(services, previews=Previews(InstantTextToSpeech(), per_minute=4))

    async def hear(voice, text="Guten Tag, {name|Sie}.", **rest):
        return await client.post("/v1/agents/preview-voice", json={"voice": voice, "text": text, **rest})

    keyless = await hear("deepgram/aura-2-lara-de")
    assert (keyless.status_code, keyless.json()["code"]) == (503, "voice_unavailable")
    assert "unauthorized" in keyless.json()["detail"]
    await client.put("/v1/secrets/deepgram_api_key", json={"value": "k"})
    heard = await hear("deepgram/aura-2-lara-de", language="de-DE")
    assert (heard.status_code, heard.headers["content-type"], heard.content[:4]) == (200, "audio/wav", b"RIFF")
    for voice, field in (("acme/x", "voice"), ("assemblyai/x", "voice"), ("deepgram", "voice")):
        answer = await hear(voice)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), voice
    assert (await hear("deepgram/aura-2-lara-de", text="a" * 501)).status_code == 422
    assert [(await hear("deepgram/aura-2-lara-de")).status_code for _ in range(3)][-1] == 429


async def test_previews_count_for_the_spend_limit_and_are_refused_beyond_it(client, app, services, settings, tenant):
    there = json.loads(settings.speech_vendors.get_secret_value())
    there["deepgram"]["prices"] = {"voice": 0.5}
    priced = settings.model_copy(update={"speech_vendors": SecretStr(json.dumps(there))})
    app.state.services = replace(services, settings=priced, previews=Previews(InstantTextToSpeech(), per_minute=9))
    await client.put("/v1/secrets/deepgram_api_key", json={"value": "k"})

    async def hear():
        prompt = {"voice": "deepgram/aura-2-lara-de", "language": "de-DE", "text": "Guten Tag."}
        return await client.post("/v1/agents/preview-voice", json=prompt)

    assert (await hear()).status_code == 200
    assert (await client.get("/v1/spend-limit")).json()["used"]["dollars"] == 0.005
    async with services.engine.begin() as conn:
        await conn.execute(insert(spend_limits).values(workspace_id=tenant.workspace_id, dollars=0.005))
    refused = await hear()
    assert (refused.status_code, refused.json()["code"]) == (429, "spend_limit")
    assert "spend limit" in refused.json()["detail"]
    assert int(refused.headers["retry-after"]) > 0
    assert (await client.get("/v1/spend-limit")).json()["used"]["dollars"] == 0.005
