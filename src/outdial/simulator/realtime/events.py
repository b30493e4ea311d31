"""The messages of the simulated Realtime API. Pure.

Source: the types of the package `openai` (`types/realtime`), which judge them in the tests.
"""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

_ids = count(1)
Json = dict[str, Any]

DEFAULT: Json = {
    "type": "realtime",
    "instructions": "",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500,
                "create_response": True, "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
    },
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
}  # fmt: skip


def new_id(kind: str) -> str:
    return f"{kind}_{next(_ids):012d}"


def event(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, "event_id": new_id("event"), **fields})


def merged(session: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """Only what is present is changed."""
    found = dict(session)
    for name, value in changes.items():
        old = found.get(name)
        deeper = name in ("audio", "input", "output") and isinstance(value, dict) and isinstance(old, dict)
        found[name] = merged(old, value) if deeper and isinstance(old, dict) else value
    return found


def error(code: str, message: str, about: str | None, *, type_: str = "invalid_request_error") -> str:
    told = {"type": type_, "code": code, "message": message, "param": None, "event_id": about}
    return event("error", error=told)


def spoken_item(item: str, *, transcript: str | None, status: str) -> Json:
    content = [] if transcript is None else [{"type": "output_audio", "transcript": transcript}]
    return {
        "id": item, "object": "realtime.item", "type": "message", "role": "assistant", "status": status,
        "content": content,
    }  # fmt: skip


def call_item(item: str, call: str, name: str, arguments: str, status: str) -> Json:
    return {
        "id": item, "object": "realtime.item", "type": "function_call", "call_id": call, "name": name,
        "arguments": arguments, "status": status,
    }  # fmt: skip


def response(id_: str, status: str, output: list[Json], usage: Json | None = None, why: Json | None = None) -> Json:
    return {
        "object": "realtime.response", "id": id_, "status": status, "status_details": why, "output": output,
        "output_modalities": ["audio"], "usage": usage, "metadata": None, "conversation_id": "conv_1",
        "max_output_tokens": "inf",
    }  # fmt: skip


def usage(*, audio_in: int, text_in: int, audio_out: int, text_out: int) -> Json:
    return {
        "total_tokens": audio_in + text_in + audio_out + text_out,
        "input_tokens": audio_in + text_in,
        "output_tokens": audio_out + text_out,
        "input_token_details": {
            "text_tokens": text_in, "audio_tokens": audio_in, "image_tokens": 0, "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }  # fmt: skip
