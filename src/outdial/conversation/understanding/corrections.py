"""A number that was read back, put right: "no, seven, not eleven". Pure."""

from outdial.conversation.understanding.digits import digit_runs
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.reading import is_taken_back
from outdial.conversation.understanding.utterance import Utterance


def corrected(value: str, said: Utterance, language: Language) -> str | None:
    """`value` with the digits that were denied replaced by those that were said instead; None when it can't be told
    which those are."""
    wrong: list[str] = []
    right: list[str] = []
    for run in digit_runs(said, language):
        before = said.words[max(0, run.start - 2) : run.start]
        is_denied = not language.denials.isdisjoint(before) or is_taken_back(said, run.start, language)
        (wrong if is_denied else right).append(run.digits)
    if len(wrong) != 1 or len(right) != 1 or value.count(wrong[0]) != 1:
        return None
    return value.replace(wrong[0], right[0])
