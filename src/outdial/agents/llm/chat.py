"""What is said to a model, and what comes back, whichever model it is. Pure.

A conversation is a tuple of messages, the oldest first. What the agent is said to have said is what the callee heard.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class CalleeSaid:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments`: JSON, as the model wrote it."""

    id: str
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """What was heard of it. `calls`: the tools that the model called along with it; each has a ToolAnswer."""

    text: str
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    call: ToolCall
    text: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Told to the model by Outdial, not by the callee."""

    text: str


Message = CalleeSaid | AgentSaid | ToolAnswer | Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`parameters`: the JSON schema of its arguments, an object's."""

    name: str
    about: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`instructions` go before the conversation. `first_s`: how long the model's first piece may take, `gap_s`: each
    later one."""

    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    max_tokens: int = 400
    first_s: float = 8.0
    gap_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of what is to be said: a token, or several."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer cost; `dollars` None where nobody knows the model's price. `estimated`: by its length, as the
    model hasn't told; of a model that doesn't tell at all, nobody has estimated it yet."""

    tokens: int = 0
    dollars: float | None = None
    estimated: bool = False


Piece = Words | ToolCall | Usage


class ModelFailed(Exception):
    """A model gave no answer, or only a part of one. `word` is the vendor's or, where it has none, ours: at most a few
    words without anything of the conversation or of a key in it."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Model(Protocol):
    """One model of one vendor."""

    name: str

    def ask(self, request: Request) -> AsyncGenerator[Piece]:
        """Its answer, piece by piece; tool calls when all of them are there. Raises ModelFailed, at any piece."""
        ...

    async def warm_up(self) -> None:
        """Make ready what takes time, while somebody else speaks. Raises nothing."""
        ...
