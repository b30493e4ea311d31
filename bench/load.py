"""How many calls one core holds, and what each costs: load is added in steps, and each step is listened to."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import median
from bench.machine import Work
from bench.options import Options
from bench.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    calls: int
    heard: dict[str, Any]  # see bench.listening
    work: Work

    @property
    def p99_ms(self) -> float:
        return float(self.heard["late_ms"]["p99"])

    @property
    def reply_ms(self) -> float | None:
        """From a callee's last voiced frame to the agent's first, the median; None when nobody was answered."""
        replies = self.heard["replies_s"]
        return median(replies) * 1000 if replies else None

    def row(self) -> dict[str, Any]:
        late, own, work = self.heard["late_ms"], self.heard["own_late_ms"], self.work
        return {
            "calls": self.calls,
            "late p50": round(late["p50"], 1),
            "p99": round(late["p99"], 1),
            "p99.9": round(late["p999"], 1),
            "max ms": round(late["max"], 1),
            "gaps": self.heard["gaps"],
            "reply p50": None if self.reply_ms is None else round(self.reply_ms),
            "frames": self.heard["frames"],
            "server %": round(work.percent["server"]),
            "MB": round(work.resident_mb["server"]),
            "postgres %": round(work.percent["postgresql"]),
            "generator %": round(work.percent["carrier"]),
            "generator late p99": round(own["p99"], 1),
            "foreign %": None if work.foreign_percent is None else round(work.foreign_percent, 1),
            "stolen %": None if work.stolen_percent is None else round(work.stolen_percent, 1),
        }


def steps(scene: Scene, levels: Sequence[int], options: Options, seconds: float) -> Iterator[Step]:
    """Bring the number of calls to each of `levels` (rising) and listen for `seconds`."""
    for level in levels:
        raise_to(scene, level, options)
        yield listen(scene, seconds)


def raise_to(scene: Scene, calls: int, options: Options) -> None:
    """Place calls until there are that many, and let them settle."""
    scene.place_calls(calls - scene.placed)
    scene.wait_for_streams(calls)
    scene.prefer()
    time.sleep(options.settle_s)


def listen(scene: Scene, seconds: float) -> Step:
    scene.carrier.ask("begin")
    watch = scene.watch()
    time.sleep(seconds)
    work = watch.stop()
    heard = scene.carrier.ask("end")
    return Step(calls=scene.carrier.ask("calls"), heard=heard, work=work)
