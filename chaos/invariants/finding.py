"""An invariant: a function of the evidence that yields a line for each thing that breaks it, ids first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaos.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An invariant, and what breaks it: nothing where it holds."""

    name: str
    broken: Sequence[str]

    @property
    def holds(self) -> bool:
        return not self.broken


Check = Callable[[Evidence], Iterator[str]]
CHECKS: dict[str, Check] = {}


def invariant(name: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return add


def check_all(evidence: Evidence) -> list[Finding]:
    return [Finding(name=name, broken=list(check(evidence))) for name, check in CHECKS.items()]
