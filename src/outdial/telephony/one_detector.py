"""What one detector has found of a call by itself, whatever another one says, verdict after verdict. Pure."""

from dataclasses import dataclass
from datetime import datetime

from outdial.telephony.verdict import DEADLINE, REPLY, UNDECIDED, WORDS, AnsweredBy, Verdict, WhoAnswered, revised

RULES = frozenset({DEADLINE, REPLY, WORDS})  # evidence that no detector has found: the rules of a call have


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`category`: who answered, as the detector has it now; None: it has said nothing. `known_at`: when it first said
    who it is; None: it doesn't know. `revisions`: how often it has said that it is somebody else since."""

    category: AnsweredBy | None = None
    known_at: datetime | None = None
    revisions: int = 0

    def after(self, verdict: Verdict) -> "Found":
        """With another verdict of the same detector. What counts is told by the rule that a call goes by."""
        known = None if self.category is None else WhoAnswered(category=self.category)
        held = revised(known, verdict, None)
        if held is None or held.category is self.category:
            return self
        is_decided = held.category not in UNDECIDED
        is_revision = self.known_at is not None
        return Found(
            category=held.category,
            known_at=self.known_at if is_revision or not is_decided else verdict.at,
            revisions=self.revisions + is_revision,
        )


def is_detectors(verdict: Verdict) -> bool:
    """Whether a detector has found it, ours or a carrier's."""
    return verdict.is_ours or not RULES & set(verdict.evidence)
