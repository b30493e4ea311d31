"""Completions as they go over the wire: whole, and as the chunks of a stream.

Source: platform.openai.com/docs/api-reference/chat/object and …/chat/streaming.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from outdial.simulator.model.completion import Completion, pieces, prompt_tokens
from outdial.simulator.model.errors import Refused
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.model.requests import ChatRequest, ToolCall

Json = dict[str, Any]
DONE = "[DONE]"
FINGERPRINT = "fp_simulated"


class Part(StrEnum):
    """What a chunk of a stream brings."""

    ROLE = "role"
    PIECE = "piece"  # a token of the answer
    FINISH = "finish"
    USAGE = "usage"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """`text` is what of the answer's text it brings."""

    part: Part
    data: Json
    text: str = ""

    @property
    def delta(self) -> Json:
        choices = self.data["choices"]
        return choices[0]["delta"] if choices else {}

    @property
    def call(self) -> Json | None:
        """The piece of a tool's call that it brings."""
        calls = self.delta.get("tool_calls")
        return calls[0] if calls else None

    @property
    def opens_call(self) -> bool:
        return self.call is not None and "id" in self.call


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What all chunks of one answer have in common."""

    id: str
    created: int  # seconds since 1970
    model: str
    rule: str

    def around(self, object_: str, **content: Any) -> Json:
        return {
            "id": self.id,
            "object": object_,
            "created": self.created,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
            "simulated": {"by": "outdial simulator", "rule": self.rule},
            **content,
        }


def whole(completion: Completion, request: ChatRequest, envelope: Envelope) -> Json:
    message: Json = {"role": "assistant", "content": completion.text or None, "refusal": completion.refusal or None}
    if completion.tool_calls:
        message["tool_calls"] = [_call(call) for call in completion.tool_calls]
    elif message["content"] is None and not completion.refusal:
        message["content"] = ""
    if completion.reasoning:
        message["reasoning_content"] = completion.reasoning
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": completion.finish}
    return envelope.around("chat.completion", choices=[choice], usage=usage(completion, request))


def chunks(completion: Completion, request: ChatRequest, envelope: Envelope) -> Iterator[Chunk]:
    def chunk(part: Part, delta: Json, text: str = "", finish: str | None = None) -> Chunk:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        data = envelope.around("chat.completion.chunk", choices=[choice])
        if request.include_usage:
            data["usage"] = None
        return Chunk(part=part, data=data, text=text)

    content = None if completion.tool_calls and not completion.text else ""
    yield chunk(Part.ROLE, {"role": "assistant", "content": content, "refusal": None})
    for piece in pieces(completion.reasoning):
        yield chunk(Part.PIECE, {"reasoning_content": piece})
    for piece in pieces(completion.text):
        yield chunk(Part.PIECE, {"content": piece}, piece)
    for piece in pieces(completion.refusal):
        yield chunk(Part.PIECE, {"refusal": piece})
    for index, call in enumerate(completion.tool_calls):
        first = {"index": index, **_call(call), "function": {"name": call.name, "arguments": ""}}
        yield chunk(Part.PIECE, {"tool_calls": [first]})
        for piece in pieces(call.arguments):
            yield chunk(Part.PIECE, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk(Part.FINISH, {}, finish=completion.finish)
    if request.include_usage:
        data = envelope.around("chat.completion.chunk", choices=[], usage=usage(completion, request))
        yield Chunk(part=Part.USAGE, data=data)


def usage(completion: Completion, request: ChatRequest) -> Json:
    asked, answered = prompt_tokens(request), completion.tokens
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": completion.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _call(call: ToolCall) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def event(data: Json | str) -> bytes:
    """A server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def error(refused: Refused) -> Json:
    return {
        "error": {"message": refused.message, "type": refused.type, "param": refused.param, "code": refused.code}
    }


def model(each: SimulatedModel, created: int) -> Json:
    return {"id": each.name, "object": "model", "created": created, "owned_by": "outdial-simulator"}
