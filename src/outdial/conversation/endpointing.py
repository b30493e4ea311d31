"""When the callee's turn has ended, from its words and its silence. Pure, and replaceable: see `Endpointing`.

A silence alone says little: people stop for a second in the middle of an answer. Words tell more. Who has said "yes" to
a question of yes and no has finished; who has said "my number is" hasn't.
"""

from dataclasses import dataclass
from typing import Protocol

from outdial.conversation.turn_words import NOTHING, Asked, TurnWords

PAUSE_MS = 500             # of silence after words that tell nothing
WHOLE_MS = 300             # … after an answer that leaves nothing to wait for: of quiet, and …
SURE_MS = 90               # … by the voice detector's word, too
HOLD_MS = 800              # … after "let me see": perhaps they think aloud, and the answer comes
PATIENCE_MS = 1600         # … after words that can't be the end
DIGITS_MS = 3000           # … after fewer digits than were asked for
UNRECOGNISED_MS = 4000     # the longest that words are waited for
LONG_TURN_MS = 8000        # from here on any pause ends a turn, and …
LONGEST_TURN_MS = 10_000   # … here none is needed: somebody else talks, or a radio


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much silence ends a turn; `digits_ms` where digits of several are missing."""

    pause_ms: int = PAUSE_MS
    open_ms: int = PATIENCE_MS
    digits_ms: int = DIGITS_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSoFar:
    """The callee's turn at a silence. Lengths in ms; `words` are None as long as they aren't recognised.

    `silence_ms` is the voice detector's, which goes on for a moment after a voice; `quiet_ms` is by level and mostly
    longer, never shorter.
    """

    silence_ms: int
    quiet_ms: int = 0
    length_ms: int  # from its first voice until now
    words: str | None
    asked: Asked = NOTHING
    patience: Patience = Patience()


class Endpointing(Protocol):
    def silence_ms(self, turn: TurnSoFar) -> int | None:
        """How much `silence_ms` ends this turn; None while that can't be told: words are waited for."""
        ...


class WordEndpointing:
    """Asks the words of a language. Asked with every window of a silence, it looks at the same words once."""

    def __init__(self, words: TurnWords) -> None:
        self._words = words
        self._seen: tuple[str, Asked, Patience] | None = None
        self._enough_ms: int | None = None  # after those; None: they leave nothing to wait for

    def silence_ms(self, turn: TurnSoFar) -> int | None:
        if turn.length_ms >= LONGEST_TURN_MS:
            return 0
        if turn.words is None:
            return UNRECOGNISED_MS if turn.silence_ms >= UNRECOGNISED_MS else None
        patience = turn.patience
        if turn.length_ms >= LONG_TURN_MS:
            return min(WHOLE_MS, patience.pause_ms)
        seen = turn.words, turn.asked, patience
        if seen != self._seen:
            self._seen, self._enough_ms = seen, self._after(*seen)
        return _whole_ms(turn) if self._enough_ms is None else self._enough_ms

    def _after(self, words: str, asked: Asked, patience: Patience) -> int | None:
        if not words:
            return patience.pause_ms
        is_answer = asked.is_answered_by(words)
        if self._words.is_hold_on(words) and not is_answer:
            return max(HOLD_MS, patience.pause_ms)
        digits = len(self._words.digits(words)) if asked.digits else 0
        if digits:
            missing = asked.digits - digits
            if missing <= 0:
                return None
            if missing <= self._words.unread_between_digits(words):
                return patience.pause_ms  # they were said, and not understood
            return max(patience.digits_ms, patience.pause_ms)
        if self._words.is_open_ending(words, asked):
            return max(patience.open_ms, patience.pause_ms)
        return None if is_answer else patience.pause_ms


def _whole_ms(turn: TurnSoFar) -> int:
    enough_ms = min(WHOLE_MS, turn.patience.pause_ms)
    quiet_before_ms = max(0, turn.quiet_ms - turn.silence_ms)
    return max(min(SURE_MS, enough_ms), enough_ms - quiet_before_ms)
