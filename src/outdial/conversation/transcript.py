"""What was said, as it is written down: turns with their times on the call clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from outdial.conversation.exchange import Exchange

MS_PER_CHAR = 65  # English at an easy pace; only for audio that was never synthesised to its end


class Speaker:
    AGENT = "agent"
    CALLEE = "callee"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One line of the transcript. Times are ms on the call clock; `end_ms` is None while it is being spoken.

    `seq` names the turn and sorts the transcript: `start_ms` + 1, or the next number that is free.
    `interrupted` says that `text` is what was heard of it.
    `latency` of an agent's turn, in ms: `silence` (end of the callee's speech until we decided it was the end),
    `waiting` (for a recogniser, while all had other calls' words), `recognition`, `decision` (until the agent spoke),
    `synthesis` (until the first frame left), `total`. Where a second opinion was asked for, `second_opinion` is how
    long it took, within the others.
    """

    seq: int
    speaker: str
    text: str
    start_ms: int
    end_ms: int | None = None
    interrupted: bool = False
    latency: dict[str, int] | None = None


class Journal(Protocol):
    """Where a conversation is written down. Must return at once; writing goes on behind it."""

    def turn(self, turn: Turn) -> None:
        """A turn, new or changed (same seq)."""
        ...

    def event(self, type_: str, data: dict[str, Any]) -> None: ...


class Transcript:
    """Writes a call's turns into its journal, in the order in which they began. `on_answered`: see exchange.py."""

    def __init__(self, journal: Journal, on_answered: Callable[[], None] = lambda: None) -> None:
        self._journal = journal
        self._exchange = Exchange(on_answered)
        self._taken: set[int] = set()   # every seq so far
        self._open: Turn | None = None  # what the agent is saying

    def agent_begins(
        self, text: str, start_ms: int, latency: dict[str, int] | None, *, listening: bool = False
    ) -> None:
        """`listening`: the callee is heard meanwhile."""
        seq = self._seq(start_ms)
        self._open = Turn(seq=seq, speaker=Speaker.AGENT, text=text, start_ms=start_ms, latency=latency)
        self._journal.turn(self._open)
        self._exchange.speaking(start_ms, listening=listening)

    def agent_says(self, text: str) -> None:
        """More is known of the words of the turn that was begun."""
        if self._open is not None and text != self._open.text:
            self._open = replace(self._open, text=text)
            self._journal.turn(self._open)

    def agent_ends(
        self, heard: str, end_ms: int, *, interrupted: bool, times: Mapping[str, int | None] | None = None
    ) -> None:
        """Closes the turn that was begun; does nothing when none was. `times`: see turn_times.py."""
        if self._open is not None:
            if times is not None:
                self._journal.event("turn_times", {"seq": self._open.seq, **times})
            self._journal.turn(replace(self._open, text=heard, end_ms=end_ms, interrupted=interrupted))
            self._exchange.said(self._open.start_ms, end_ms, whole=not interrupted)
            self._open = None

    def heard_whole(self) -> Sequence[tuple[int, int]]:
        """The agent's turns that nobody talked over: when each began, and from when on a reply to it counts."""
        return self._exchange.heard_whole

    def begin_anew(self, *, with_callee: bool) -> None:
        """As Exchange.begin_anew."""
        self._exchange.begin_anew(with_callee=with_callee)

    def check(self, now_ms: int) -> None:
        """Whether the callee has answered by now."""
        self._exchange.check(now_ms)

    def callee(self, text: str, start_ms: int, end_ms: int) -> None:
        """A turn of the callee's, whose words may be known only after later turns have begun."""
        self._callee(text, start_ms, end_ms)
        self._exchange.heard(start_ms, end_ms)

    def callee_pressed(self, keys: str, start_ms: int, end_ms: int) -> None:
        """A turn of keys that were asked for."""
        self._callee(pressed(keys), start_ms, end_ms)
        self._exchange.pressed()

    def _callee(self, text: str, start_ms: int, end_ms: int) -> None:
        seq = self._seq(start_ms)
        self._journal.turn(Turn(seq=seq, speaker=Speaker.CALLEE, text=text, start_ms=start_ms, end_ms=end_ms))

    def _seq(self, start_ms: int) -> int:
        seq = start_ms + 1
        while seq in self._taken:
            seq += 1
        self._taken.add(seq)
        return seq


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTimes:
    """Of what the agent answers: its end, our decision that it was the end, and when its words were known.
    `waited_ms`: before their recognition began, for that of others' words."""

    ended_ms: int
    decided_ms: int
    recognised_ms: int
    waited_ms: int = 0
    second_opinion_ms: int | None = None  # how long one took, within the above

    def latency(self, asked_ms: int, start_ms: int) -> dict[str, int]:
        """Of the agent's turn that was asked for at `asked_ms` and whose first frame left at `start_ms`."""
        late_ms = max(0, self.recognised_ms - self.decided_ms)
        waiting_ms = min(self.waited_ms, late_ms)  # the rest of it passed while it was silent all the same
        steps = {
            "silence": self.decided_ms - self.ended_ms,
            "waiting": waiting_ms,
            "recognition": late_ms - waiting_ms,
            "decision": asked_ms - self.recognised_ms,
            "synthesis": start_ms - asked_ms,
            "total": start_ms - self.ended_ms,
        }
        if self.second_opinion_ms is not None:
            steps["second_opinion"] = self.second_opinion_ms
        return {name: max(0, ms) for name, ms in steps.items()}


def pressed(keys: str) -> str:
    """Keys as the transcript shows them. Several may be a card number or a PIN: they are only counted."""
    return f"[{keys}]" if len(keys) == 1 else f"[pressed {len(keys)} digits]"


def heard_part(
    text: str,
    played_ms: int,
    total_ms: int,
    spoken: Callable[[str], str] = str,
    reach: float | None = None,
) -> str:
    """The words of `text` that were spoken in the first `played_ms` of `total_ms`, to the nearest whole word.

    `spoken` is what a text sounds like: a phone number of one written word takes as long as ten spoken ones. `reach`:
    how many characters of that were said by then, where the voice has told; else it is estimated.
    """
    if total_ms <= 0 or played_ms <= 0:
        return ""
    if played_ms >= total_ms and reach is None:
        return text
    if reach is None:
        reach = len(spoken(text)) * played_ms / total_ms
    words = text.split()
    fewest, most = 0, len(words)
    while fewest < most:  # what begins earlier was heard earlier
        middle = (fewest + most + 1) // 2
        if len(spoken(" ".join(words[:middle]))) <= reach:
            fewest = middle
        else:
            most = middle - 1
    return " ".join(words[:fewest])
