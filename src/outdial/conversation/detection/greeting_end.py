"""When a machine takes a message: after its beep, or once its greeting is over. Pure.

Who was taken for a machine and is a person says something short, waits for an answer, and says it again: with less
silence in between than a greeting's end takes. They aren't kept waiting for it.
"""

from enum import StrEnum

from outdial.conversation.detection.evidence import Evidence
from outdial.conversation.opening import HEARD_OUT_MS
from outdial.conversation.understanding.recorded import LIVE

# Of silence, while something softer goes on: a television, or the end of the greeting itself. Nearly all of the 2 s
# that a person who was taken for a machine may be left in.
SOFT_MS = 1900
WORDS_MS = 1500       # … and so much more while its words are being recognised: they may be the machine's own
SHORT_MS = 1200       # what is said by who waits for an answer then, …
WAITS_MS = 700        # … for so long; sentences of a greeting are closer together
LIVE_WAITS_MS = 1000  # … and so long, once words were heard that people say
BEEP_MS = 1600        # of one, until it is known; silence is no longer waited for than that


class GreetingEnd(StrEnum):
    """How it is known, in the words of evidence."""

    BEEP = "beep"
    SILENCE = "silence after the greeting"
    ASKS = "waits for an answer"


def greeting_end(
    evidence: Evidence, found_ms: int, live_before: int, *, may_beep: bool = False, words_due: bool = False
) -> GreetingEnd | None:
    """None while the greeting goes on. `found_ms`: when it was found to be a machine, and how many phrases of people
    were known then (`live_phrases`). `may_beep`: something sounds that may be its beep; what is said into it isn't
    recorded. `words_due`: something that was said is being recognised."""
    beep, spoken = evidence.beep, evidence.spoken
    if beep is not None and not any(span.end_ms > beep.end_ms for span in spoken.spans):
        return GreetingEnd.BEEP
    is_soft = spoken.voice_quiet_ms < HEARD_OUT_MS
    least_ms = SOFT_MS + (WORDS_MS if words_due else 0) if is_soft else HEARD_OUT_MS
    if max(spoken.quiet_ms, spoken.loud_quiet_ms) >= least_ms + (BEEP_MS if may_beep else 0):
        return GreetingEnd.SILENCE
    later = [run for run in spoken.runs(WAITS_MS) if run.start_ms >= found_ms]
    if beep is not None or may_beep or not later or spoken.quiet_ms < WAITS_MS:
        return None
    asks_again = len(later) >= 2 and all(run.duration_ms <= SHORT_MS for run in later[-2:])
    is_live = live_phrases(evidence) > live_before and spoken.quiet_ms >= LIVE_WAITS_MS
    return GreetingEnd.ASKS if asks_again or is_live else None


def live_phrases(evidence: Evidence) -> int:
    """How many phrases were heard that people say."""
    return len(evidence.said.cues.get(LIVE, ()))
