"""OpenAI's own package judges the simulated Realtime API."""

import asyncio
import base64
import json

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.exceptions import InvalidStatus

from agents.realtime.server_in_memory import InTurn
from outdial.media.g711 import pcm_to_ulaw
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import SimulatorConfig, serve
from outdial.testing.engines import CALLEE, sound
from speech.synthesis.in_memory import WordVoice

SERVER: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)
PCMU = {"type": "audio/pcmu"}
SESSION = {
    "type": "realtime",
    "instructions": 'The values:\n{"user_name": "Ada"}',
    "audio": {"input": {"format": PCMU, "transcription": {"model": "whisper-1"}}, "output": {"format": PCMU}},
    "tools": [{"type": "function", "name": "hang_up", "parameters": {"type": "object", "properties": {}}}],
}


class Spoken(WordVoice):
    name = "words"

    async def speak(self, text):
        yield await self(text)


@pytest.fixture
async def simulator(tmp_path):
    voice, ears = Spoken(), InTurn(["Yes, I can."])
    config = SimulatorConfig(prompts_dir=tmp_path)
    async with serve(config, callee_voice=voice, agent_voice=voice, vendors_ears=ears) as simulator:
        yield simulator


def connect(simulator, key="sk-test"):
    client = AsyncOpenAI(api_key=key, base_url=f"{simulator.base_url}/openai/v1")
    return client.realtime.connect(model="gpt-realtime")


async def until(connection, type_):
    """What came until then, each judged."""
    found = []
    while not found or found[-1].type != type_:
        raw = await connection.recv_bytes()
        SERVER.validate_json(raw)
        found.append(connection.parse_event(raw))
        told = json.loads(raw)
        assert told["event_id"]
    return found


async def test_openais_package_talks_with_the_simulated_model(simulator):
    async with asyncio.timeout(20), connect(simulator) as connection:
        await until(connection, "session.created")
        await connection.session.update(session=SESSION)
        [updated] = await until(connection, "session.updated")
        assert updated.session.audio.output.format.type == "audio/pcmu"
        await connection.response.create()
        first = await until(connection, "response.done")
        said = "".join(one.delta for one in first if one.type == "response.output_audio_transcript.delta")
        assert said.startswith("Hello Ada, this is the assistant of Riverside Dental.")
        audio = b"".join(base64.b64decode(one.delta) for one in first if one.type == "response.output_audio.delta")
        assert len(audio) > 4000
        assert first[-1].response.usage.output_token_details.audio_tokens > 0
        for pcm in (sound(CALLEE, 600), bytes(16 * 600)):
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm_to_ulaw(pcm)).decode())
        turn = await until(connection, "response.done")
        types = [one.type for one in turn]
        assert types[:3] == [
            "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed"
        ]  # fmt: skip
        heard = next(one for one in turn if one.type.endswith("input_audio_transcription.completed"))
        assert heard.transcript == "Yes, I can."
        [_, call] = turn[-1].response.output
        assert (call.type, call.name) == ("function_call", "hang_up")


async def test_a_callee_who_interrupts_has_the_answer_cancelled_and_truncated(simulator):
    async with asyncio.timeout(20), connect(simulator) as connection:
        await connection.session.update(session=SESSION)
        await connection.response.create()
        first = await until(connection, "response.output_audio.delta")
        pcm = pcm_to_ulaw(sound(CALLEE, 200))
        await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())
        rest = await until(connection, "response.done")
        assert rest[-1].response.status_details.reason == "turn_detected"
        item = first[-1].item_id
        await connection.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=100)
        await until(connection, "conversation.item.truncated")
        await connection.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=100_000)
        [refused] = await until(connection, "error")
        assert "already shorter" in refused.error.message


@pytest.mark.parametrize(("kind", "status"), [("realtime_unauthorized", 401), ("realtime_throttled", 429)])
async def test_a_handshake_is_refused_where_that_goes_wrong(simulator, kind, status):
    simulator.network.faults.add(Fault(kind=FaultKind(kind)))
    with pytest.raises((InvalidStatus, openai.APIError)) as refused:
        async with connect(simulator):
            pass
    assert str(status) in str(refused.value)


@pytest.mark.parametrize("kind", ["realtime_failed", "realtime_expired", "realtime_cut", "realtime_no_words"])
async def test_what_goes_wrong_is_told_in_openais_words(simulator, kind):
    simulator.network.faults.add(Fault(kind=FaultKind(kind), after_ms=0))
    async with asyncio.timeout(20), connect(simulator) as connection:
        await connection.session.update(session=SESSION)
        await until(connection, "session.updated")
        await connection.response.create()
        if kind == "realtime_failed":
            [*_, done] = await until(connection, "response.done")
            assert done.response.status_details.error.code == "server_error"
        elif kind == "realtime_expired":
            [*_, told] = await until(connection, "error")
            assert told.error.code == "session_expired"
        elif kind == "realtime_no_words":
            for pcm in (sound(CALLEE, 600), bytes(16 * 600)):
                await connection.input_audio_buffer.append(audio=base64.b64encode(pcm_to_ulaw(pcm)).decode())
            await until(connection, "conversation.item.input_audio_transcription.failed")
        else:
            with pytest.raises(Exception, match="no close frame"):
                await until(connection, "response.done")
