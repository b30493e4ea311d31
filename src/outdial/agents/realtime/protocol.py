"""The messages of OpenAI's Realtime API (GA), both ways: the part of them that a telephone call needs. Pure.

Sources: developers.openai.com/api/docs/guides/realtime-conversations; the types of the package `openai`
(`types/realtime`). Audio is mu-law at 8000 Hz, a byte a sample, as base64: as a telephone has it. Types that are not
known are no fault: every version adds some.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outdial.agents.llm.chat import Tool, ToolCall
from outdial.agents.realtime.definition import RealtimeAgent, TurnDetection
from outdial.agents.tools.plain_json import clean
from outdial.speech.base import base_of

PCMU = "audio/pcmu"
SETUP = "setup"        # our id of the message that sets the session up; errors about it name it
THRESHOLD = 0.5        # of voice, for turns by silence
PADDING_MS = 300       # of audio before a voice that belongs to it
MOST_CHARS = 20_000    # of what the callee says in one go
MOST_TOKENS = 2048     # of one answer, in audio about three minutes

# Codes of errors that mean nothing, and leave everything as it was.
HARMLESS = frozenset(
    {
        "response_cancel_not_active", "conversation_already_has_active_response", "input_audio_buffer_commit_empty",
        "unsupported_content_type", "item_truncate_invalid_item_id", "item_delete_invalid_item_id",
        "invalid_truncate",
    }
)  # fmt: skip
EXPIRED = "session_expired"


class WrongMessage(Exception):
    """Not of this protocol."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is set up as it says now: `input_format` and `output_format` are of audio, "" where it isn't told."""

    input_format: str
    output_format: str


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """`at_ms` of the audio that was sent; the server's padding is in it."""

    item: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    item: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What the callee said; `text` None where that couldn't be written down. `usage`: of the model that does."""

    item: str
    text: str | None
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResponseBegun:
    response: str


@dataclass(frozen=True, slots=True)
class Audio:
    response: str
    item: str
    ulaw: bytes


@dataclass(frozen=True, slots=True)
class AudioDone:
    response: str
    item: str


@dataclass(frozen=True, slots=True)
class Words:
    """Of what is said in an item; `whole`: all of them, else they follow those before."""

    response: str
    item: str
    text: str
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDone:
    """`status`: completed, cancelled, incomplete or failed; `why`: the server's word for anything but the first."""

    response: str
    status: str
    why: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """`code` is the server's; `about`: the id of our message that it is about, "" for none."""

    code: str
    about: str


OfCallee = SpeechStarted | SpeechStopped | Transcribed
OfResponse = ResponseBegun | Audio | AudioDone | Words | ResponseDone
Event = Ready | OfCallee | OfResponse | Failed


def read(text: str) -> Event | None:
    """None for a message that means nothing to us. Raises WrongMessage."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongMessage("no JSON") from None
    if not isinstance(message, dict) or not isinstance(type_ := message.get("type"), str):
        raise WrongMessage("no type")
    reader = _READERS.get(type_)
    return None if reader is None else reader(message)


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise WrongMessage(f"no {name}")
    return str(clean(value))


def _ms(message: Mapping[str, Any], name: str) -> int:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise WrongMessage(f"no {name}")
    return round(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _ready(message: Mapping[str, Any]) -> Ready:
    audio = _mapping(_mapping(message.get("session")).get("audio"))

    def format_of(side: str) -> str:
        return str(_mapping(_mapping(audio.get(side)).get("format")).get("type") or "")

    return Ready(format_of("input"), format_of("output"))


def _audio(message: Mapping[str, Any]) -> Audio:
    try:
        ulaw = base64.b64decode(_text(message, "delta"), validate=True)
    except (binascii.Error, ValueError):
        raise WrongMessage("no base64") from None
    return Audio(_text(message, "response_id"), _text(message, "item_id"), ulaw)


def _words(message: Mapping[str, Any]) -> Words:
    return Words(_text(message, "response_id"), _text(message, "item_id"), _text(message, "delta"))


def _all_words(message: Mapping[str, Any]) -> Words:
    return Words(_text(message, "response_id"), _text(message, "item_id"), _text(message, "transcript"), whole=True)


def _done(message: Mapping[str, Any]) -> ResponseDone:
    response = _mapping(message.get("response"))
    details = _mapping(response.get("status_details"))
    error = _mapping(details.get("error"))
    why = error.get("code") or error.get("type") or details.get("reason") or ""
    output = response.get("output")
    calls = [_call(_mapping(item)) for item in output] if isinstance(output, list) else []
    return ResponseDone(
        response=_text(response, "id"),
        status=_text(response, "status"),
        why=_word(why),
        calls=tuple(call for call in calls if call is not None),
        usage=_mapping(response.get("usage")),
    )


def _call(item: Mapping[str, Any]) -> ToolCall | None:
    """One that is whole."""
    if item.get("type") != "function_call" or item.get("status") not in (None, "completed"):
        return None
    return ToolCall(_text(item, "call_id"), _text(item, "name"), _text(item, "arguments"))


def _failed(message: Mapping[str, Any]) -> Failed:
    error = _mapping(message.get("error"))
    about = error.get("event_id")
    return Failed(_word(error.get("code") or error.get("type")), about if isinstance(about, str) else "")


def _word(value: Any) -> str:
    """A server's code: its sentences may quote what was said."""
    return value[:64] if isinstance(value, str) and value.replace("_", "a").replace(".", "a").isalnum() else ""


_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_READERS: Mapping[str, Callable[[Mapping[str, Any]], Event]] = {
    "session.updated": _ready,
    "input_audio_buffer.speech_started": lambda one: SpeechStarted(_text(one, "item_id"), _ms(one, "audio_start_ms")),
    "input_audio_buffer.speech_stopped": lambda one: SpeechStopped(_text(one, "item_id"), _ms(one, "audio_end_ms")),
    f"{_TRANSCRIPTION}.completed": lambda one: Transcribed(
        _text(one, "item_id"), _text(one, "transcript")[:MOST_CHARS], _mapping(one.get("usage"))
    ),
    f"{_TRANSCRIPTION}.failed": lambda one: Transcribed(_text(one, "item_id"), None),
    "response.created": lambda one: ResponseBegun(_text(_mapping(one.get("response")), "id")),
    "response.output_audio.delta": _audio,
    "response.output_audio.done": lambda one: AudioDone(_text(one, "response_id"), _text(one, "item_id")),
    "response.output_audio_transcript.delta": _words,
    "response.output_audio_transcript.done": _all_words,
    "response.done": _done,
    "error": _failed,
}


# -- what is sent ------------------------------------------------------------------------------------------------------


def setup(agent: RealtimeAgent, instructions: str, tools: Sequence[Tool]) -> str:
    """The whole session, before anything else."""
    language = base_of(agent.language)
    audio = {
        "input": {
            "format": {"type": PCMU},
            "transcription": {"model": agent.transcription, "language": language},
            "noise_reduction": None if agent.noise_reduction is None else {"type": agent.noise_reduction.value},
            "turn_detection": _turn_detection(agent),
        },
        "output": {"format": {"type": PCMU}, "voice": agent.model_voice, "speed": agent.speed},
    }
    session = {
        "type": "realtime",
        "instructions": instructions,
        "output_modalities": ["audio"],
        "audio": audio,
        "tools": [
            {"type": "function", "name": tool.name, "description": tool.about, "parameters": dict(tool.parameters)}
            for tool in tools
        ],
        "tool_choice": "auto",
        "max_output_tokens": MOST_TOKENS,
    }
    return _message("session.update", event_id=SETUP, session=session)


def _turn_detection(agent: RealtimeAgent) -> dict[str, Any]:
    does = {"create_response": True, "interrupt_response": True}
    if agent.turn_detection is TurnDetection.MEANING:
        return {"type": "semantic_vad", "eagerness": agent.eagerness.value, **does}
    return {
        "type": "server_vad", "threshold": THRESHOLD, "prefix_padding_ms": PADDING_MS,
        "silence_duration_ms": agent.silence_ms, **does,
    }  # fmt: skip


def append(ulaw: bytes) -> str:
    return _message("input_audio_buffer.append", audio=base64.b64encode(ulaw).decode())


def create_item(item: Mapping[str, Any]) -> str:
    return _message("conversation.item.create", item=dict(item))


def truncate(item: str, heard_ms: int) -> str:
    """Of what was said in it only so much was heard; more than 0, and no more than there is."""
    return _message("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=heard_ms)


def delete(item: str) -> str:
    return _message("conversation.item.delete", item_id=item)


def respond() -> str:
    return _message("response.create")


def cancel(response: str) -> str:
    return _message("response.cancel", response_id=response)


def _message(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, **fields}, ensure_ascii=False)
