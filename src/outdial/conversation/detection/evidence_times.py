"""When on a call what the evidence tells of was heard, for whoever looks at its recording. Pure.

Evidence is words for people (`evidence.py: Evidence.in_words`), and it stays as it was told; here it is found again in
what was heard. Words are placed within their utterance by their letters: a few tenths of a second off, at most.
"""

import re
from collections.abc import Sequence

from outdial.conversation.detection.evidence import PAUSE_MS, Evidence
from outdial.conversation.detection.heard import Words
from outdial.conversation.understanding.language import Language

_TONE = re.compile(r" at (\d+\.\d+) s\b")
_SAID = re.compile(r"said '(.+)'")


def heard_ms(
    told: Sequence[str], evidence: Evidence, said: Sequence[Words], language: Language | None
) -> dict[str, int]:
    """The instant of each of `told` on the call clock, of those that have one: when a tone or words began, when
    silence did. `said`: all that was recognised, in the order in which it was known; `language`: of its phrases."""
    found = {each: _instant(each, evidence, said, language) for each in told}
    return {each: max(0, at_ms) for each, at_ms in found.items() if at_ms is not None}


def _instant(told: str, evidence: Evidence, said: Sequence[Words], language: Language | None) -> int | None:
    if tone := _TONE.search(told):
        return round(float(tone[1]) * 1000)
    if words := _SAID.fullmatch(told):
        return None if language is None else _when_said(words[1].split(), said, language)
    runs = evidence.spoken.runs(PAUSE_MS)
    if told == "asked a question":
        return next((one.span.start_ms for one in said if "?" in one.text), None)
    if told == "silence after the beep":
        return None if evidence.beep is None else evidence.beep.end_ms
    if not runs:
        return None
    if told == "silence after the greeting":
        return runs[-1].end_ms
    if told == "waits for an answer":
        return runs[-1].start_ms
    if told.endswith("without a pause"):
        return max(runs, key=lambda run: run.duration_ms).start_ms
    if told == "said hello" or told.endswith("then paused"):
        return runs[0].start_ms
    return None


def _when_said(words: Sequence[str], said: Sequence[Words], language: Language) -> int | None:
    """The first time. Of an utterance that was recognised anew the newest words count."""
    for one in sorted(said, key=lambda one: (one.span.start_ms, -one.at_ms)):
        spoken = language.utterance(one.text).words
        for place in range(len(spoken) - len(words) + 1):
            if list(spoken[place : place + len(words)]) == list(words):
                letters = [len(word) + 1 for word in spoken]
                share = sum(letters[:place]) / sum(letters)
                return one.span.start_ms + round(share * one.span.duration_ms)
    return None
