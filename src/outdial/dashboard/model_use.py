"""What the models of a call's agent took, turn by turn, and the tools they called: from the call's events. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outdial.dashboard.words import dollars
from outdial.db.feed import Event

_STAGES = {  # of a turn, in order; the others are named as they are
    "first_word_ms": "First word",
    "first_sentence_ms": "First sentence",
    "total_ms": "Whole answer",
}
_NOT_DONE = {
    "repeated": "The same call was made before.",
}
MAX_SHOWN = 4000  # characters of arguments or an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One of a model's. `times`: ms by the names of `ModelUse.stages`, None where there was none."""

    model: str
    times: Sequence[int | None]
    tokens: int
    cost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """`arguments` and `answer` as text; "" for none. `became`: what came of it where it wasn't done."""

    name: str
    is_done: bool
    became: str
    arguments: str
    answer: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """`stages`: names of the times that were measured. `is_priced`: the price of some answer is known."""

    stages: Sequence[str]
    answers: Sequence[Answer]
    tools: Sequence[ToolUse]
    failures: int
    tokens: int
    cost: str
    is_priced: bool


def model_use(events: Sequence[Event]) -> ModelUse | None:
    """None where no model had a part in the call."""
    if not events:
        return None
    answered = [event.data for event in events if event.type == "model"]
    measured = _measured(answered)
    prices = [_price(data) for data in answered]
    known = [price for price in prices if price is not None]
    return ModelUse(
        stages=[_stage(name) for name in measured],
        answers=[
            Answer(
                model=str(data.get("model", "")),
                times=[_ms(data.get(name)) for name in measured],
                tokens=int(data.get("tokens") or 0),
                cost=dollars(price) if price is not None else "?",
            )
            for data, price in zip(answered, prices, strict=True)
        ],
        tools=[_tool(event.data) for event in events if event.type == "tool"],
        failures=sum(event.type == "model_failed" for event in events),
        tokens=sum(int(data.get("tokens") or 0) for data in answered),
        cost=dollars(sum(known) if len(known) == len(prices) else None),
        is_priced=bool(known),
    )


def _measured(answered: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of times in any of them: those that are known first, then others that events have."""
    times = ((name, value) for data in answered for name, value in data.items() if name.endswith("_ms"))
    found = {name for name, value in times if _ms(value) is not None}
    others = sorted(found - _STAGES.keys())
    return [name for name in (*_STAGES, *others) if name in found]


def _stage(name: str) -> str:
    return _STAGES.get(name) or name.removesuffix("_ms").replace("_", " ").capitalize()


def _ms(value: Any) -> int | None:
    return round(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _price(data: Mapping[str, Any]) -> float | None:
    price = data.get("dollars")
    return float(price) if isinstance(price, int | float) else None


def _tool(data: Mapping[str, Any]) -> ToolUse:
    is_done = bool(data.get("done"))
    arguments, answer = data.get("arguments"), data.get("answer")
    return ToolUse(
        name=str(data.get("tool", "")),
        is_done=is_done,
        became="" if is_done else _became(data),
        arguments=_shown(arguments) if arguments else "",
        answer=_shown(answer) if answer is not None else "",
        duration_ms=_ms(data.get("duration_ms")),
    )


def _became(data: Mapping[str, Any]) -> str:
    """Built-in tools aren't used where the callee began to speak; an author's say what came of them."""
    reason = data.get("reason")
    if isinstance(reason, str) and reason:
        return _NOT_DONE.get(reason, reason.replace("_", " "))
    result, status = data.get("result"), data.get("status")
    if isinstance(result, str):
        word = result.replace("_", " ")
        return f"{word} (HTTP {status})" if isinstance(status, int) else word
    return "The callee began to speak."


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
