"""How well the detector does on streams, with intervals."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bench.answers.streams import unpacked
from outdial.conversation.detection.detector import Detector
from outdial.conversation.detection.judge import CERTAIN, Decision
from outdial.conversation.detection.weights import Weights
from outdial.conversation.understanding.language import language_of
from outdial.telephony.verdict import MACHINES, AnsweredBy, Verdict, WhoAnswered, revised

BEGINS_AFTER_MS = 30  # of talk of ours, until it is heard: a tick and a half
Z95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one opening. `speak_ms`, `hang_up_ms`: when it was first said so; `first`: the category by then."""

    stored: dict[str, Any]
    final: str
    first: str
    speak_ms: int | None
    hang_up_ms: int | None
    evidence: tuple[str, ...]

    @property
    def category(self) -> str:
        return str(self.stored["category"])

    @property
    def is_right(self) -> bool:
        return self.final == self.category

    @property
    def after_greeting_s(self) -> float | None:
        """From the end of a person's greeting to our first word; negative when it was said before."""
        if self.speak_ms is None or self.stored["greeting_end_ms"] is None:
            return None
        return (self.speak_ms + BEGINS_AFTER_MS - int(self.stored["greeting_end_ms"])) / 1000


def outcome(
    stored: dict[str, Any], own_weights: Weights | None = None, *, words: bool = True, certain: float = CERTAIN
) -> Outcome:
    detector = Detector(language_of("en") if words else None, own_weights, certain=certain)
    speak_ms = hang_up_ms = None
    first = ""
    for heard in unpacked(stored):
        new = detector.take(heard)
        if new is None:
            continue
        if new.decision is not Decision.HOLD and speak_ms is None:
            speak_ms, first = new.at_ms, str(new.category)
        if new.decision is Decision.HANG_UP:
            hang_up_ms = new.at_ms
    last = detector.judgement
    return Outcome(
        stored=stored,
        final="unknown" if last is None else str(last.category),
        first=first or "unknown",
        speak_ms=speak_ms,
        hang_up_ms=hang_up_ms,
        evidence=() if last is None else last.evidence,
    )


def as_recorded(stored: dict[str, Any]) -> Outcome:
    """What would be in the record of a call without a reply: who isn't certainly a machine is told to be one at its end
    alone, and what comes later takes the place of what is there by rule."""
    detector, known, hung_up = Detector(language_of("en")), None, False
    for heard in unpacked(stored):
        new = detector.take(heard)
        if new is None or new.decision is Decision.HOLD:
            continue
        is_machine = new.category in MACHINES
        category = AnsweredBy.UNKNOWN if is_machine and new.decision is not Decision.HANG_UP else new.category
        verdict = Verdict(
            answered_by=category, at=datetime.now(UTC), evidence=new.evidence, detection_ms=new.at_ms,
            revises=category in MACHINES, is_ours=True,
        )  # fmt: skip
        known = revised(known, verdict, None) or known
        if new.decision is Decision.HANG_UP:
            hung_up = True
            break
    last = detector.judgement
    if last is not None and last.category in (AnsweredBy.HUMAN, *MACHINES) and not hung_up:
        verdict = Verdict(
            answered_by=last.category, at=datetime.now(UTC), evidence=last.evidence, detection_ms=last.at_ms,
            revises=last.category in MACHINES, is_ours=True, at_end=True,
        )  # fmt: skip
        known = revised(known, verdict, None) or known
    judged = outcome(stored)
    record = known or WhoAnswered(category=AnsweredBy.UNKNOWN)
    spoken_ms = judged.speak_ms if judged.speak_ms != judged.hang_up_ms else None
    return replace(judged, final=str(record.category), evidence=record.evidence, speak_ms=spoken_ms)


def interval(hits: int, of: int) -> str:
    """A share with Wilson's 95 % interval."""
    if not of:
        return "none"
    share, z = hits / of, Z95
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    lowest, highest = 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)
    return f"{100 * share:.1f} % ({hits} of {of}; {lowest:.1f} to {highest:.1f})"


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def report(outcomes: Sequence[Outcome]) -> list[str]:
    lines: list[str] = []

    def rate(name: str, of: Callable[[Outcome], bool], is_hit: Callable[[Outcome], bool]) -> None:
        chosen = [one for one in outcomes if of(one)]
        lines.append(f"{name:58} {interval(sum(map(is_hit, chosen)), len(chosen))}")

    def behind(one: Outcome) -> bool:
        return bool(one.stored["talk_behind"])

    def english(one: Outcome) -> bool:
        return one.stored["language"] == "en"

    def of(category: str) -> Callable[[Outcome], bool]:
        return lambda one: one.category == category

    rate("final accuracy, all kinds", lambda one: True, lambda one: one.is_right)
    rate("final accuracy, English without talk behind", lambda o: english(o) and not behind(o), lambda o: o.is_right)
    rate("final accuracy, talk behind", behind, lambda one: one.is_right)
    rate("people hung up on, without talk behind", lambda o: o.category == "human" and not behind(o), _hung_up)
    rate("people hung up on, with talk behind", lambda o: o.category == "human" and behind(o), _hung_up)
    rate("people called a machine in the end", of("human"), lambda o: o.final in ("machine", "network"))
    rate("machines hung up on", of("machine"), _hung_up)
    rate("… English without talk behind", lambda o: of("machine")(o) and english(o) and not behind(o), _hung_up)
    rate("voicemails called human in the end", of("machine"), lambda o: o.final == "human")
    rate("screening recognised", of("screening"), lambda o: o.is_right)
    rate("… or taken for a machine", of("screening"), lambda o: o.final in ("machine", "screening"))
    rate("screening services hung up on", of("screening"), _hung_up)
    rate("menus recognised", of("menu"), lambda o: o.is_right)
    people = [one.after_greeting_s for one in outcomes if one.category == "human" and one.after_greeting_s is not None]
    p50, p95, longest = quantile(people, 0.5), quantile(people, 0.95), max(people, default=0.0)
    times = f"p50 {p50:.2f} s, p95 {p95:.2f} s, longest {longest:.2f} s"
    early = interval(sum(one < 0 for one in people), len(people))
    lines.append(f"{'a person: from the end of the greeting to our first word':58} {times}; before its end {early}")
    rate("people never spoken to", of("human"), lambda o: o.speak_ms is None)
    return lines


def _hung_up(one: Outcome) -> bool:
    return one.hang_up_ms is not None


def operating_point(certain: float, outcomes: Sequence[Outcome]) -> str:
    people, machines = ([one for one in outcomes if one.category == category] for category in ("human", "machine"))
    caught = interval(sum(map(_hung_up, machines)), len(machines))
    return f"p ≥ {certain:.2f}: people {interval(sum(map(_hung_up, people)), len(people))}, machines {caught}"


def confusion(outcomes: Iterable[Outcome]) -> list[str]:
    counted = Counter((one.category, one.final) for one in outcomes)
    names = sorted({name for pair in counted for name in pair})
    lines = [f"{'':10}" + "".join(f"{name[:9]:>10}" for name in names)]
    actual = sorted({pair[0] for pair in counted})
    return lines + [f"{one:10}" + "".join(f"{counted[one, name] or '.':>10}" for name in names) for one in actual]
