"""When the callee's turn has ended, from its words and its silence. Pure, and replaceable: see `Endpointing`.

A silence alone says little: people stop for a second in the middle of an answer. Words tell more. Who has said "yes" to
a question of yes and no has finished; who has said "my number is" hasn't.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from outdial.conversation.turn_words import NOTHING, Asked, TurnWords
from outdial.speech.base import TurnTold

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
    longer, never shorter. `told`: what the recogniser itself says of the turn, where it follows turns.
    """

    silence_ms: int
    quiet_ms: int = 0
    length_ms: int  # from its first voice until now
    words: str | None
    asked: Asked = NOTHING
    patience: Patience = Patience()
    told: TurnTold | None = None


class Endpointing(Protocol):
    def silence_ms(self, turn: TurnSoFar) -> int | None:
        """How much `silence_ms` ends this turn; None while that can't be told: words are waited for."""
        ...


class WordEndpointing:
    """Asks the words of a language. Asked with every window of a silence, it looks at the same words once."""

    def __init__(self, words: TurnWords) -> None:
        self._words = words
        self._seen: tuple[str, Asked, Patience] | None = None
        self._means = _Means.NOTHING  # what those do, and …
        self._enough_ms = 0           # … how much silence after them is the end

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
            self._seen = seen
            self._means, self._enough_ms = self._after(*seen)
        enough_ms = _whole_ms(turn) if self._means is _Means.WHOLE else self._enough_ms
        return _with_told(self._means, enough_ms, turn)

    def _after(self, words: str, asked: Asked, patience: Patience) -> "tuple[_Means, int]":
        if not words:
            return _Means.NOTHING, patience.pause_ms
        is_answer = asked.is_answered_by(words)
        if self._words.is_hold_on(words) and not is_answer:
            return _Means.WAIT, max(HOLD_MS, patience.pause_ms)
        digits = len(self._words.digits(words)) if asked.digits else 0
        if digits:
            missing = asked.digits - digits
            if missing <= 0:
                return _Means.WHOLE, 0
            if missing <= self._words.unread_between_digits(words):
                return _Means.NOTHING, patience.pause_ms  # they were said, and not understood
            return _Means.WAIT, max(patience.digits_ms, patience.pause_ms)
        if self._words.is_open_ending(words, asked):
            return _Means.MORE, max(patience.open_ms, patience.pause_ms)
        return (_Means.WHOLE, 0) if is_answer else (_Means.NOTHING, patience.pause_ms)


class _Means(StrEnum):
    """What the words of a turn leave to wait for."""

    WHOLE = "whole"      # nothing: they answer what was asked
    NOTHING = "nothing"  # they don't say
    MORE = "more"        # they break off in the middle of a sentence
    WAIT = "wait"        # more, for what was asked or said: digits are missing, or the callee asks for a moment


def _with_told(means: _Means, enough_ms: int, turn: TurnSoFar) -> int:
    """A recogniser's own word on the turn counts where it knows better, for it has heard how the words were said. It
    knows neither what was asked for, nor for how long an author wants to wait."""
    usual = turn.patience.pause_ms <= PAUSE_MS
    if turn.told is TurnTold.ENDED and means is not _Means.WAIT and usual:
        return min(SURE_MS, enough_ms)
    if turn.told is TurnTold.OPEN and means is _Means.NOTHING and turn.words:
        return max(turn.patience.open_ms, enough_ms)
    return enough_ms


def _whole_ms(turn: TurnSoFar) -> int:
    enough_ms = min(WHOLE_MS, turn.patience.pause_ms)
    quiet_before_ms = max(0, turn.quiet_ms - turn.silence_ms)
    return max(min(SURE_MS, enough_ms), enough_ms - quiet_before_ms)
