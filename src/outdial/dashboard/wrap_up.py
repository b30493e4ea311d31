"""What the agent's model made of a call, for its page: with the words it rests on. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from outdial.calls.wrap_ups import WrapUpState
from outdial.dashboard.words import dollars
from outdial.history.views import CallView
from outdial.telephony.outcome import DecidedBy

MAX_WORDS = 90  # characters of a turn that is quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`turn_id`: of the turn's element on the page; `words`: its beginning."""

    turn_id: str
    at_ms: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    name: str
    value: Any
    evidence: Sequence[Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUp:
    """`other_outcome`: what the model named, where a rule or the agent has decided otherwise. `cost`: in words.
    `was_made`: there is something to show, perhaps of before."""

    is_pending: bool
    has_failed: bool
    was_made: bool
    error: str | None
    summary: str | None
    facts: Sequence[Fact]
    other_outcome: str | None
    other_evidence: Sequence[Evidence]
    unproved: Sequence[str]
    cost: str | None


def wrap_up(call: CallView) -> WrapUp | None:
    made = call["wrap_up"]
    if made is None:
        return None
    decided = call["outcome_from"]
    by_model = decided is not None and decided["by"] is DecidedBy.MODEL
    other = None if by_model or made["outcome"] == call["outcome"] else made["outcome"]
    return WrapUp(
        is_pending=made["state"] is WrapUpState.PENDING,
        has_failed=made["state"] is WrapUpState.FAILED,
        was_made=made["finished_at"] is not None,
        error=None if made["error"] is None else made["error"]["message"],
        summary=made["summary"],
        facts=[
            Fact(name=fact["name"], value=fact["value"], evidence=evidence_in(call, fact["evidence"]))
            for fact in made["facts"]
        ],
        other_outcome=other,
        other_evidence=evidence_in(call, made["outcome_evidence"]) if other is not None else [],
        unproved=made["unproved"],
        cost=_cost(made["model"], made["tokens"], made["dollars"]),
    )


def evidence_in(call: CallView, turns: Collection[int]) -> list[Evidence]:
    """Of the turns with these numbers (`seq`), those that are on the page."""
    return [
        Evidence(turn_id=f"turn-{call['id']}-{place}", at_ms=turn["start_ms"], words=_beginning(turn["text"]))
        for place, turn in enumerate(call["transcript"])
        if turn["seq"] in turns
    ]


def _beginning(text: str) -> str:
    return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS].rstrip()}…"


def _cost(model: str | None, tokens: int, price: str | None) -> str | None:
    if not tokens:
        return None
    return f"{model or 'The model'}: {tokens:,} tokens, {dollars(None if price is None else float(price))}"
