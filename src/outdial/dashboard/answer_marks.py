"""What spoke for whom as a call was answered: the verdicts and their evidence as marks on its recording, in the order
in which they were heard. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from outdial.carriers.registry import CARRIERS, carrier_named
from outdial.dashboard.words import ANSWERED_BY, carrier_label
from outdial.history.verdicts import VerdictView
from outdial.telephony.verdict import DEADLINE, REPLY, UNDECIDED, WORDS

_OUR_EVIDENCE = {
    DEADLINE: "No result came in time.",
    REPLY: "The callee answered the agent, as a person does.",
    WORDS: "It said what recordings say.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`at_ms` on the recording; None: nobody knows. `detail`: evidence of a verdict that has no instant of its own."""

    number: int
    kind: Literal["heard", "verdict"]
    at_ms: int | None
    text: str
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class _Verdict:
    """Of one detector, as long as it says the same. `at_ms` is when it first did."""

    by: str | None
    category: str
    at_ms: int | None
    evidence: list[str]


def answer_marks(verdicts: Sequence[VerdictView], carrier: str | None) -> list[Mark]:
    """`carrier`: whose call it is. What has no instant comes last."""
    told: list[_Verdict] = []
    heard: dict[str, int] = {}
    for verdict in verdicts:
        now = next((each for each in reversed(told) if each.by == verdict["by"]), None)
        says_less = now is not None and verdict["category"] in UNDECIDED and now.category not in UNDECIDED
        is_new = now is None or (now.category != verdict["category"] and not says_less)
        if now is None or is_new:
            now = _Verdict(by=verdict["by"], category=verdict["category"], at_ms=verdict["at_ms"], evidence=[])
            told.append(now)
        for each in verdict["evidence"]:
            # What is said later for the same, such as a carrier's word of a beep, has the instant of its verdict.
            at_ms = verdict["at_ms"] if each["heard_at_ms"] is None and not is_new else each["heard_at_ms"]
            if at_ms is not None and each["text"] not in now.evidence:
                heard.setdefault(each["text"], at_ms)
            elif each["text"] not in (*now.evidence, *heard):
                now.evidence.append(each["text"])
    marks: list[tuple[float, int, Mark]] = []
    for text, at_ms in heard.items():
        mark = Mark(number=0, kind="heard", at_ms=at_ms, text=evidence_in_words(text))
        marks.append((at_ms, len(marks), mark))
    for one in told:
        mark = Mark(number=0, kind="verdict", at_ms=one.at_ms, text=_said(one, carrier), detail=_because(one.evidence))
        marks.append((float("inf") if one.at_ms is None else one.at_ms, len(marks), mark))
    ordered = [mark for *_, mark in sorted(marks, key=lambda each: each[:2])]
    return [
        Mark(number=place, kind=each.kind, at_ms=each.at_ms, text=each.text, detail=each.detail)
        for place, each in enumerate(ordered, start=1)
    ]


def who_says(by: str | None, carrier: str | None) -> str:
    """`Outdial`, or the carrier's name; the rules of a call are Outdial's, too."""
    if by != "carrier":
        return "Outdial"
    return "The carrier" if carrier is None else carrier_label(carrier)


def evidence_in_words(evidence: str) -> str:
    """`twilio:machine_end_beep` → "Twilio heard a machine, and its beep."; our detector's words become a
    sentence; what we don't know stays as it is."""
    name, colon, word = evidence.partition(":")
    if " " in evidence and carrier_named(name) is None:  # our own detector's
        return f"{evidence[0].upper()}{evidence[1:]}."
    if not colon:
        return _OUR_EVIDENCE.get(evidence, evidence)
    known = carrier_named(name)
    if known is None:
        return f"{name} heard “{word}”."
    kind = CARRIERS[known]
    return f"{kind.label} heard {kind.evidence.get(word, f'“{word}”')}."


def _said(verdict: _Verdict, carrier: str | None) -> str:
    return f"{who_says(verdict.by, carrier)}: {ANSWERED_BY.get(verdict.category, verdict.category).lower()}"


def _because(evidence: Sequence[str]) -> str:
    return " ".join(evidence_in_words(each) for each in evidence)
