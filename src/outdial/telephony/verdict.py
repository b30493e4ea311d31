"""Who answered, as answering machine detection tells it, and which of several verdicts wins. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from outdial.telephony.carrier_call import CarrierCall

# Evidence of our own. With either of them it is too late to find a machine: what is found is noted, and no more.
DEADLINE = "deadline"  # no result came in the time there was for one
REPLY = "reply"        # the callee has answered us, as machines don't: conversation/exchange.py
# What the callee's side said gives a recording away, with detection or without: conversation/answering.py
WORDS = "words"
SAID = "said '"  # a phrase that our own detector has heard


class DetectedBy(StrEnum):
    """Who finds out who answered."""

    LOCAL = "local"      # our own detector: conversation/detection/
    CARRIER = "carrier"
    BOTH = "both"        # each tells what it finds

    @property
    def is_ours(self) -> bool:
        """Whether our own detector does, alone or beside the carrier."""
        return self is not DetectedBy.CARRIER

    @property
    def is_carriers(self) -> bool:
        return self is not DetectedBy.LOCAL


class AnsweredBy(StrEnum):
    HUMAN = "human"
    MACHINE = "machine"
    SCREENING = "screening"  # a service asks who is calling, and may put us through
    MENU = "menu"            # a choice of keys to press
    NETWORK = "network"      # an announcement: the call can't be connected
    FAX = "fax"
    SILENCE = "silence"      # answered, and nobody speaks
    UNKNOWN = "unknown"


MACHINES = frozenset({AnsweredBy.MACHINE, AnsweredBy.NETWORK, AnsweredBy.FAX})
GATES = frozenset({AnsweredBy.SCREENING, AnsweredBy.MENU})  # a person, or a voicemail, may be behind it
UNDECIDED = frozenset({AnsweredBy.UNKNOWN, AnsweredBy.SILENCE})  # whoever it is may speak yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Answering machine detection's result. `message_end` says that a message can be left now, `beeped` that the
    machine's beep was heard, `confidence` (0 to 1) how sure its finder is, where that is told. `revises`: it comes from
    who has heard more than there was for the verdict before (our own detector), and found two independent cues of a
    machine. `is_ours`: it is our own detector's. `at_end`: the conversation is over, and nothing is done about it;
    only a callee who has answered us knows better. On the call clock, as far as that is known: `at_ms`, when it was
    found, and `heard_ms`, which of the evidence was heard when."""

    answered_by: AnsweredBy
    at: datetime
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    detection_ms: int | None = None
    message_end: bool = False
    beeped: bool = False
    revises: bool = False
    is_ours: bool = False
    at_end: bool = False
    at_ms: int | None = None
    heard_ms: Mapping[str, int] = field(default_factory=dict)
    carrier_call: CarrierCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAnswered:
    """What is held of who answered a call: the verdict that won. `after_answer_ms` counts from the answer; `at_ms` is
    the same instant on the call clock, and `heard_ms` has which evidence was heard when on it."""

    category: AnsweredBy
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    after_answer_ms: int | None = None
    message_end: bool = False
    beeped: bool = False
    at_ms: int | None = None
    heard_ms: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        told = asdict(self) | {"evidence": list(self.evidence)}
        unknown = {"at_ms"} if self.at_ms is None else set()
        unknown |= set() if self.heard_ms else {"heard_ms"}
        unknown |= set() if self.beeped else {"beeped"}
        return {name: value for name, value in told.items() if name not in unknown}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            category=AnsweredBy(stored["category"]),
            evidence=tuple(stored.get("evidence", ())),
            confidence=stored.get("confidence"),
            after_answer_ms=stored.get("after_answer_ms"),
            message_end=bool(stored.get("message_end")),
            beeped=bool(stored.get("beeped")),
            at_ms=stored.get("at_ms"),
            heard_ms=stored.get("heard_ms") or {},
        )


def revised(known: WhoAnswered | None, verdict: Verdict, answered_at: datetime | None) -> WhoAnswered | None:
    """Who answered, now that `verdict` has come; None when it says nothing new.

    The first verdict that says something stays. A later one of the same category may add that a message can be left
    now, or that there was a beep, and one of our own detector may add evidence. A machine, a screening service or a
    menu that our own detector finds later takes the place of a person. What finds a machine too late (after DEADLINE or
    REPLY) only adds its evidence: a person may be talking by then. Words alone tell of a voicemail behind a screening
    service or a menu, until who is behind it has answered us. One that our own detector took for such a service without
    any of its phrases may still be found to be a machine, and at the end a person. All evidence is kept, in the order
    in which it came; the time is that of the first of a category.
    """
    if known is None:
        return _held(verdict, verdict.answered_by, verdict.evidence, _after_answer_ms(verdict, answered_at))
    evidence = (*known.evidence, *(word for word in verdict.evidence if word not in known.evidence))
    known = replace(known, heard_ms={**verdict.heard_ms, **known.heard_ms})
    if _is_too_late(known, verdict):
        return None if evidence == known.evidence else replace(known, evidence=evidence)
    if DEADLINE in verdict.evidence and known.category is AnsweredBy.SILENCE:
        return replace(known, evidence=evidence)  # which is a result, though not the last word
    if REPLY in verdict.evidence and known.category in GATES:  # it has let us through
        return None if evidence == known.evidence else replace(known, evidence=evidence)
    if REPLY in verdict.evidence and known.category in MACHINES:  # found at the same moment, and not obeyed
        unknown = replace(known, category=AnsweredBy.UNKNOWN, evidence=evidence, confidence=None)
        return replace(unknown, message_end=False, beeped=False)
    if not _is_news(known, verdict):
        return None
    if known.category is verdict.answered_by:
        held = _held(verdict, known.category, evidence, known.after_answer_ms)
        message_end, beeped = verdict.message_end or known.message_end, verdict.beeped or known.beeped
        return replace(held, message_end=message_end, beeped=beeped, at_ms=known.at_ms, heard_ms=known.heard_ms)
    held = _held(verdict, verdict.answered_by, evidence, _after_answer_ms(verdict, answered_at))
    return replace(held, heard_ms=known.heard_ms)


def without_speech(verdict: Verdict) -> Verdict:
    """Of a call whose transcript was erased: what tells who answered, but for what was said (of our own detector)."""
    kept = tuple(each for each in verdict.evidence if not each.startswith("said "))
    return replace(verdict, evidence=kept, heard_ms={})


def waited_ms(by_carrier_ms: int | None, told_ago_ms: int | None) -> int:
    """How long before an instant a call was answered, as far as that is known. `by_carrier_ms`: since the instant that
    the carrier has told, by another clock; `told_ago_ms`: since it was told, by one clock alone. A carrier's clock is
    not ours: what it says beyond what we know ourselves is taken for a clock that is off. 0 where one is unknown."""
    if by_carrier_ms is None or told_ago_ms is None:
        return 0
    return max(0, min(by_carrier_ms, told_ago_ms))


def is_settled(category: AnsweredBy, evidence: Collection[str]) -> bool:
    """Whether words can't tell any more who answered: it is known, or it is too late to find a machine."""
    if category in UNDECIDED:
        return DEADLINE in evidence or REPLY in evidence
    return category not in GATES


def is_guess(known: WhoAnswered) -> bool:
    """Whether a screening service or a menu was told by how it sounds, without a phrase of one."""
    return known.category in GATES and not any(each == WORDS or each.startswith(SAID) for each in known.evidence)


def _is_too_late(known: WhoAnswered, verdict: Verdict) -> bool:
    if known.category is AnsweredBy.HUMAN:
        return REPLY in known.evidence and (verdict.revises or verdict.is_ours)
    if known.category in GATES:
        return REPLY in known.evidence and verdict.answered_by is not AnsweredBy.HUMAN
    if known.category is AnsweredBy.SILENCE and REPLY in verdict.evidence:
        return False  # somebody is there, however late
    if verdict.at_end:
        return REPLY in known.evidence
    settled = known.category in UNDECIDED and is_settled(known.category, known.evidence)
    return settled and verdict.answered_by is not AnsweredBy.HUMAN


def _is_news(known: WhoAnswered, verdict: Verdict) -> bool:
    if known.category in UNDECIDED:
        # A carrier that doesn't know has not said its last word; ours is.
        is_ours = DEADLINE in verdict.evidence or REPLY in verdict.evidence
        says_more = verdict.answered_by is AnsweredBy.SILENCE and known.category is AnsweredBy.UNKNOWN
        return is_ours or says_more or verdict.answered_by not in UNDECIDED
    if known.category is AnsweredBy.HUMAN and (verdict.revises or verdict.is_ours):
        return verdict.answered_by in (MACHINES if verdict.revises else GATES)
    if known.category in GATES:
        is_by_words = verdict.answered_by is AnsweredBy.MACHINE and WORDS in verdict.evidence
        return is_by_words or (is_guess(known) and (verdict.revises or verdict.at_end))
    if known.category is not verdict.answered_by:
        return False
    has_evidence = not set(verdict.evidence) <= set(known.evidence)
    has_evidence &= known.category in MACHINES
    adds = (verdict.message_end and not known.message_end) or (verdict.beeped and not known.beeped)
    return adds or (verdict.is_ours and has_evidence)


def _held(
    verdict: Verdict, category: AnsweredBy, evidence: tuple[str, ...], after_answer_ms: int | None
) -> WhoAnswered:
    return WhoAnswered(
        category=category,
        evidence=evidence,
        confidence=verdict.confidence,
        after_answer_ms=after_answer_ms,
        message_end=verdict.message_end,
        beeped=verdict.beeped,
        at_ms=verdict.at_ms,
        heard_ms=verdict.heard_ms,
    )


def _after_answer_ms(verdict: Verdict, answered_at: datetime | None) -> int | None:
    if verdict.detection_ms is not None or answered_at is None:
        return verdict.detection_ms
    return max(0, round((verdict.at - answered_at).total_seconds() * 1000))
