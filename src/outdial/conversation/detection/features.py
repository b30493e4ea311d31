"""Evidence as numbers, in a fixed order: what the weights were trained on. Pure."""

from itertools import pairwise

from outdial.conversation.detection.evidence import PAUSE_MS, Evidence
from outdial.conversation.detection.wording import LIKE
from outdial.conversation.understanding.recorded import (
    ABSENT,
    CALL_BACK,
    FULL,
    INSTRUCTS,
    KINDS,
    LEAVE,
    MAILBOX,
    REACHED,
    TONE,
)
from outdial.media.tone_tracker import ToneKind
from outdial.telephony.verdict import AnsweredBy

SETTLED = (AnsweredBy.MACHINE, AnsweredBy.SCREENING, AnsweredBy.MENU, AnsweredBy.NETWORK)
TIMING = (
    "now_s", "onset_s", "talk_s", "run_s", "longest_run_s", "first_run_s", "longest_pause_s", "runs", "quiet_s",
    "share", "apart_s", "level", "sound_s", "beep", "other_beeps", "sit", "fax", "network_tone",
)  # fmt: skip
WORDS = (
    "words", "words_a_s", "known", "questions", "loops", "hello", "first_words", "voicemail_kinds",
    *(f"said_{kind}" for kind in KINDS), *(f"settled_{one}" for one in SETTLED),
    *(f"like_{one}" for one in LIKE),
)  # fmt: skip
NAMES = (*TIMING, *WORDS)
MOST_S = 12.0  # of whatever is a time: what takes longer says nothing more
_VOICEMAIL = (LEAVE, TONE, MAILBOX, FULL, INSTRUCTS, ABSENT, CALL_BACK, REACHED)


def features(evidence: Evidence) -> list[float]:
    """In the order of NAMES; of TIMING alone, where words aren't known."""
    numbers = _timing(evidence)
    return numbers + _words(evidence) if evidence.words_known else numbers


def _timing(evidence: Evidence) -> list[float]:
    spoken = evidence.spoken
    runs = spoken.runs(PAUSE_MS)
    lengths = [run.duration_ms for run in runs]
    pauses = [later.start_ms - earlier.end_ms for earlier, later in pairwise(runs)]
    onset_ms = spoken.onset_ms
    since_ms = 0 if onset_ms is None else max(1, spoken.now_ms - onset_ms)
    talks_on = bool(runs) and spoken.quiet_ms < PAUSE_MS
    beeps = sum(tone.kind is ToneKind.BEEP for tone in evidence.tones)
    return [
        _s(spoken.now_ms),
        _s(MOST_S * 1000 if onset_ms is None else onset_ms),
        _s(spoken.total_ms),
        _s(lengths[-1] if talks_on else 0),
        _s(max(lengths, default=0)),
        _s(lengths[0] if lengths else 0),
        _s(max(pauses, default=0)),
        float(min(8, len(runs))),
        _s(spoken.quiet_ms),
        spoken.total_ms / since_ms if since_ms else 0.0,
        _s(spoken.apart_ms),
        max(-60.0, spoken.level_dbfs) / 10,
        _s(evidence.sound_ms),
        float(evidence.beep is not None),
        float(min(4, beeps - (evidence.beep is not None))),
        float(evidence.has(ToneKind.SIT)),
        float(evidence.has(ToneKind.FAX)),
        float(evidence.has(ToneKind.BUSY) or evidence.has(ToneKind.RINGBACK)),
    ]


def _words(evidence: Evidence) -> list[float]:
    said = evidence.said
    count = len(said.words)
    return [
        float(min(40, count)),
        min(6.0, count / max(0.5, evidence.spoken.total_ms / 1000)),
        float(min(6, said.known)),
        float(min(3, said.asked)),
        said.loops,
        float(said.hello),
        float(0 < count <= 4),
        float(len(said.kinds(_VOICEMAIL))),
        *(float(min(2, len(said.cues.get(kind, ())))) for kind in KINDS),
        *(float(said.settled is one) for one in SETTLED),
        *said.like,
    ]


def _s(duration_ms: float) -> float:
    return min(MOST_S, duration_ms / 1000)
