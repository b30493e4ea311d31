"""A model's report on a call, read: nothing is believed of it that the transcript doesn't bear out. Pure.

A fact stands only with evidence: words of the callee that are in the turn the model names. What is wrong with the
report's form is said to the model (NotPossible), what has no evidence is left out and named in `unproved`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from outdial.agents.after.definition import After
from outdial.agents.after.request import Turn, turns_shown
from outdial.agents.llm.tools import fact_value
from outdial.agents.tools.asks import NotPossible

MAX_REPORT = 60_000    # characters
MAX_SUMMARY = 4000
MAX_EVIDENCE = 10      # turns, of one fact
MAX_NUMBER = 2**63     # also what JSON has no word for is no smaller: 1e999
OUTCOME = "outcome"    # as it is called in `unproved`
_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFact:
    """`evidence`: numbers of the turns that it rests on."""

    name: str
    value: Any
    evidence: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`unproved`: names of what the model told without words that bear it out."""

    summary: str | None = None
    facts: tuple[FoundFact, ...] = ()
    outcome: str | None = None
    outcome_evidence: tuple[int, ...] = ()
    unproved: tuple[str, ...] = ()


def read_report(written: str, after: After, turns: Sequence[Turn]) -> Report:
    """`written`: JSON; also in a text around it, as models without tools write it. Raises NotPossible, in words for the
    model."""
    told = _parsed(written)
    proof = _Proof(turns)
    facts, unproved = _facts(told.get("facts"), after, proof)
    outcome, evidence = _outcome(told.get("outcome"), after, proof)
    if outcome is not None and not evidence:
        outcome, unproved = None, [*unproved, OUTCOME]
    return Report(
        summary=_summary(told.get("summary"), after),
        facts=tuple(facts),
        outcome=outcome,
        outcome_evidence=evidence,
        unproved=tuple(unproved),
    )


class _Proof:
    """The words of the turns that the model has seen."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._said = {turn.number: (turn.speaker, _plain(turn.text)) for turn in turns_shown(turns)}

    def of(self, evidence: Any, *, by_callee: bool) -> tuple[int, ...]:
        """The turns of it in which the words are; none where no such turn is the callee's and one has to be."""
        if not isinstance(evidence, list):
            return ()
        found = sorted({_number(one["turn"]) for one in evidence[:MAX_EVIDENCE] if self._is_said(one)})
        if by_callee and not any(self._said[number][0] == "callee" for number in found):
            return ()
        return tuple(found)

    def _is_said(self, one: Any) -> bool:
        if not isinstance(one, dict):
            return False
        number, words = _number(one.get("turn")), one.get("words")
        if number not in self._said or not isinstance(words, str):
            return False
        quoted = _plain(words)
        return bool(quoted.strip()) and quoted in self._said[number][1]


def _number(told: Any) -> int:
    """Of a turn; some write it as a text. -1: no number."""
    if isinstance(told, str) and re.fullmatch(r"\d{1,9}", told):
        return int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) else -1


def _plain(text: str) -> str:
    """Words alone, a space around each: a quotation is looked for in whole words, without case and punctuation."""
    return f" {' '.join(_WORDS.findall(text.casefold()))} "


def _parsed(written: str) -> Mapping[str, Any]:
    found = _OBJECT.search(written[:MAX_REPORT])
    try:
        told = json.loads(found[0], parse_constant=_no_number) if found is not None else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise NotPossible("The report is no JSON object.")
    return told


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _summary(told: Any, after: After) -> str | None:
    if after.summary is None:
        return None
    if not isinstance(told, str) or not (summary := _storable(" ".join(told.split()))).strip():
        raise NotPossible("summary is a text.")
    return summary[:MAX_SUMMARY]


def _facts(told: Any, after: After, proof: _Proof) -> tuple[list[FoundFact], list[str]]:
    if not after.facts or told is None:
        return [], []
    if not isinstance(told, dict):
        raise NotPossible("facts is an object.")
    found, unproved = [], []
    for fact in after.facts:
        one = told.get(fact.name)
        if one is None:
            continue
        if not isinstance(one, dict):
            raise NotPossible(f"{fact.name} is an object with value and evidence.")
        if one.get("value") is None:
            continue
        value = fact_value(one["value"], fact)
        if isinstance(value, int | float) and not -MAX_NUMBER < value < MAX_NUMBER:
            raise NotPossible(f"{fact.name} is a number of ordinary size.")
        evidence = proof.of(one.get("evidence"), by_callee=True)
        if evidence:
            value = _storable(value) if isinstance(value, str) else value
            found.append(FoundFact(name=fact.name, value=value, evidence=evidence))
        else:
            unproved.append(fact.name)
    return found, unproved


def _outcome(told: Any, after: After, proof: _Proof) -> tuple[str | None, tuple[int, ...]]:
    if not after.outcomes or told is None:
        return None, ()
    if not isinstance(told, dict):
        raise NotPossible("outcome is an object with word and evidence.")
    word = told.get("word")
    if word is None:
        return None, ()
    if not isinstance(word, str) or word not in after.outcomes:
        raise NotPossible(f"The outcome is one of: {', '.join(after.outcomes)}.")
    return word, proof.of(told.get("evidence"), by_callee=False)


def _storable(text: str) -> str:
    """Without what PostgreSQL can't keep: U+0000, and halves of surrogate pairs."""
    text = text.replace("\0", "")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
