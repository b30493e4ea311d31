"""What a realtime model's server tells of the callee: when they spoke, and their words, which may come late. Pure."""

from collections import deque
from dataclasses import dataclass

from outdial.agents.llm.chat import CalleeSaid

JUMP_MS = 60      # between what was sent and when it was spoken: there was a gap
KEPT = 200        # gaps
MOST_TURNS = 50   # whose words are waited for: some servers write nothing down


@dataclass(slots=True)
class CalleeTurn:
    """Times on the call clock. `said`: its place in the conversation, once it is over. `text`: None where it isn't
    known."""

    item: str
    start_ms: int
    end_ms: int | None = None
    said: CalleeSaid | None = None
    text: str | None = None
    is_known: bool = False


class AudioSent:
    """Which moment of the call a moment of the audio is that was sent."""

    def __init__(self) -> None:
        self._ms = 0
        self._marks: deque[tuple[int, int]] = deque(maxlen=KEPT)  # of the audio, and of the call

    def sent(self, ms: int, until_ms: int) -> None:
        start_ms = until_ms - ms
        if not self._marks or abs(self.call_ms(self._ms) - start_ms) > JUMP_MS:
            self._marks.append((self._ms, start_ms))
        self._ms += ms

    def call_ms(self, ms: int) -> int:
        at, of_call = next((one for one in reversed(self._marks) if one[0] <= ms), (0, 0))
        return of_call + ms - at


class Callee:
    """Of one call. `silence_ms`: how much silence the server waits for, which is in the ends that it tells."""

    def __init__(self, *, padding_ms: int, silence_ms: int) -> None:
        self.sent = AudioSent()
        self._padding_ms = padding_ms
        self._silence_ms = silence_ms
        self._turns: dict[str, CalleeTurn] = {}

    @property
    def is_pending(self) -> bool:
        """Whether words are still to come."""
        return any(turn.end_ms is not None for turn in self._turns.values())

    def began(self, item: str, at_ms: int) -> CalleeTurn:
        turn = self._turns[item] = CalleeTurn(item, max(0, self.sent.call_ms(at_ms) + self._padding_ms))
        return turn

    def stopped(self, item: str, at_ms: int) -> CalleeTurn:
        turn = self._turns.get(item) or self.began(item, at_ms)
        turn.end_ms = max(turn.start_ms, self.sent.call_ms(at_ms) - self._silence_ms)
        return turn

    def overdue(self) -> list[CalleeTurn]:
        """The oldest, where too many wait for their words: these will never be known."""
        return [self._turns.pop(next(iter(self._turns))) for _ in range(len(self._turns) - MOST_TURNS)]

    def known(self, item: str, text: str | None) -> CalleeTurn | None:
        """Its words; None where nothing is known of it, or they are known already."""
        turn = self._turns.pop(item, None)
        if turn is not None:
            turn.text, turn.is_known = text, True
        return turn

    def begin_anew(self) -> list[CalleeTurn]:
        """Another session, which knows nothing of them: those whose words will never be known."""
        left, self._turns = list(self._turns.values()), {}
        self.sent = AudioSent()
        return left
