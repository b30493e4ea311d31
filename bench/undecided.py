"""What it costs to find out who answered: talking calls, a tenth of which our own detector listens to, and the same
calls without it, in turn.

Callees hang up some time, and for each that does another one is called, so that at any time some have just answered.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.callee import STAYS_S, Manner
from bench.figures import Figure, Result, median
from bench.load import Step
from bench.options import Options
from bench.scene import Scene, scene

CALLS = 150         # well below what a core holds: an overloaded server does in batches what would cost more
ROUNDS = 4
SETTLE_S = 25.0     # the detector listens for 20 s at most: to nobody by then who was called before
LISTEN_S = 30.0
LOOK_S, COUNT_S = 0.1, 1.0  # after whom another one is called; how many are listened to
TARGET_RATIO = 1.03
ALONE: Mapping[str, Any] = {}
DETECTED: Mapping[str, Any] = {"amd": {"by": "local", "on_machine": "continue"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a second of a call took, in ms of CPU time; `undecided`: the share of calls that were listened to."""

    server_ms: float
    postgres_ms: float
    undecided: float
    started: int  # calls, meanwhile
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    alone: Cost
    detected: Cost

    @property
    def ratio(self) -> float:
        return self.detected.server_ms / self.alone.server_ms

    def rows(self, number: int) -> list[dict[str, Any]]:
        return [_row(number, "without", self.alone, None), _row(number, "with", self.detected, self.ratio)]


def undecided(options: Options) -> Result:
    calls = options.pick(CALLS, 4)
    with scene(manner=Manner.LEAVES, preferred=options.preferred) as started:
        rounds = [_round(started, calls, options, number) for number in range(options.pick(ROUNDS, 1))]
    return result(rounds, calls)


def result(rounds: Sequence[Round], calls: int) -> Result:
    spread = sorted(each.ratio for each in rounds)
    return Result(
        name="undecided",
        title=f"{calls} talking calls, some of them undecided",
        figures=[
            Figure(name="server, without detection", value=median(each.alone.server_ms for each in rounds), unit="ms"),
            Figure(name="server, with it", value=median(each.detected.server_ms for each in rounds), unit="ms"),
            Figure(name="with to without", value=median(spread), unit="", target=TARGET_RATIO),
            Figure(name="undecided", value=100 * median(each.detected.undecided for each in rounds), unit="%"),
        ],
        rows=[row for number, each in enumerate(rounds, 1) for row in each.rows(number)],
        notes=[
            "CPU time (user and system) of a call's second. The ratio is the median of those within each round; they "
            f"lie between {spread[0]:.3f} and {spread[-1]:.3f}.",
            f"A call lasts {STAYS_S:g} s on average, and another one takes its place. Undecided are those that our own "
            "detector listens to, which it does for a while after our first word. Engines answer at once: what words "
            "cost to recognise comes on top (docs/who-answered.md).",
        ],
    )


def _round(started: Scene, calls: int, options: Options, number: int) -> Round:
    """The one that comes first changes, so that what changes meanwhile meets both."""
    first, second = (ALONE, DETECTED) if number % 2 == 0 else (DETECTED, ALONE)
    costs = [_cost(started, calls, options, first), _cost(started, calls, options, second)]
    alone, detected = costs if first is ALONE else costs[::-1]
    return Round(alone=alone, detected=detected)


def _cost(started: Scene, calls: int, options: Options, asked: Mapping[str, Any]) -> Cost:
    _keep_up(started, calls, asked, options.pick(SETTLE_S, 3.0))
    started.prefer()
    placed = started.placed
    started.carrier.ask("begin")
    watch = started.watch()
    shares = _keep_up(started, calls, asked, options.listen_s(LISTEN_S))
    work = watch.stop()
    step = Step(calls=calls, heard=started.carrier.ask("end"), work=work)
    ms = {name: spent * 1000 / work.seconds / calls for name, spent in work.cpu_s.items()}
    return Cost(
        server_ms=ms["server"],
        postgres_ms=ms["postgresql"],
        undecided=sum(shares) / max(1, len(shares)),
        started=started.placed - placed,
        step=step,
    )


def _keep_up(started: Scene, calls: int, asked: Mapping[str, Any], seconds: float) -> list[float]:
    """For so long, call another one for each who has hung up. Every COUNT_S the share that is listened to."""
    shares: list[float] = []
    until = time.monotonic() + seconds
    count_at = time.monotonic()
    while (now := time.monotonic()) < until:
        started.place_calls(calls - (started.placed - started.carrier.ask("over")), **asked)
        if now >= count_at:
            shares.append(started.server.ask("undecided") / calls)
            count_at += COUNT_S
        time.sleep(LOOK_S)
    return shares


def _row(number: int, detection: str, cost: Cost, ratio: float | None) -> dict[str, Any]:
    late = cost.step.heard["late_ms"]
    return {
        "round": number,
        "detection": detection,
        "server ms": round(cost.server_ms, 3),
        "ratio": None if ratio is None else round(ratio, 3),
        "PostgreSQL ms": round(cost.postgres_ms, 3),
        "undecided %": round(100 * cost.undecided, 1),
        "calls begun": cost.started,
        "server %": round(cost.step.work.percent["server"]),
        "late p99": round(late["p99"], 1),
        "gaps": cost.step.heard["gaps"],
        "generator late p99": round(cost.step.heard["own_late_ms"]["p99"], 1),
        "foreign %": None if cost.step.work.foreign_percent is None else round(cost.step.work.foreign_percent, 1),
    }
