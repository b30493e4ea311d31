"""When what was said is to be recognised, which is what detection costs. Pure.

At pauses, and in the middle of long talk; never twice what hardly grew, and not after the first seconds: by then a
person has been answered, and a recording has said enough. A machine whose greeting is heard out for a message may say
later that it takes none: its words are asked for at a few pauses more.
"""

from dataclasses import dataclass

from outdial.conversation.detection.talk import Span, Spoken

PAUSE_MS = 320              # then an utterance may have ended
ENDED_MS = 700              # then it has: what comes is another one
IN_TALK_MS = (2000, 4000, 6500)
LONGEST_MS = 7000           # of one; what goes on is another one
GROWN_MS = 250              # at least, since it was last asked for
MOST = 6                    # in a call; …
MORE = 5                    # … of a greeting that is heard out, so many besides …
AFTER_ONSET_MS = 9000       # … and later after the first word; of others none


@dataclass(slots=True, kw_only=True)
class _Utterance:
    start_ms: int
    end_ms: int
    asked_ms: int = 0     # how long it was when it was last asked for
    in_talk: int = 0      # how many of IN_TALK_MS have passed


class WordsWanted:
    """Of one call."""

    def __init__(self) -> None:
        self._utterance: _Utterance | None = None
        self._asked = 0

    def due(self, spoken: Spoken, *, to_end: bool = False) -> Span | None:
        """What is to be recognised now, if anything: from where an utterance began to where it is. `to_end`: a
        machine's greeting is heard out."""
        current = self._current(spoken)
        if current is None or self._asked >= (MOST + MORE if to_end else MOST):
            return None
        onset_ms = spoken.onset_ms or 0
        length_ms = current.end_ms - current.start_ms
        is_late = self._asked >= MOST or spoken.now_ms - onset_ms > AFTER_ONSET_MS
        if is_late and not (to_end and spoken.quiet_ms >= PAUSE_MS):
            return None
        if length_ms - current.asked_ms < (GROWN_MS if current.asked_ms else 1):
            return None
        passed = sum(length_ms >= mark for mark in IN_TALK_MS)
        if spoken.quiet_ms < PAUSE_MS and passed <= current.in_talk:
            return None
        current.in_talk = passed
        current.asked_ms = length_ms
        self._asked += 1
        return Span(start_ms=current.start_ms, end_ms=current.end_ms)

    def _current(self, spoken: Spoken) -> _Utterance | None:
        """The utterance that was heard last, with what has come to it."""
        runs = spoken.runs(ENDED_MS)
        if not runs:
            return None
        last = runs[-1]
        known = self._utterance
        start_ms = last.start_ms
        if known is not None and known.start_ms >= start_ms and known.start_ms < last.end_ms:
            start_ms = known.start_ms  # cut off before, as it was too long
        while last.end_ms - start_ms > LONGEST_MS:
            start_ms += LONGEST_MS
        if known is None or abs(known.start_ms - start_ms) > ENDED_MS:
            self._utterance = known = _Utterance(start_ms=start_ms, end_ms=last.end_ms)
        known.end_ms = last.end_ms
        return known
