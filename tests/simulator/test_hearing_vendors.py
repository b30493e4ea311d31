"""The vendors' own SDKs judge the simulated recognisers."""

import asyncio
import io
import wave

import openai
import pytest
from assemblyai.streaming.v3 import (
    AsyncRealTimeTranscriber,
    RealTimeEvents,
    RealTimeParameters,
    RealTimeTranscriberOptions,
)
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

from outdial.media.g711 import pcm_to_ulaw
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import SimulatorConfig, serve
from speech.recognition.callee import WordEars, plain
from speech.synthesis.in_memory import WordVoice

# Deepgram's SDK still imports names by which websockets went before.
pytestmark = pytest.mark.filterwarnings("ignore:websockets.*:DeprecationWarning")
SAID = "I would like to move my appointment"
SILENCE = b"\xff" * 8 * 2000


@pytest.fixture
async def vendors(tmp_path):
    """Where they are, and a phone's audio that they understand."""
    voice = WordVoice()
    config = SimulatorConfig(prompts_dir=tmp_path)
    async with serve(config, callee_voice=None, vendors_ears=WordEars(voice, takes_s=0.0)) as simulator:
        yield simulator, await voice(SAID)


def deepgram(simulator, key="k"):
    there = f"ws{simulator.base_url.removeprefix('http')}/deepgram"
    environment = DeepgramClientEnvironment(base=there, production=there, agent=there, agent_rest=there)
    return AsyncDeepgramClient(api_key=key, environment=environment)


async def heard_by_deepgram(socket, pcm):
    audio = pcm_to_ulaw(pcm) + SILENCE
    for at in range(0, len(audio), 640):
        await socket.send_media(audio[at : at + 640])
        await asyncio.sleep(0.01)  # eight times as fast as a phone
    await socket.send_close_stream()
    async with asyncio.timeout(30):
        return [message async for message in socket]


async def test_deepgrams_sdk_reads_what_a_simulated_nova_says(vendors):
    simulator, pcm = vendors
    options = {"model": "nova-3", "encoding": "mulaw", "sample_rate": "8000", "interim_results": "true"}
    async with deepgram(simulator).listen.v1.connect(**options) as socket:
        await socket.send_keep_alive()
        told = await heard_by_deepgram(socket, pcm)
    results = [one for one in told if one.type == "Results"]
    final = [one for one in results if one.is_final]
    assert any(not one.is_final for one in results)
    assert " ".join(filter(None, (one.channel.alternatives[0].transcript for one in final))) == plain(SAID)
    words = [word for one in final for word in one.channel.alternatives[0].words]
    assert [word.word for word in words] == plain(SAID).split()
    assert all(0 <= word.start < word.end for word in words)
    assert told[-1].type == "Metadata"
    assert told[-1].duration == pytest.approx(len(pcm) / 16000 + 2, abs=0.1)


async def test_deepgrams_sdk_reads_what_a_simulated_flux_says(vendors):
    simulator, pcm = vendors
    options = {"model": "flux-general-en", "encoding": "mulaw", "sample_rate": "8000", "eager_eot_threshold": "0.4"}
    async with deepgram(simulator).listen.v2.connect(**options) as socket:
        told = await heard_by_deepgram(socket, pcm)
    assert told[0].type == "Connected"
    assert [one.sequence_id for one in told] == list(range(len(told)))
    turns = [one for one in told if one.type == "TurnInfo"]
    events = [one.event for one in turns if one.event != "Update"]
    assert events[0] == "StartOfTurn"
    assert events[-2:] == ["EagerEndOfTurn", "EndOfTurn"]
    ended = next(one for one in turns if one.event == "EndOfTurn")
    eager = [one for one in turns if one.event == "EagerEndOfTurn"][-1]
    assert plain(ended.transcript) == plain(eager.transcript) == plain(SAID)


async def test_deepgrams_sdk_is_refused_as_by_deepgram(vendors):
    simulator, _ = vendors
    simulator.network.faults.add(Fault(kind=FaultKind.HEARING_ERROR, status=402, vendor="deepgram"))
    with pytest.raises(ApiError) as refused:
        async with deepgram(simulator).listen.v1.connect(model="nova-3", encoding="mulaw", sample_rate="8000"):
            pass
    assert refused.value.status_code == 402


async def test_assemblyais_sdk_reads_what_its_simulation_says(vendors):
    simulator, pcm = vendors
    told = {event: [] for event in (RealTimeEvents.Begin, RealTimeEvents.Turn, RealTimeEvents.Termination)}
    host = f"ws{simulator.base_url.removeprefix('http')}/assemblyai"
    client = AsyncRealTimeTranscriber(RealTimeTranscriberOptions(api_key="k", api_host=host))
    for event, kept in told.items():
        client.on(event, lambda _, message, kept=kept: kept.append(message))
    await client.connect(RealTimeParameters(sample_rate=8000, encoding="pcm_mulaw", format_turns=True))
    audio = pcm_to_ulaw(pcm) + SILENCE
    for at in range(0, len(audio), 800):
        await client.stream(audio[at : at + 800])
    await client.disconnect(terminate=True)
    turns = told[RealTimeEvents.Turn]
    assert any(not turn.end_of_turn for turn in turns)
    raw, formatted = (turn for turn in turns if turn.end_of_turn)
    assert plain(raw.transcript) == plain(SAID)
    assert (raw.turn_order, raw.turn_is_formatted) == (formatted.turn_order, False)
    assert formatted.turn_is_formatted
    assert all(word.word_is_final for word in raw.words)
    assert len(told[RealTimeEvents.Begin]) == len(told[RealTimeEvents.Termination]) == 1


async def test_assemblyais_sdk_is_told_of_frames_that_are_too_short(vendors):
    simulator, pcm = vendors
    errors: asyncio.Queue = asyncio.Queue()
    host = f"ws{simulator.base_url.removeprefix('http')}/assemblyai"
    client = AsyncRealTimeTranscriber(RealTimeTranscriberOptions(api_key="k", api_host=host))
    client.on(RealTimeEvents.Error, lambda _, error: errors.put_nowait(error))
    await client.connect(RealTimeParameters(sample_rate=8000, encoding="pcm_mulaw"))
    await client.stream(pcm_to_ulaw(pcm)[:160])
    async with asyncio.timeout(30):
        assert (await errors.get()).code == 3007
    await client.disconnect()


async def test_openais_sdk_reads_what_its_simulation_says(vendors):
    simulator, pcm = vendors
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(pcm)
    base_url = f"{simulator.base_url}/openai/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key="k", max_retries=0) as client:
        done = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", file.getvalue()))
        assert plain(done.text) == plain(SAID)
        simulator.network.faults.add(Fault(kind=FaultKind.HEARING_TOLD, vendor="openai"))
        with pytest.raises(openai.RateLimitError) as refused:
            await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", file.getvalue()))
        assert refused.value.code == "insufficient_quota"
