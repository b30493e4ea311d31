"""How long the callee waited for each of the agent's replies, as bars. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from outdial.history.transcripts import TurnView

PARTS = (
    ("silence", "Silence until it was clear that the callee had finished", "fill-line-strong"),
    ("waiting", "Waiting for a recogniser, behind other calls", "fill-soft"),
    ("recognition", "Recognition of what was said", "fill-warn"),
    ("decision", "The agent's decision", "fill-good"),
    ("synthesis", "Synthesis, until the first sound", "fill-accent"),
)
WIDTH = 400.0  # of the longest bar, in the picture's own units


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    name: str
    fill: str
    x: float
    width: float
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    start_ms: int
    total_ms: int
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    bars: Sequence[Bar]
    median_ms: float
    worst_ms: int


def latencies(turns: Sequence[TurnView]) -> Latencies | None:
    """None when no turn answered anything."""
    measured = [(turn["start_ms"], turn["latency"]) for turn in turns if turn["latency"]]
    totals = [int(latency.get("total", 0)) for _, latency in measured if latency]
    if not totals:
        return None
    worst = max(totals)
    bars = [
        Bar(start_ms=start_ms, total_ms=total, blocks=_blocks(latency or {}, WIDTH / max(1, worst)))
        for (start_ms, latency), total in zip(measured, totals, strict=True)
    ]
    return Latencies(bars=bars, median_ms=median(totals), worst_ms=worst)


def _blocks(latency: dict[str, int], units_a_ms: float) -> list[Block]:
    blocks: list[Block] = []
    x = 0.0
    for name, _, fill in PARTS:
        ms = int(latency.get(name, 0))
        blocks.append(Block(name=name, fill=fill, x=round(x, 1), width=round(ms * units_a_ms, 1), ms=ms))
        x += ms * units_a_ms
    return blocks
