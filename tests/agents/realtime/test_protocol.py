"""The messages of the Realtime API, judged by the types of OpenAI's own package."""

import base64
import json

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter

from outdial.agents.llm.chat import AgentSaid, CalleeSaid, Remark, Tool, ToolAnswer, ToolCall
from outdial.agents.realtime import protocol
from outdial.agents.realtime.items import answer, items_of
from outdial.agents.realtime.parse import parse_realtime
from outdial.agents.realtime.protocol import (
    Audio,
    Failed,
    Ready,
    ResponseDone,
    SpeechStarted,
    Transcribed,
    Words,
    WrongMessage,
    read,
)

CLIENT: TypeAdapter[RealtimeClientEvent] = TypeAdapter(RealtimeClientEvent)
SERVER: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)
AGENT = 'realtime: {api_key: "{secret:k}"%s}\ninstructions: Talk.\n'
CALL = ToolCall("call_1", "note", '{"day": "Friday"}')


def agent(more=""):
    return parse_realtime(AGENT % more)


@pytest.mark.parametrize(
    "more",
    [
        "",
        ", turn_detection: meaning, eagerness: low, noise_reduction: near_field, speed: 1.2",
        ", silence_ms: 700, voice: cedar, transcription: gpt-4o-transcribe",
    ],
)
def test_a_session_is_set_up_as_openais_package_has_it(more):
    tool = Tool(name="note", about="Write down", parameters={"type": "object", "properties": {}})
    message = protocol.setup(agent(more), "Talk.", [tool])
    judged = CLIENT.validate_json(message)
    assert judged.type == "session.update"
    assert judged.to_dict(mode="json", exclude_unset=True) == json.loads(message)


@pytest.mark.parametrize(
    "message",
    [
        protocol.append(b"\xff" * 160),
        protocol.truncate("item_1", 1480),
        protocol.delete("item_1"),
        protocol.respond(),
        protocol.cancel("resp_1"),
        protocol.create_item(answer(CALL, "Done.")),
        *(
            protocol.create_item(item)
            for item in items_of([CalleeSaid("Hi"), AgentSaid("Hello", (CALL,)), ToolAnswer(CALL, "ok"), Remark("So")])
        ),
    ],
)
def test_what_is_sent_is_what_openais_package_sends(message):
    judged = CLIENT.validate_json(message)
    assert judged.to_dict(mode="json", exclude_unset=True) == json.loads(message)


PLACE = {"event_id": "e", "response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (
            {"type": "input_audio_buffer.speech_started", "event_id": "e", "audio_start_ms": 40, "item_id": "i"},
            SpeechStarted("i", 40),
        ),
        (
            {"type": "response.output_audio.delta", "delta": base64.b64encode(b"\xff\x7f").decode(), **PLACE},
            Audio("r", "i", b"\xff\x7f"),
        ),
        ({"type": "response.output_audio_transcript.delta", "delta": "Hel", **PLACE}, Words("r", "i", "Hel")),
        (
            {
                "type": "conversation.item.input_audio_transcription.completed", "event_id": "e", "item_id": "i",
                "content_index": 0, "transcript": "Yes.", "usage": {"type": "duration", "seconds": 1.5},
            },
            Transcribed("i", "Yes.", {"type": "duration", "seconds": 1.5}),
        ),
        (
            {"type": "error", "event_id": "e", "error": {"type": "server_error", "message": "My name is Ada"}},
            Failed("server_error", ""),
        ),
        ({"type": "rate_limits.updated", "event_id": "e", "rate_limits": []}, None),
    ],
)  # fmt: skip
def test_what_comes_is_read(message, event):
    SERVER.validate_python(message)
    assert read(json.dumps(message)) == event


def test_an_answer_that_is_over_says_what_it_called_and_what_it_cost():
    call = {"type": "function_call", "id": "i", "call_id": "c", "name": "note", "arguments": "{}"}
    done = {
        "type": "response.done", "event_id": "e",
        "response": {
            "id": "r", "status": "failed",
            "status_details": {"type": "failed", "error": {"type": "x", "code": "insufficient_quota"}},
            "output": [{**call, "status": "completed"}, {**call, "status": "incomplete"}], "usage": {"total_tokens": 3},
        },
    }  # fmt: skip
    SERVER.validate_python(done)
    assert read(json.dumps(done)) == ResponseDone(
        response="r",
        status="failed",
        why="insufficient_quota",
        calls=(ToolCall("c", "note", "{}"),),
        usage={"total_tokens": 3},
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"type": 7}', "[" * 100_000, '{"type": "response.output_audio.delta"}',
        '{"type": "response.output_audio.delta", "delta": "?!", "response_id": "r", "item_id": "i"}',
        '{"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": -1}',
        '{"type": "response.done", "response": []}', '{"type": "response.created"}',
    ],
)  # fmt: skip
def test_what_is_none_of_its_messages_is_refused(text):
    with pytest.raises(WrongMessage):
        read(text)


@pytest.mark.parametrize(
    "text", ['{"type": "session.updated"}', '{"type": "session.updated", "session": {"audio": [1]}}']
)
def test_a_session_may_tell_nothing_of_its_audio(text):
    assert read(text) == Ready("", "")
