"""Who answered, as answering machine detection tells it, and which of several verdicts wins. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from outdial.telephony.carrier_call import CarrierCall


class AnsweredBy(StrEnum):
    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Answering machine detection's result. `message_end` says that a message can be left now, `confidence` (0 to
    1) how sure the carrier is, where it says so."""

    answered_by: AnsweredBy
    at: datetime
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    detection_ms: int | None = None
    message_end: bool = False
    carrier_call: CarrierCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAnswered:
    """What is held of who answered a call: the verdict that won. `after_answer_ms` counts from the answer."""

    category: AnsweredBy
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    after_answer_ms: int | None = None
    message_end: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"evidence": list(self.evidence)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            category=AnsweredBy(stored["category"]),
            evidence=tuple(stored.get("evidence", ())),
            confidence=stored.get("confidence"),
            after_answer_ms=stored.get("after_answer_ms"),
            message_end=bool(stored.get("message_end")),
        )


def revised(known: WhoAnswered | None, verdict: Verdict, answered_at: datetime | None) -> WhoAnswered | None:
    """Who answered, now that `verdict` has come; None when it says nothing new.

    The first verdict that says something stays. A later one of the same category may add that a message can be left
    now; its evidence is added to what is known, and the time is that of the first.
    """
    if not _is_news(known, verdict):
        return None
    after_answer_ms = verdict.detection_ms
    if after_answer_ms is None and answered_at is not None:
        after_answer_ms = max(0, round((verdict.at - answered_at).total_seconds() * 1000))
    evidence = verdict.evidence
    if known is not None and known.category is verdict.answered_by:
        evidence = (*known.evidence, *(word for word in evidence if word not in known.evidence))
        after_answer_ms = known.after_answer_ms
    return WhoAnswered(
        category=verdict.answered_by,
        evidence=evidence,
        confidence=verdict.confidence,
        after_answer_ms=after_answer_ms,
        message_end=verdict.message_end,
    )


def _is_news(known: WhoAnswered | None, verdict: Verdict) -> bool:
    if known is None:
        return True
    if known.category is AnsweredBy.UNKNOWN:
        return verdict.answered_by is not AnsweredBy.UNKNOWN
    return known.category is verdict.answered_by and verdict.message_end and not known.message_end
