"""How a conversation opens: when we speak our first words to whoever has answered. Pure, and replaceable (`Opening`).

Who is called says "Hello?" and listens then: words of ours before that, or into it, are lost. But nobody waits in
silence: a callee who says nothing, or of whom it isn't known yet whether it is a person, hears us within two seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from outdial.conversation.turn_words import TurnWords

SILENCE_MS = 1500      # since the answer, or since words that were not recognised in time
UNDECIDED_MS = 1800    # … while detection is under way; the first sound of a sentence takes up to 200 ms more
HELLO_MS = 500         # of silence after a hello; many a recording begins with one, and a shorter pause …
GREETING_MS = 700      # … after other words: many a greeting has a pause of half a second in it …
QUIET_MS = 1000        # … while detection is under way …
RECORDED_MS = 1800     # … after words of a recording, whose next sentence is sure to come
TALK_MS = 6500         # without an end: a person's greeting is shorter
LOUD_SILENCE_MS = 1500 # after the loudest of it; what goes on may be a television
RECORDED_TALK_MS = 20_000

LISTENED_MS = 500      # at least, to audio, before who hasn't spoken is spoken to; however late the stream has come
CREDIT_MS = 1000       # at most, for what the callee has waited before our stream opened
NO_AUDIO_MS = 2000     # after the stream's start, without any audio: nobody can be heard


class Greet(StrEnum):
    """Who speaks first on a call that we have placed."""

    AT_ONCE = "at_once"          # the agent
    AFTER_HELLO = "after_hello"  # the callee


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardSoFar:
    """Of the callee, since we began to listen. `silence_ms`: since then, or since its last voice; 0 while it speaks.
    `talk_ms`: from its first voice to its last, 0 when there was none. `loud_silence_ms`: since it spoke about as
    loudly as it does at its loudest. `words`: None while they aren't recognised."""

    since_ms: int
    silence_ms: int
    loud_silence_ms: int = 0
    talk_ms: int = 0
    words: str | None = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningSoFar:
    """`undecided`: somebody is finding out who answered. `is_human`: it is known to be a person. `is_due`: our own
    detector says that it is our turn, whoever that is; `is_due_now`: just now, for it hears the callee fall silent."""

    heard: HeardSoFar
    undecided: bool = False
    is_human: bool = False
    is_due: bool = False
    is_due_now: bool = False


def unheard_ms(first_ms: int | None, now_ms: int) -> int:
    """How long whoever hasn't spoken is to be listened to yet, whatever else is known; by the call clock. `first_ms`:
    when the first frame began, None while none has come."""
    return max(0, (NO_AUDIO_MS if first_ms is None else first_ms + LISTENED_MS) - now_ms)


class Opening(Protocol):
    def left_ms(self, so_far: OpeningSoFar) -> int | None:
        """How long we still wait when nothing more happens, 0 for no longer; None: until the callee has finished."""
        ...


class AfterHello:
    """Asks the words of a language."""

    def __init__(self, words: TurnWords) -> None:
        self._words = words

    def left_ms(self, so_far: OpeningSoFar) -> int | None:
        heard = so_far.heard
        if so_far.is_due_now:
            return 0
        is_recorded = bool(heard.words) and self._words.sounds_recorded(heard.words or "")
        if heard.talk_ms and heard.silence_ms == 0:
            is_long = heard.talk_ms >= (RECORDED_TALK_MS if is_recorded else TALK_MS)
            return 0 if is_long or heard.loud_silence_ms >= LOUD_SILENCE_MS else None
        if so_far.is_due:
            return 0
        return max(0, self._enough_ms(so_far, is_recorded=is_recorded) - heard.silence_ms)

    def _enough_ms(self, so_far: OpeningSoFar, *, is_recorded: bool) -> int:
        """Of silence."""
        heard = so_far.heard
        if not heard.talk_ms:
            return 0 if so_far.is_human else UNDECIDED_MS if so_far.undecided else SILENCE_MS
        if not heard.words:
            return SILENCE_MS
        if is_recorded:
            return RECORDED_MS
        if so_far.is_human or self._words.is_hello(heard.words):
            return HELLO_MS
        return QUIET_MS if so_far.undecided else GREETING_MS


HEARD_OUT_MS = 1700  # of silence after a greeting; two sentences, or the last one and the beep, are closer


class UntilSpoken:
    """Waits for somebody to speak, as long as time is left; `spoken` tells then whether anybody has."""

    def __init__(self, time_left_ms: Callable[[], int]) -> None:
        self.spoken = False
        self._time_left_ms = time_left_ms

    def left_ms(self, so_far: OpeningSoFar) -> int | None:
        self.spoken = so_far.heard.talk_ms > 0
        return 0 if self.spoken else max(0, self._time_left_ms())


class HearOut:
    """Waits for the end of what a machine says, and for its beep: then our message is recorded."""

    AT_MOST_MS = 30_000

    def __init__(self, quiet_ms: int = HEARD_OUT_MS, is_over: Callable[[], bool] = lambda: False) -> None:
        self._quiet_ms = quiet_ms
        self._is_over = is_over

    def left_ms(self, so_far: OpeningSoFar) -> int | None:
        heard = so_far.heard
        if self._is_over():
            return 0
        silence_ms = max(heard.silence_ms, heard.loud_silence_ms)
        return max(0, min(self.AT_MOST_MS - heard.since_ms, self._quiet_ms - silence_ms))
