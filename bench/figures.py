"""What a measurement hands back: rows to read, figures with their targets, and the load beside it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. `target`: what it must reach (`at_least`) or stay under; None when nothing was promised."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value < self.target

    def as_json(self) -> dict[str, Any]:
        sign = "at least" if self.at_least else "under"
        target = None if self.target is None else f"{sign} {self.target:g}"
        value = None if math.isnan(self.value) else round(self.value, 4)
        return {"name": self.name, "value": value, "unit": self.unit, "target": target, "holds": self.holds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`rows` all have the same keys: a table. `notes` are sentences a reader needs to judge the figures."""

    name: str
    title: str
    figures: Sequence[Figure] = ()
    rows: Sequence[dict[str, Any]] = ()
    notes: Sequence[str] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "figures": [figure.as_json() for figure in self.figures],
            "rows": [dict(row) for row in self.rows],
            "notes": list(self.notes),
            "details": self.details,
        }


def percentile(values: Iterable[float], q: float) -> float:
    """NaN without any value."""
    array = np.fromiter(values, dtype=np.float64)
    return float(np.percentile(array, q)) if len(array) else float("nan")


def median(values: Iterable[float]) -> float:
    return percentile(values, 50)
