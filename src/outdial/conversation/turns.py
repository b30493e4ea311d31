"""Turn-taking, pure: when the callee starts and stops speaking, when that is a barge-in, whose turn it is.

Fed with the voice activity detector's probabilities (one a window of 32 ms) and the call clock; does no I/O.
"""

from dataclasses import dataclass
from enum import StrEnum

WINDOW_MS = 32  # Silero's window at 8 kHz: 256 samples


class TurnState(StrEnum):
    LISTENING = "listening"      # the callee has the floor
    THINKING = "thinking"        # the agent decides what to do
    SPEAKING = "speaking"        # the agent has the floor
    INTERRUPTED = "interrupted"  # the callee took the floor from the agent


class TurnEvent(StrEnum):
    LISTEN = "listen"            # the agent waits for the callee
    REPLIED = "replied"          # the callee's utterance or digits are complete
    NO_REPLY = "no_reply"
    SAY = "say"                  # the agent starts to speak
    PLAYED = "played"            # the callee has heard all of it
    BARGE_IN = "barge_in"        # the callee speaks over the agent
    MAKE_WAY = "make_way"        # the agent stops listening for words from outside, and listens again after them


TURNS: dict[tuple[TurnState, TurnEvent], TurnState] = {
    (TurnState.THINKING, TurnEvent.LISTEN): TurnState.LISTENING,
    (TurnState.THINKING, TurnEvent.SAY): TurnState.SPEAKING,
    (TurnState.LISTENING, TurnEvent.REPLIED): TurnState.THINKING,
    (TurnState.LISTENING, TurnEvent.NO_REPLY): TurnState.THINKING,
    (TurnState.LISTENING, TurnEvent.MAKE_WAY): TurnState.THINKING,
    (TurnState.SPEAKING, TurnEvent.PLAYED): TurnState.THINKING,
    (TurnState.SPEAKING, TurnEvent.BARGE_IN): TurnState.INTERRUPTED,
    (TurnState.INTERRUPTED, TurnEvent.LISTEN): TurnState.LISTENING,
    (TurnState.INTERRUPTED, TurnEvent.SAY): TurnState.SPEAKING,  # the agent insists
}


def next_turn(state: TurnState, event: TurnEvent) -> TurnState:
    """Whose turn it is after `event`. Raises ValueError for what our own code must not do (say while saying)."""
    try:
        return TURNS[state, event]
    except KeyError:
        raise ValueError(f"{event} is impossible while {state}") from None


# -- hearing -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """A silence long enough to start recognising, too short to be sure that the callee has finished."""

    at_ms: int  # when the voice stopped


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    at_ms: int


SpeechEvent = SpeechStarted | SpeechPaused | SpeechResumed


class SpeechGate:
    """Speech out of voice probabilities, with hysteresis: `START` to begin, below `STAY` counts as silence."""

    START = 0.5
    STAY = 0.35
    START_WINDOWS = 2    # 64 ms of voice: a click is shorter
    PAUSE_MS = 200

    def __init__(self) -> None:
        self._voiced = 0
        self._paused = False
        self.pause_ms = self.PAUSE_MS  # how much silence is a pause, in this utterance
        self.started_ms: int | None = None  # set while the callee is in an utterance
        self.voice_ms: int = 0              # end of the newest window with voice

    def window(self, probability: float, at_ms: int) -> SpeechEvent | None:
        """The next window, which ended at `at_ms`."""
        if self.started_ms is None:
            self._voiced = self._voiced + 1 if probability >= self.START else 0
            if self._voiced < self.START_WINDOWS:
                return None
            self.started_ms = at_ms - self.START_WINDOWS * WINDOW_MS
            self.voice_ms = at_ms
            self._paused = False
            return SpeechStarted(self.started_ms)
        if probability >= (self.START if self._paused else self.STAY):
            self.voice_ms = at_ms
            if self._paused:
                self._paused = False
                return SpeechResumed(at_ms)
            return None
        if not self._paused and at_ms - self.voice_ms >= self.pause_ms:
            self._paused = True
            return SpeechPaused(self.voice_ms)
        return None

    def starts_again(self, at_ms: int) -> None:
        """What was heard before that was another's utterance."""
        self.started_ms = at_ms

    @property
    def is_quiet(self) -> bool:
        """Whether not even the beginning of an utterance is heard."""
        return self.started_ms is None and self._voiced == 0

    @property
    def is_paused(self) -> bool:
        """Whether the callee has stopped in an utterance, perhaps for a moment only."""
        return self.started_ms is not None and self._paused

    def silence_ms(self, at_ms: int) -> int:
        """How long the callee has been silent."""
        return max(0, at_ms - self.voice_ms)

    def end(self) -> None:
        """The utterance is over; the next voice starts a new one."""
        self.started_ms = None
        self._paused = False
        self._voiced = 0
        self.pause_ms = self.PAUSE_MS


# -- barge-in ------------------------------------------------------------------------------------------------

BARGE_IN_MS = 6 * WINDOW_MS  # of voice, and we fall silent to hear its words; a cough is mostly shorter
SPEECH_MS = 2000             # nobody tells another to go on for so long
GREETING_GRACE_MS = 2000     # people say "hello?" into the first words they hear
GREETING_BARGE_IN_MS = 1100  # … and that is no barge-in; a sentence is


def is_barge_in(*, voice_ms: int, began_after_ms: int, greeting: bool) -> bool:
    """Whether `voice_ms` of speech, begun `began_after_ms` after the agent started to speak, takes the floor."""
    if greeting and began_after_ms < GREETING_GRACE_MS:
        return voice_ms >= GREETING_BARGE_IN_MS
    return voice_ms >= BARGE_IN_MS


def is_speech(*, voice_ms: int) -> bool:
    """Whether so much voice takes the floor whatever its words are."""
    return voice_ms >= SPEECH_MS
