"""Whether what a closed recogniser found is the answer. Pure.

How sure that is comes of four signs together, weighed by a logistic regression over callees' answers and over as short
phrases that are none (`bench/talk/misheard.py`: voices and words are others than those it is measured with).
"""

from enum import StrEnum

from outdial.speech.base import Closest
from outdial.speech.pronunciation import is_plain

BASE = 4.10
PER_ALIKE = 4.56        # to the words that were understood, and …
PER_MORE_ALIKE = 2.06   # … so much more than every other answer
PER_LEAD = 1.35         # of 1000, at most MOST_LEAD
PER_FIT = 0.138
MOST_MORE_ALIKE, MOST_LEAD = 0.4, 1500.0
SURE = 0.75             # at least; what people say instead of an answer is taken for one once in thirty times
YES_OR_NO_LEAD = 300.0  # a yes that is ahead of a no by less is asked for once more


class Verdict(StrEnum):
    ANSWER = "answer"
    DOUBT = "doubt"      # it may as well be the opposite
    NOTHING = "nothing"


def sureness(found: Closest) -> float:
    more_alike = found.alike - found.other_alike
    return (
        BASE
        + PER_ALIKE * found.alike
        + PER_MORE_ALIKE * max(-MOST_MORE_ALIKE, min(MOST_MORE_ALIKE, more_alike))
        + PER_LEAD * min(MOST_LEAD, found.lead) / 1000
        + PER_FIT * found.fit
    )


def verdict(found: Closest | None, *, yes_or_no: bool) -> Verdict:
    """`yes_or_no`: the answers are opposites, and one is never to be taken for the other."""
    if found is None or not (is_plain(found.alike, found.other_alike) or sureness(found) >= SURE):
        return Verdict.NOTHING
    return Verdict.DOUBT if yes_or_no and found.lead < YES_OR_NO_LEAD else Verdict.ANSWER
