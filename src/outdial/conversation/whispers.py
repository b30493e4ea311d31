"""What a person who listens in tells the agent, and the callee doesn't hear."""

from collections import deque

MAX_WAITING = 20  # until the agent's next turn


class NobodyListens(Exception):
    """Nothing on our side of the call can be told anything now."""


class TooMany(Exception):
    """So much waits for the agent's next turn already."""


class Whispers:
    """Of one live call. `takers`: how many models talk on it that take them for their next turn; nobody else can."""

    def __init__(self) -> None:
        self.takers = 0
        self._waiting: deque[str] = deque()

    def add(self, text: str) -> None:
        """Raises NobodyListens and TooMany."""
        if not self.takers:
            raise NobodyListens
        if len(self._waiting) >= MAX_WAITING:
            raise TooMany
        self._waiting.append(text)

    def take(self) -> list[str]:
        """What was whispered since the last time, the oldest first."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
