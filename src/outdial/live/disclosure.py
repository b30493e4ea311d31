"""Whether the callee heard what their agent has to disclose, whole. Pure.

It counts only where the transcript has it as heard: an agent's turn holds the words that the carrier's marks prove to
have been played, once it is over.
"""

import re

from outdial.conversation.transcript import Speaker, Turn

_WORD = re.compile(r"\w+")


class DisclosureWatch:
    """Of one conversation. `sentence`: what has to be disclosed; None: nothing. Spelling but for letters, digits and
    their order doesn't matter."""

    def __init__(self, sentence: str | None) -> None:
        self._words = _words(sentence or "")
        self.heard_at_ms: int | None = None  # when the turn in which it was heard ended, on the call clock

    @property
    def is_due(self) -> bool:
        return bool(self._words)

    def turn(self, turn: Turn) -> None:
        """A turn, new or changed."""
        if self.heard_at_ms is not None or turn.speaker != Speaker.AGENT or turn.end_ms is None or not self._words:
            return
        if f" {self._words} " in f" {_words(turn.text)} ":
            self.heard_at_ms = turn.end_ms


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
