"""A warm transfer, as an agent wants it: somebody is asked first whether to take the callee. Values only."""

from dataclasses import dataclass
from enum import StrEnum

MAX_BRIEF_CHARS = 800     # most of a minute; who is asked has picked up a phone, and wants to know what for
WAIT_S = (5.0, 60.0)      # for an answer: the least and the most


class IfNotPossible(StrEnum):
    """What is done where a carrier can't connect two calls with each other."""

    STAY = "stay"  # as if nobody had taken it
    COLD = "cold"  # the callee is transferred without anybody being asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """`brief`: what the other party is told, then asked whether to take the call; for its answer `wait_s` are waited.
    `hold`: what the callee hears before it waits; None: as usual in the agent's language."""

    brief: str
    wait_s: float = 15.0
    hold: str | None = None
    if_not_possible: IfNotPossible = IfNotPossible.STAY

    def __post_init__(self) -> None:
        """Raises ValueError."""
        least, most = WAIT_S
        if len(self.brief) > MAX_BRIEF_CHARS:
            raise ValueError(f"a brief has at most {MAX_BRIEF_CHARS} characters")
        if not least <= self.wait_s <= most:
            raise ValueError(f"an answer is waited for {least:.0f} to {most:.0f} seconds")
