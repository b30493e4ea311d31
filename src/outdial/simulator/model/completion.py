"""What a model answers, and its length in tokens.

Tokens here are pieces of words. They are counted and sent as the vendor's are, but nobody's dictionary cuts the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from outdial.simulator.model.requests import ChatRequest, Message, ToolCall

TOKEN = re.compile(r"\s*(?:\w{1,6}|[^\w\s])|\s+")
OF_A_MESSAGE = 4    # tokens that its role and the marks around it take
OF_A_REQUEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    rule: str  # which one answered
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    refusal: str = ""
    finish: str = "stop"

    @property
    def tokens(self) -> int:
        said = [self.reasoning, self.text, self.refusal]
        called = [text for call in self.tool_calls for text in (call.name, call.arguments)]
        return sum(len(pieces(text)) for text in (*said, *called))

    @property
    def reasoning_tokens(self) -> int:
        return len(pieces(self.reasoning))


def pieces(text: str) -> list[str]:
    """The tokens of a text: joined, they are the text."""
    return TOKEN.findall(text)


def prompt_tokens(request: ChatRequest) -> int:
    texts = [text for message in request.messages for text in _texts(message)]
    return OF_A_REQUEST + OF_A_MESSAGE * len(request.messages) + sum(len(pieces(text)) for text in texts)


def _texts(message: Message) -> Iterator[str]:
    yield message.text
    for call in message.tool_calls:
        yield call.name
        yield call.arguments


def held_to(completion: Completion, request: ChatRequest) -> Completion:
    """The completion up to a text that stops it, and to the most tokens that are wanted."""
    places = [place for stop in request.stop if stop and (place := completion.text.find(stop)) >= 0]
    if places:
        completion = replace(completion, text=completion.text[: min(places)], tool_calls=(), finish="stop")
    if request.max_tokens is None or completion.tokens <= request.max_tokens:
        return completion
    left = request.max_tokens
    reasoning, left = _first(completion.reasoning, left)
    text, left = _first(completion.text, left)
    refusal, left = _first(completion.refusal, left)
    calls: list[ToolCall] = []
    for call in completion.tool_calls:
        left -= len(pieces(call.name))
        if left < 0:
            break
        arguments, left = _first(call.arguments, left)
        calls.append(replace(call, arguments=arguments))
    return replace(
        completion, reasoning=reasoning, text=text, refusal=refusal, tool_calls=tuple(calls), finish="length"
    )


def _first(text: str, tokens: int) -> tuple[str, int]:
    """The first so many tokens of a text, and how many more there may be."""
    cut = pieces(text)
    return "".join(cut[:tokens]), max(0, tokens - len(cut))
