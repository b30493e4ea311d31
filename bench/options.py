"""How a run was asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`quick`: enough to see that everything works; its figures mean nothing."""

    quick: bool = False
    seconds: float | None = None  # each step of a measurement is listened to for this long
    preferred: bool = False       # see machine.prefer
    pipecat: Path | None = None   # the Python of an environment that has it, for comparison
    python: Path | None = None    # whose Outdial is served, where that is a program of its own; None: ours

    def pick(self, full: T, quick: T) -> T:
        return quick if self.quick else full

    @property
    def settle_s(self) -> float:
        """After calls were added: for their greetings, and the wave of work that setting them up makes."""
        return self.pick(4.0, 0.5)

    def listen_s(self, full: float) -> float:
        return self.seconds or self.pick(full, 1.0)
