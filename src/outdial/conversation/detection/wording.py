"""Whose words these are like: each word and each pair of neighbours counts for or against a category. Pure.

Phrases tell for certain, where they are heard as they are written. A recogniser mishears a word of six, and there are
more ways to ask for a name than anybody writes down; this finds what is left. Trained with the weights.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from outdial.telephony.verdict import AnsweredBy

LANGUAGE = "en"  # of the words it was trained on
START = "^"
LIKE = (AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.SCREENING, AnsweredBy.MENU, AnsweredBy.NETWORK)


@dataclass(frozen=True, slots=True)
class Wording:
    """`scores`: of a word or a pair, in hundredths, for each of LIKE; `constant` of each."""

    constant: Sequence[float]
    scores: Mapping[str, Sequence[int]]

    def like(self, words: Sequence[str]) -> tuple[float, ...]:
        """How much these words are like those of each of LIKE, in all 1; zeros where there are none."""
        if not words:
            return NOTHING_SAID
        total = [100 * one for one in self.constant]
        for pair in pairs(words):
            for place, score in enumerate(self.scores.get(pair, ())):
                total[place] += score
        highest = max(total)
        likely = [math.exp((one - highest) / 100) for one in total]
        whole = sum(likely)
        return tuple(one / whole for one in likely)


NOTHING_SAID = (0.0,) * len(LIKE)


def pairs(words: Sequence[str]) -> set[str]:
    """Words, and pairs of neighbours; the first has the start for one."""
    return {*words, *(f"{one} {other}" for one, other in zip((START, *words), words, strict=False))}


@cache
def wording(language: str) -> Wording | None:
    """None for a language whose words it doesn't know."""
    if language != LANGUAGE:
        return None
    stored = json.loads(files("outdial.conversation.detection").joinpath("weights.json").read_text(encoding="utf-8"))
    return read_wording(stored["wording"]) if "wording" in stored else None


def read_wording(stored: Mapping[str, Any]) -> Wording:
    return Wording(constant=stored["constant"], scores=stored["scores"])
