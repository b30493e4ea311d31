"""A model that answers what is written down, for calls in memory.

    model = WrittenModel(["Wonderful. Goodbye!", [calls("hang_up", goodbye="")]])
    phone = Phone(YAML, models=[model])
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field

from outdial.agents.llm.chat import ModelFailed, Piece, Request, ToolCall, Usage, Words
from outdial.agents.llm.choosing import CERTAIN, NONE, TOOL

NOTHING_WRITTEN = "nothing_written"  # what it fails with when it is asked more often than answers are written


@dataclass(frozen=True, slots=True)
class After:
    """This long goes by before the next part."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fails:
    """With the word of a vendor."""

    word: str = "server_error (HTTP 500)"


def calls(tool: str, /, **arguments: object) -> ToolCall:
    return ToolCall("", tool, json.dumps(arguments))


def means(answer: str | None, certainty: str = CERTAIN) -> ToolCall:
    """A reply that answers no question word for word means this answer; None: none of them."""
    return calls(TOOL, answer=NONE if answer is None else answer, certainty=certainty)


Part = str | ToolCall | After | Fails
Answer = str | tuple[Part, ...] | list[Part]


@dataclass
class WrittenModel:
    """`answers`: one for each request, in their order; those with `means` in them are for replies that it is to
    understand, and the others for its own talk. The first word comes after `first_s`, then one each `word_s`.
    `asked`: the requests so far; `running`: how many are being answered."""

    answers: Iterable[Answer] = ()
    name: str = "written"
    word_s: float = 0.02
    first_s: float = 0.1
    tokens: int = 0  # of each answer
    asked: list[Request] = field(default_factory=list)
    running: int = 0
    warmed_up: int = 0

    def __post_init__(self) -> None:
        answers = tuple(self.answers)
        self._chosen = iter([one for one in answers if _is_choice(one)])
        self._left = iter([one for one in answers if not _is_choice(one)])

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        self.asked.append(request)
        chooses = any(tool.name == TOOL for tool in request.tools)
        answer = next(self._chosen if chooses else self._left, None)
        if answer is None:
            raise ModelFailed(NOTHING_WRITTEN)
        self.running += 1
        try:
            await asyncio.sleep(self.first_s)
            for part in [answer] if isinstance(answer, str) else answer:
                match part:
                    case After(seconds=seconds):
                        await asyncio.sleep(seconds)
                    case Fails(word=word):
                        raise ModelFailed(word)
                    case ToolCall():
                        yield part
                    case str() as text:
                        for number, word in enumerate(text.split(" ")):
                            await asyncio.sleep(self.word_s)
                            yield Words(word if number == 0 else f" {word}")
            yield Usage(tokens=self.tokens)
        finally:
            self.running -= 1

    async def warm_up(self) -> None:
        self.warmed_up += 1


def _is_choice(answer: Answer) -> bool:
    return not isinstance(answer, str) and any(isinstance(part, ToolCall) and part.tool == TOOL for part in answer)
