"""What a realtime model's server hears of the callee, and the words that it writes down of that."""

from collections import deque
from collections.abc import Callable

from outdial.agents.llm.texts import without_brackets
from outdial.agents.realtime import protocol
from outdial.agents.realtime.callee import Callee, CalleeTurn
from outdial.agents.realtime.definition import RealtimeAgent, TurnDetection
from outdial.agents.realtime.knowing import Knowing
from outdial.agents.realtime.protocol import Transcribed
from outdial.agents.realtime.spending import Spending
from outdial.conversation.straight_audio import StraightAudio
from outdial.media.frames import BYTES_PER_MS
from outdial.media.g711 import pcm_to_ulaw

MOST_MISSED = 500  # frames, 10 s: kept for the next session while there is none
MOST_WORDLESS = 3  # turns in a row without a word: they were noise
UNWRITTEN = "[not written down]"


class Hearing:
    """Of one call. `wants_no_more` judges the callee's words. `line`: the last stretch's, by which they are told."""

    def __init__(
        self, agent: RealtimeAgent, knowing: Knowing, spending: Spending, wants_no_more: Callable[[str], bool]
    ) -> None:
        self.line: StraightAudio | None = None
        silence_ms = agent.silence_ms if agent.turn_detection is TurnDetection.SILENCE else 0
        self.callee = Callee(padding_ms=protocol.PADDING_MS, silence_ms=silence_ms)
        self._knowing = knowing
        self._spending = spending
        self._wants_no_more = wants_no_more
        self._missed: deque[tuple[bytes, int]] = deque(maxlen=MOST_MISSED)
        self._turns = self._wordless = 0  # but for those without a word; and these, in a row

    def hears(self, pcm: bytes, at_ms: int) -> None:
        """What is said before a session knows of the call waits for it."""
        self._missed.append((pcm, at_ms))
        if self._knowing.is_told:
            self.send_missed()

    def send_missed(self) -> None:
        while self._missed:
            pcm, at_ms = self._missed.popleft()
            self.callee.sent.sent(len(pcm) // BYTES_PER_MS, at_ms)
            self._knowing.link.send(protocol.append(pcm_to_ulaw(pcm)))

    def began(self, item: str, at_ms: int) -> None:
        self.callee.began(item, at_ms)
        for turn in self.callee.overdue():
            self._write_down(turn)

    def stopped(self, item: str, at_ms: int) -> CalleeTurn:
        self._turns += 1
        return self.callee.stopped(item, at_ms)

    def pressed(self) -> None:
        """A key, which is no noise."""
        self._turns, self._wordless = self._turns + 1, 0

    @property
    def is_noise(self) -> bool:
        """Whether nobody speaks, though it isn't silent."""
        return self._wordless >= MOST_WORDLESS

    def take_spoken(self) -> bool:
        """Whether the callee has said anything since this was asked last. Words that weren't written down are some."""
        turns, self._turns, self._wordless = self._turns, 0, 0
        return turns > 0

    def begin_anew(self) -> None:
        """With another session, or none: what isn't written down by now never will be."""
        for turn in self.callee.begin_anew():
            self._write_down(turn)

    def transcribed(self, event: Transcribed) -> bool:
        """Whether they want no more calls."""
        turn = self.callee.known(event.item, event.text)
        if event.usage:
            self._spending.transcribed(event.usage)
        if turn is None:
            return False
        if turn.text is not None and not turn.text.strip():
            self._turns, self._wordless = max(0, self._turns - 1), self._wordless + 1
        else:
            self._wordless = 0
        self._write_down(turn)
        return bool(turn.text) and self._wants_no_more(turn.text or "")

    def _write_down(self, turn: CalleeTurn) -> None:
        text = " ".join((turn.text or "").split())
        if turn.said is not None:
            self._knowing.words_of(turn.said, without_brackets(text))
        if text or not turn.is_known or turn.text is None:
            end_ms = turn.start_ms if turn.end_ms is None else turn.end_ms
            if self.line is not None:
                self.line.callee_said(text or UNWRITTEN, turn.start_ms, end_ms)
