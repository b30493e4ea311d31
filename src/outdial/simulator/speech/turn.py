"""A turn of a simulated recogniser that follows turns: its words as they grow, and when it has ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from outdial.simulator.speech.ears import Ears, Stretch
from outdial.speech.base import SpeechToText

ASK_MS = 480        # of voice, between two guesses
PAUSE_MS = 100      # of quiet, after which the newest words are looked at
SENTENCE_ENDS = (".", "?", "!")


@dataclass(frozen=True, slots=True, kw_only=True)
class Silences:
    """How much ends a turn: `whole_ms` after what sounds like a sentence, else `most_ms`."""

    whole_ms: float = 400
    most_ms: float = 1280


class TurnTeller(Protocol):
    """What is told of turns, in a vendor's protocol."""

    def heard(self, turn: int, found: Stretch) -> None:
        """The words of the turn so far; they have changed, or were looked at again."""
        ...

    def step(self, turn: int, found: Stretch | None, quiet_ms: float, heard_ms: float) -> None:
        """20 ms later. `found`: the words of the turn so far, None before any; `heard_ms`: until when there are no
        others."""
        ...

    def ended(self, turn: int, found: Stretch) -> None: ...


class Turns:
    """Feed it through `ears`."""

    def __init__(self, engine: SpeechToText, teller: TurnTeller, silences: Silences) -> None:
        self.ears = Ears(engine, self._step)
        self._teller = teller
        self._silences = silences
        self._turn = 0
        self._found: Stretch | None = None
        self._is_asking = False
        self._asked_ms = 0.0
        self._looked_ms = 0.0  # the newest voice that is in `_found`

    def end_now(self) -> None:
        """Whatever was said is a turn."""
        if self.ears.voice_ms is not None:
            self._end()

    def last(self, then: Callable[[], None]) -> None:
        """End what there is, then …"""
        self.end_now()
        self.ears.ask(lambda found: then())

    def _step(self) -> None:
        ears = self.ears
        known_ms = ears.heard_ms
        if ears.voice_ms is not None:
            unseen = ears.last_voice_ms > self._looked_ms
            is_due = ears.quiet_ms >= PAUSE_MS or ears.heard_ms - self._asked_ms >= ASK_MS
            if unseen and is_due and not self._is_asking:
                self._ask()
            if not unseen and self._found is not None and ears.quiet_ms >= self._enough_ms(self._found):
                self._end()
                return
            if self._found is None and ears.quiet_ms >= self._silences.most_ms and not self._is_asking:
                ears.end_stretch()  # noise
            if unseen or self._is_asking:
                known_ms = self._looked_ms
        self._teller.step(self._turn, self._found, ears.quiet_ms, known_ms)

    def _enough_ms(self, found: Stretch) -> float:
        return self._silences.whole_ms if found.text.endswith(SENTENCE_ENDS) else self._silences.most_ms

    def _ask(self) -> None:
        turn, looked_ms = self._turn, self.ears.last_voice_ms
        self._is_asking, self._asked_ms = True, self.ears.heard_ms

        def told(found: Stretch) -> None:
            self._is_asking = False
            if turn == self._turn:
                self._looked_ms = looked_ms
                if found.words:
                    self._found = found
                    self._teller.heard(turn, found)

        self.ears.ask(told)

    def _end(self) -> None:
        turn = self._turn
        self._turn += 1
        self._found = None
        self.ears.ask(lambda found: self._teller.ended(turn, found))
        self.ears.end_stretch()
