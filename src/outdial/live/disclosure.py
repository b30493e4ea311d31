"""Whether the callee heard what their agent has to disclose, whole. Pure.

It counts only where the transcript has it as heard: an agent's turn holds the words that the carrier's marks prove to
have been played, once it is over.
"""

from outdial.agents.word_for_word import has_words, says
from outdial.conversation.transcript import Speaker, Turn


class DisclosureWatch:
    """Of one conversation. `sentence`: what has to be disclosed; None: nothing. Spelling but for letters, digits and
    their order doesn't matter."""

    def __init__(self, sentence: str | None) -> None:
        self._sentence = sentence or ""
        self.is_due = has_words(sentence)
        self.heard_at_ms: int | None = None  # when the turn in which it was heard ended, on the call clock

    def turn(self, turn: Turn) -> None:
        """A turn, new or changed."""
        if self.heard_at_ms is not None or turn.speaker != Speaker.AGENT or turn.end_ms is None or not self.is_due:
            return
        if says(turn.text, self._sentence):
            self.heard_at_ms = turn.end_ms

