"""Chat completions as they go over the wire: a request's body, and its answer out of the bytes of a stream. Pure.

Source: platform.openai.com/docs/api-reference/chat/create and …/chat/streaming. Servers that call themselves compatible
leave out what they like: roles, numbers and ids of calls, the reason for the end, the stream itself.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from outdial.agents.llm.chat import (
    AgentSaid,
    CalleeSaid,
    Message,
    ModelFailed,
    Piece,
    Remark,
    Request,
    ToolAnswer,
    ToolCall,
    Usage,
    Words,
)

LONGEST = 2_000_000  # bytes of one answer: about a book
BROKEN = "broken_answer"
CUT_OFF = "cut_off"
TOO_LONG = "too_long"
BEGAN = Remark("The call has just been answered.")
GO_ON = Remark("Go on.")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LINE_END = re.compile(rb"\r\n|\n|\r")


def body_of(model: str, request: Request) -> bytes:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": request.instructions}, *map(_message, _whole(request.messages))],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": request.max_tokens,
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": one.name, "description": one.about, "parameters": one.parameters},
            }
            for one in request.tools
        ]
        body["tool_choice"] = "auto"
    return msgspec.json.encode(body)


def _whole(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Somebody else than the model speaks first, and last."""
    if not messages or isinstance(messages[0], AgentSaid):
        messages = (BEGAN, *messages)
    return (*messages, GO_ON) if isinstance(messages[-1], AgentSaid) else messages


def _message(message: Message) -> Mapping[str, Any]:
    match message:
        case CalleeSaid(text=text):
            return {"role": "user", "content": text}
        case Remark(text=text):
            return {"role": "user", "content": f"[{text}]"}
        case ToolAnswer(call=call, text=text):
            return {"role": "tool", "tool_call_id": call.id, "content": text}
        case AgentSaid(text=text, calls=()):
            return {"role": "assistant", "content": text}
        case AgentSaid(text=text, calls=calls):
            called = [
                {"id": one.id, "type": "function", "function": {"name": one.tool, "arguments": one.arguments}}
                for one in calls
            ]
            return {"role": "assistant", "content": text or None, "tool_calls": called}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None  # of an answer that isn't streamed
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Of a request, `cached` of them known to the server before, and of its answer."""

    asked: int
    cached: int
    answered: int


class _Calling:
    """A tool's call in the making."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments = ""

    def add(self, call: _Call) -> None:
        self.id = self.id or call.id or ""
        function = call.function or _Function()
        self.name = self.name or function.name or ""
        given = function.arguments
        if given is not None:
            self.arguments += given if isinstance(given, str) else msgspec.json.encode(given).decode()

    def is_another(self, call: _Call) -> bool:
        """Whether it is the beginning of a call of its own, which some servers number like the one before."""
        named = call.function is not None and bool(call.function.name)
        return named and bool(self.name) and (not call.id or call.id != self.id)


class Completion:
    """One answer: bytes in, pieces out. `is_over` once there is nothing more to come but the end of the stream.

    `feed` and `end` raise ModelFailed: the vendor's word, or ours.
    """

    def __init__(self, *, streamed: bool, price: Callable[[Tokens], float | None]) -> None:
        """`price`: in dollars, None where nobody knows it."""
        self.is_over = False
        self._price = price
        self._streamed = streamed
        self._waiting = b""
        self._received = 0
        self._finished = False
        self._usage: _Usage | None = None
        self._calls: list[_Calling] = []

    def feed(self, data: bytes) -> Iterator[Piece]:
        self._received += len(data)
        if self._received > LONGEST:
            raise ModelFailed(TOO_LONG)
        self._waiting += data
        if not self._streamed:
            return
        *lines, self._waiting = _LINE_END.split(self._waiting)
        for line in lines:
            if not line.startswith(b"data:"):
                continue  # a comment, or a field that says nothing to us
            content = line[5:].strip()
            if content == b"[DONE]":
                self.is_over = self._finished = True
            elif content:
                yield self._read(content)

    def end(self) -> Iterator[Piece]:
        """The stream is over: what was called, and what it cost."""
        if not self._streamed:
            yield self._read(self._waiting)
        if not self._finished:
            raise ModelFailed(CUT_OFF)
        for one in self._calls:
            yield ToolCall(one.id, one.name, one.arguments)
        yield self._cost()

    def _cost(self) -> Usage:
        usage = self._usage or _Usage()
        asked, answered = usage.prompt_tokens or 0, usage.completion_tokens or 0
        cached = (usage.prompt_tokens_details or _Details()).cached_tokens or 0
        dollars = self._price(Tokens(asked=asked, cached=cached, answered=answered)) if asked or answered else None
        tokens = usage.total_tokens or asked + answered  # 0: its server doesn't tell
        return Usage(tokens=tokens, dollars=dollars, estimated=not tokens)

    def _read(self, data: bytes) -> Words:
        try:
            chunk = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ModelFailed(BROKEN) from None
        if chunk.error:
            raise ModelFailed(word_of(chunk.error) or BROKEN)
        self._usage = chunk.usage or self._usage
        if not chunk.choices:
            return Words("")
        choice = chunk.choices[0]
        self._finished |= bool(choice.finish_reason)
        delta = choice.delta or choice.message or _Delta()
        for call in delta.tool_calls or ():
            self._call(call)
        return Words(delta.content or delta.refusal or "")

    def _call(self, call: _Call) -> None:
        numbered = (one for one in reversed(self._calls) if call.index is None or one.index == call.index)
        known = next(numbered, None)
        if known is None or known.is_another(call):
            known = _Calling(call.index)
            self._calls.append(known)
        known.add(call)


def word_of(error: Any) -> str | None:
    """The vendor's word for what went wrong; its sentences may quote the key, or what was said."""
    if not isinstance(error, Mapping):
        return None
    for name in ("code", "type"):
        if isinstance(word := error.get(name), str) and _WORD.fullmatch(word):
            return word
    return None
