"""An answer of the callee's that the agent was given, and that may go on. Pure."""

from dataclasses import dataclass

from outdial.conversation.turn_words import Asked

GOES_ON_MS = 500      # who begins to speak so soon after our next words began, or …
THOUGHT_MS = 1300     # … so soon after their own answer, goes on with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Words the agent was given as an answer. The callee may not have finished."""

    text: str
    ended_ms: int
    asked: Asked

    def goes_on_at(self, start_ms: int, *, said_since_ms: int | None) -> bool:
        """Whether what begins then still belongs to it; we have been speaking since, if at all."""
        if said_since_ms is None or start_ms < said_since_ms:
            return True
        return start_ms <= max(said_since_ms + GOES_ON_MS, self.ended_ms + THOUGHT_MS)
