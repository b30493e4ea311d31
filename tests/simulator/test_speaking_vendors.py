"""The vendors' own SDKs judge the simulated voices."""

import asyncio
import base64
import json

import openai
import pytest
from cartesia import AsyncCartesia
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text
from elevenlabs.types import (
    AudioOutputMulti,
    CloseContext,
    FinalOutputMulti,
    InitializeConnectionMulti,
    SendTextMulti,
)
from websockets.asyncio.client import connect

from outdial.media.g711 import ulaw_to_pcm
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import SimulatorConfig, serve
from outdial.speech.elevenlabs.synthesis_codec import ElevenLabsSynthesis
from speech.synthesis.in_memory import WordVoice

# Deepgram's SDK still imports names by which websockets went before.
pytestmark = pytest.mark.filterwarnings("ignore:websockets.*:DeprecationWarning")
SAID = "Good morning, this is Ada."


class Spoken(WordVoice):
    name = "words"

    async def speak(self, text):
        yield await self(text)


@pytest.fixture
async def vendors(tmp_path):
    voice = Spoken()
    async with serve(SimulatorConfig(prompts_dir=tmp_path), callee_voice=voice, agent_voice=voice) as simulator:
        yield simulator, voice


def sockets(simulator):
    return f"ws{simulator.base_url.removeprefix('http')}"


async def test_cartesias_sdk_hears_what_its_simulation_says(vendors):
    simulator, voice = vendors
    client = AsyncCartesia(
        api_key="k",
        base_url=f"{simulator.base_url}/cartesia",
        websocket_base_url=f"{sockets(simulator)}/cartesia",
    )
    async with client, asyncio.timeout(20), client.tts.websocket_connect() as connection:
        context = connection.context(
            model_id="sonic-3",
            voice={"mode": "id", "id": "anna"},
            output_format={"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
            add_timestamps=True,
        )
        await context.push(f"{SAID} ")
        await context.no_more_inputs()
        told = [response async for response in context.receive()]
    assert {one.type for one in told} == {"chunk", "timestamps", "done"}
    assert told[-1].type == "done"
    audio = b"".join(one.audio for one in told if one.type == "chunk")
    assert voice.heard(ulaw_to_pcm(audio)) == SAID.split()
    assert [word for one in told if one.type == "timestamps" for word in one.word_timestamps.words] == SAID.split()


async def test_deepgrams_sdk_hears_what_its_simulation_says_and_is_refused_as_by_deepgram(vendors):
    simulator, voice = vendors
    there = f"{sockets(simulator)}/deepgram"
    environment = DeepgramClientEnvironment(base=there, production=there, agent=there, agent_rest=there)
    client = AsyncDeepgramClient(api_key="k", environment=environment)
    options = {"model": "aura-2-thalia-en", "encoding": "mulaw", "sample_rate": "8000"}
    audio, told = b"", []
    async with asyncio.timeout(20), client.speak.v1.connect(**options) as socket:
        await socket.send_text(SpeakV1Text(text=SAID))
        await socket.send_flush()
        async for message in socket:
            if isinstance(message, bytes):
                audio += message
                continue
            told.append(message.type)
            if message.type == "Flushed":
                await socket.send_close()
    assert told == ["Metadata", "Flushed"]
    assert voice.heard(ulaw_to_pcm(audio)) == SAID.split()
    simulator.network.faults.add(Fault(kind=FaultKind.VOICE_THROTTLED, vendor="deepgram", count=1))
    with pytest.raises(ApiError) as refused:
        async with client.speak.v1.connect(**options):
            pass
    assert refused.value.status_code == 429


async def test_openais_sdk_hears_what_its_simulation_says_and_is_refused_as_by_openai(vendors):
    simulator, voice = vendors
    client = openai.AsyncOpenAI(api_key="k", base_url=f"{simulator.base_url}/openai/v1", max_retries=0)
    asked = {"model": "gpt-4o-mini-tts", "voice": "marin", "input": SAID, "response_format": "pcm"}
    async with client, client.audio.speech.with_streaming_response.create(**asked) as answer:
        audio = b"".join([piece async for piece in answer.iter_bytes()])
    at_8_khz = b"".join(audio[at : at + 2] for at in range(0, len(audio) - 5, 6))  # every third sample
    assert voice.heard(at_8_khz) == SAID.split()
    simulator.network.faults.add(Fault(kind=FaultKind.VOICE_OUT_OF_QUOTA, vendor="openai", count=1))
    async with openai.AsyncOpenAI(api_key="k", base_url=f"{simulator.base_url}/openai/v1", max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            await client.audio.speech.create(**asked)
    assert refused.value.code == "insufficient_quota"


async def test_what_elevenlabs_sends_and_is_sent_is_of_its_sdks_types(vendors):
    simulator, voice = vendors
    codec = ElevenLabsSynthesis({"voice_settings": {"stability": 0.5}})
    codec.begin()
    first, text = codec.text(f"{SAID} ")
    [close] = codec.end()
    assert InitializeConnectionMulti.model_validate_json(first).context_id == "turn-1"
    assert SendTextMulti.model_validate_json(text).flush is True
    assert CloseContext.model_validate_json(close).close_context is True
    url = f"{sockets(simulator)}/elevenlabs/v1/text-to-speech/anna/multi-stream-input?output_format=ulaw_8000"
    async with asyncio.timeout(20), connect(url, additional_headers={"xi-api-key": "k"}) as socket:
        for message in (first, text, close):
            await socket.send(message)
        audio = b""
        async for message in socket:
            if json.loads(message)["audio"] is None:
                final = FinalOutputMulti.model_validate_json(message)
                break
            piece = AudioOutputMulti.model_validate_json(message)
            assert piece.context_id == "turn-1"
            audio += base64.b64decode(piece.audio)
    assert (final.is_final, final.context_id) == (True, "turn-1")
    assert voice.heard(ulaw_to_pcm(audio)) == SAID.split()
