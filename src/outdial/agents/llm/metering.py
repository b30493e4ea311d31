"""What the answers of models cost, counted where they are asked: also those that are cut off before they tell."""

import json
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Protocol, runtime_checkable

from outdial.agents.llm.chat import Model, ModelFailed, Piece, Request, ToolCall, Usage, Words

CHARS_PER_TOKEN = 4  # of text in European languages, roughly; told as an estimate
MOST_TOKENS = 100_000_000  # of one answer; no model reads or writes as much
SPEND_LIMIT = "spend_limit"


class SpendLimitPassed(ModelFailed):
    """Nothing was asked: models have cost the workspace today what they may."""

    def __init__(self) -> None:
        super().__init__(SPEND_LIMIT)


class Meter(Protocol):
    """Of a workspace."""

    @property
    def is_passed(self) -> bool:
        """Whether models have cost it today what they may, as far as is known here."""
        ...

    def add(self, usage: Usage) -> None:
        """Returns at once."""
        ...


@runtime_checkable
class Priced(Protocol):
    """A model that knows its price."""

    def price(self, sent: int, received: int) -> float | None:
        """Dollars of so many tokens; None where nobody knows."""
        ...


class Metered:
    """A model whose answers count for a workspace, and which isn't asked beyond what it may spend."""

    def __init__(self, model: Model, meter: Meter) -> None:
        self.name = model.name
        self.meter = meter
        self._model = model

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        if self.meter.is_passed:
            raise SpendLimitPassed
        async with aclosing(measured(self._model, request, self.meter.add)) as pieces:
            async for piece in pieces:
                yield piece

    async def warm_up(self) -> None:
        await self._model.warm_up()

    def price(self, sent: int, received: int) -> float | None:
        return self._model.price(sent, received) if isinstance(self._model, Priced) else None


def is_spent(models: Sequence[Model]) -> bool:
    """Whether none of them would be asked."""
    return bool(models) and all(isinstance(model, Metered) and model.meter.is_passed for model in models)


async def measured(model: Model, request: Request, count: Callable[[Usage], None]) -> AsyncGenerator[Piece]:
    """The model's answer; `count` is told once what it cost, however it ends. Nothing where the model refused it, an
    estimate where it was cut off, doesn't tell or tells what can't be."""
    usage: Usage | None = None
    received, begun, refused = 0, False, False
    try:
        async with aclosing(model.ask(request)) as pieces:
            async for piece in pieces:
                begun = True
                match piece:
                    case Usage():
                        usage = piece
                    case Words(text=text):
                        received += len(text)
                    case ToolCall(tool=tool, arguments=arguments):
                        received += len(tool) + len(arguments)
                yield piece
    except ModelFailed:
        refused = not begun
        raise
    finally:
        if usage is not None and not usage.estimated and _can_be(usage):
            count(usage)
        elif not refused:
            count(_estimate(model, request, received))


def _can_be(usage: Usage) -> bool:
    """A server's numbers are those of others: one that is below nothing would lift the limit, one beyond all bounds
    could not be written."""
    dollars = 0.0 if usage.dollars is None else usage.dollars
    return 0 <= usage.tokens <= MOST_TOKENS and 0 <= dollars < math.inf


def _estimate(model: Model, request: Request, received: int) -> Usage:
    sent = _tokens(len(json.dumps(asdict(request), default=str)))
    dollars = model.price(sent, _tokens(received)) if isinstance(model, Priced) else None
    return Usage(tokens=sent + _tokens(received), dollars=dollars, estimated=True)


def _tokens(characters: int) -> int:
    return math.ceil(characters / CHARS_PER_TOKEN)
