"""Counts of what was found in conversations that were played: n of m, beside what they should come to. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.figures import percentile
from bench.talk.plans import Plan
from bench.talk.situations.situation import Judged, Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """`of` conversations, in `n` of which something was found. Target: a share, at least or at most; None: none."""

    situation: str
    row: str
    found: str
    n: int
    of: int
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool | None:
        if self.at_least is not None:
            return self.n >= self.at_least * self.of
        if self.at_most is not None:
            return self.n <= self.at_most * self.of
        return None

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:.0%}"
        return "" if self.at_most is None else f"at most {self.at_most:.0%}" if self.at_most else "none"

    def as_row(self) -> dict[str, Any]:
        holds = {True: "holds", False: "missed", None: ""}[self.holds]
        return {
            "situation": self.situation, "case": self.row, "what": self.found, "n": self.n, "of": self.of,
            "share": f"{self.n / self.of:.0%}" if self.of else "", "target": self.target, "": holds,
        }  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What was found so far."""

    found: dict[tuple[str, str, str], list[bool]] = field(default_factory=lambda: defaultdict(list))
    took_ms: dict[tuple[str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, plan: Plan, judged: Judged) -> None:
        for name, happened in judged.found.items():
            self.found[plan.kind, plan.row, name].append(happened)
        for name, ms in judged.took_ms.items():
            self.took_ms[plan.kind, plan.row, name].append(ms)

    def counts(self, situations: Mapping[str, Situation]) -> list[Count]:
        counts = []
        for (kind, row, name), happened in self.found.items():
            situation = situations[kind]
            at_least, at_most = (
                targets.get(f"{name}, {row}", targets.get(name)) for targets in (situation.at_least, situation.at_most)
            )
            counts.append(
                Count(
                    situation=kind, row=row, found=name, n=sum(happened), of=len(happened),
                    at_least=at_least, at_most=at_most,
                )
            )  # fmt: skip
        return counts

    def times(self) -> list[dict[str, Any]]:
        return [
            {
                "situation": kind, "case": row, "what": name, "calls": len(times),
                "p50 ms": round(percentile(times, 50)), "p95 ms": round(percentile(times, 95)),
                "max ms": round(max(times)),
            }
            for (kind, row, name), times in self.took_ms.items()
        ]  # fmt: skip

    def all_ms(self, what: str, kinds: Iterable[str]) -> list[float]:
        kinds = set(kinds)
        return [ms for (kind, _, name), times in self.took_ms.items() if name == what and kind in kinds for ms in times]
