"""The judge: who answered, and whether to speak now, hold or hang up; from evidence, and how likely each is. Pure.

To take a person for a machine is far worse than the other way round. So to hang up takes two independent cues (words, a
tone, long talk without a pause; two phrases of a tape are two) and a likelihood; three, and more of it, where somebody
talks behind. And who says what people say, such as "leave me your number, he'll call you", is hung up on for a beep,
or for a tape's words that settle it. To speak takes only that no machine's words were heard.

And nobody waits for long while it isn't decided: that is the leash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from outdial.conversation.detection.evidence import OF_MENUS, OF_SCREENING, Evidence
from outdial.conversation.opening import LISTENED_MS
from outdial.conversation.understanding.recorded import LIVE, REPORTED
from outdial.media.tone_tracker import ToneKind
from outdial.telephony.verdict import AnsweredBy

# The leash, in milliseconds.
NOBODY_MS = 2000         # since the answer, when nobody has spoken
QUIET_MS = 1000          # after what was said, when no machine's words were in it, …
LIKELY_QUIET_MS = 420    # … and when its words are known, and most likely a person's
MACHINE_QUIET_MS = 1300  # after a machine's words that don't settle it, …
PERSON_QUIET_MS = 700    # … and when it is most likely a person all the same: "thanks for calling, how can I help?"
LONG_TALK_MS = 6500      # without an end, and without anything of a machine's
LOUD_QUIET_MS = 1600     # after the loudest that was said, though there is talk: that may be a television

SILENCE_MS = 5000
FAX_TALK_MS = 1000       # who has talked for longer is no fax machine
SPOKEN_MS = 400          # less may be no voice at all
LIKELY_PERSON, LIKELY_WHO_ASKS = 0.6, 0.3  # to be answered; recordings seldom ask, nor say what people say
CUES, CERTAIN = 2, 0.55  # of a machine: to hang up; …
CERTAIN_OF_GATE = 0.85   # … when it asked for a name, as who may put us through does; …
CERTAIN_RECORDS = 0.4    # … when it beeped and is silent, as nobody else does; …
CUES_BEHIND, CERTAIN_BEHIND = 3, 0.8  # … and when somebody talks behind, whose words may be those that were heard
WITHOUT_CUE = 0.8        # to be called a machine with no cue at all, …
WITHOUT_WORDS = 0.6      # … or a screening service or a menu with none of their phrases, unless it is …
WORDED_LIKE = 0.5        # … worded like one
OF_PEOPLE_ALONE = (LIVE, REPORTED)  # phrases
BEHIND_MS = 1700         # since the first pause: with others behind, who talks on and on may be them


class Decision(StrEnum):
    HOLD = "hold"
    SPEAK = "speak"
    HANG_UP = "hang_up"  # a machine for certain; what is done with one is the call's own policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    category: AnsweredBy
    confidence: float
    decision: Decision
    evidence: tuple[str, ...]
    at_ms: int


def judge(evidence: Evidence, likely: Mapping[AnsweredBy, float], *, certain: float = CERTAIN) -> Judgement:
    """`certain`: from which likelihood of a machine on it may be hung up on."""
    cues = evidence.machine_cues()
    category, confidence = _category(evidence, likely, cues)
    return Judgement(
        category=category,
        confidence=confidence,
        decision=_decision(evidence, likely, category, certain, cues),
        evidence=evidence.in_words(category),
        at_ms=evidence.spoken.now_ms,
    )


def _category(evidence: Evidence, likely: Mapping[AnsweredBy, float], cues: int) -> tuple[AnsweredBy, float]:
    if _is_fax(evidence):
        return AnsweredBy.FAX, 0.99
    spoken = evidence.spoken
    if not spoken.spans and spoken.now_ms < SILENCE_MS:
        return AnsweredBy.UNKNOWN, 0.0
    best = max((one for one in likely if _may_be(one, evidence, likely, cues)), key=lambda one: likely[one])
    return best, round(likely[best], 3)


def _may_be(category: AnsweredBy, evidence: Evidence, likely: Mapping[AnsweredBy, float], cues: int) -> bool:
    """Whether there is anything for it beside its likelihood, which is enough when it is high."""
    match category:
        case AnsweredBy.MACHINE | AnsweredBy.NETWORK:
            return cues >= 1 or likely[category] >= WITHOUT_CUE
        case AnsweredBy.SCREENING:
            return bool(evidence.said.kinds(OF_SCREENING)) or _is_worded(category, evidence, likely)
        case AnsweredBy.MENU:
            return bool(evidence.said.kinds(OF_MENUS)) or _is_worded(category, evidence, likely)
        case AnsweredBy.SILENCE | AnsweredBy.UNKNOWN:
            return evidence.spoken.total_ms < SPOKEN_MS
    return True


def _is_worded(category: AnsweredBy, evidence: Evidence, likely: Mapping[AnsweredBy, float]) -> bool:
    return likely[category] >= WITHOUT_WORDS or evidence.said.is_like(category) >= WORDED_LIKE


def _of_machines(likely: Mapping[AnsweredBy, float]) -> float:
    return likely.get(AnsweredBy.MACHINE, 0.0) + likely.get(AnsweredBy.NETWORK, 0.0)


def _is_fax(evidence: Evidence) -> bool:
    return evidence.has(ToneKind.FAX) and evidence.spoken.total_ms < FAX_TALK_MS


def _decision(
    evidence: Evidence, likely: Mapping[AnsweredBy, float], category: AnsweredBy, certain: float, cues: int
) -> Decision:
    if category is AnsweredBy.FAX:
        return Decision.HANG_UP
    if category in (AnsweredBy.MACHINE, AnsweredBy.NETWORK):
        least = _least_to_hang_up(evidence, certain)
        is_tape = evidence.beep is not None or evidence.said.settled is category
        may_be_person = not is_tape and bool(evidence.said.kinds(OF_PEOPLE_ALONE))
        enough = cues >= (CUES_BEHIND if evidence.talk_behind else CUES)
        if _of_machines(likely) >= least and enough and not may_be_person:
            return Decision.HANG_UP
    return Decision.SPEAK if _may_speak(evidence, likely) else Decision.HOLD


def _least_to_hang_up(evidence: Evidence, certain: float) -> float:
    if evidence.said.kinds(OF_SCREENING):
        return max(certain, CERTAIN_OF_GATE)
    if evidence.talk_behind:
        return max(certain, CERTAIN_BEHIND)
    return min(certain, CERTAIN_RECORDS) if evidence.is_quiet_after_beep else certain


def _may_speak(evidence: Evidence, likely: Mapping[AnsweredBy, float]) -> bool:
    spoken = evidence.spoken
    if not spoken.spans:
        return spoken.now_ms >= NOBODY_MS and spoken.heard_ms >= LISTENED_MS
    if spoken.quiet_ms >= MACHINE_QUIET_MS or spoken.loud_quiet_ms >= LOUD_QUIET_MS:
        return True
    first = spoken.runs(LIKELY_QUIET_MS)[0]
    if evidence.talk_behind and evidence.beep is None and spoken.now_ms - first.end_ms >= BEHIND_MS:
        return True
    least = LIKELY_WHO_ASKS if evidence.said.asked or LIVE in evidence.said.cues else LIKELY_PERSON
    is_person = evidence.said.known > 0 and likely.get(AnsweredBy.HUMAN, 0.0) >= least
    if evidence.said.of_machines or evidence.beep is not None:
        return is_person and evidence.beep is None and spoken.quiet_ms >= PERSON_QUIET_MS
    if spoken.quiet_ms >= QUIET_MS or (is_person and spoken.quiet_ms >= LIKELY_QUIET_MS):
        return True
    return spoken.runs(LIKELY_QUIET_MS)[-1].duration_ms >= LONG_TALK_MS and spoken.quiet_ms < LIKELY_QUIET_MS
