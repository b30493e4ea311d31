"""The detector of one call: takes what is heard, says who answered whenever that has changed. Pure."""

from collections.abc import Mapping, Sequence

from outdial.conversation.detection.evidence import Evidence, Gathering
from outdial.conversation.detection.evidence_times import heard_ms
from outdial.conversation.detection.features import features
from outdial.conversation.detection.heard import Heard, Window, Words
from outdial.conversation.detection.judge import CERTAIN, Decision, Judgement, judge
from outdial.conversation.detection.talk import Spoken
from outdial.conversation.detection.weights import Weights, weights
from outdial.conversation.understanding.language import Language
from outdial.telephony.verdict import AnsweredBy

EVERY_MS = 96        # between two judgements, …
LATER_EVERY_MS = 192 # … once it is our turn
ENDS_MS = 20_000     # of the call clock: later, nobody greets
AFTER_SPEAK_MS = 10_000  # who has been spoken to for so long is revised no more
_STRENGTH = {Decision.HOLD: 0, Decision.SPEAK: 1, Decision.HANG_UP: 2}


class Detector:
    """`language` None: nobody recognises the call's words, and timing and tones decide alone. `own_weights`, `certain`:
    other ones than the package's, to compare."""

    def __init__(
        self, language: Language | None, own_weights: Weights | None = None, *, certain: float = CERTAIN
    ) -> None:
        self._gathering = Gathering(language)
        self._language = language
        self._said: list[Words] = []
        self._weights = own_weights or weights(words=language is not None)
        self._certain = certain
        self._judged_ms = 0
        self._speaks_ms: int | None = None
        self._seen: AnsweredBy | None = None  # in the judgement before, told or not
        self.judgement: Judgement | None = None  # the last one that said something new

    @property
    def is_done(self) -> bool:
        """Whether nothing that is heard would change it any more."""
        if self.judgement is not None and self.judgement.decision is Decision.HANG_UP:
            return True
        late_ms = ENDS_MS if self._speaks_ms is None else min(ENDS_MS, self._speaks_ms + AFTER_SPEAK_MS)
        return self._judged_ms >= late_ms

    def take(self, heard: Heard) -> Judgement | None:
        """A judgement that differs from the one before; none once it `is_done`, though the evidence grows on."""
        self._gathering.take(heard)
        if isinstance(heard, Words):
            self._said.append(heard)
        every_ms = EVERY_MS if self._speaks_ms is None else LATER_EVERY_MS
        if self.is_done or not isinstance(heard, Window) or heard.at_ms - self._judged_ms < every_ms:
            return None
        self._judged_ms = heard.at_ms
        evidence = self._gathering.at(heard.at_ms)
        new = judge(evidence, self._weights.probabilities(features(evidence)), certain=self._certain)
        if new.decision is Decision.SPEAK and self._speaks_ms is None:
            self._speaks_ms = heard.at_ms
        seen_before, self._seen = self._seen, new.category
        if not self._is_news(new, is_seen_again=new.category is seen_before):
            return None
        self.judgement = new
        return new

    def evidence(self, now_ms: int) -> Evidence:
        """All of it so far."""
        return self._gathering.at(now_ms)

    def heard_ms(self, told: Sequence[str], now_ms: int) -> Mapping[str, int]:
        """When each of these words of evidence was heard, by the call clock, where that is known."""
        return heard_ms(told, self.evidence(now_ms), self._said, self._language)

    def spoken(self, now_ms: int) -> Spoken:
        """What the near voice has done; words are asked for by it."""
        return self._gathering.talk.spoken(now_ms)

    def _is_news(self, new: Judgement, *, is_seen_again: bool) -> bool:
        """A category is told once somebody may act on it: while held, only when a machine is found. Another one after
        that, when two judgements in a row come to it."""
        known = self.judgement
        if known is None:
            return new.decision is not Decision.HOLD or new.category in (AnsweredBy.MACHINE, AnsweredBy.NETWORK)
        if _STRENGTH[new.decision] > _STRENGTH[known.decision]:
            return True
        return new.category is not known.category and is_seen_again
