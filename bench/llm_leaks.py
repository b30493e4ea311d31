"""What is left of two thousand conversations that a model led, a third of its answers with a fault: nothing."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from bench.callee import Manner
from bench.figures import Figure, Result
from bench.llm import TALK
from bench.options import Options
from bench.scene import Scene, scene, wait_until

CALLS = 2000
FIRST = 400  # and what there is once for all calls is there
AT_ONCE = 60
SETTLE_S = 8.0
LAST_S = 120.0
SHORT = TALK.replace("Hello, this is the automated assistant of Riverside Dental. Which day suits you best?", "Hello?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """When no call is up. `connections`: to the model, and to vendors of speech; `database`: to PostgreSQL, which its
    pools keep, more of them the more calls there ever were at once."""

    calls: int
    tasks: int
    lines: int
    files: int
    threads: int
    connections: int
    database: int
    resident_mb: float

    @property
    def others(self) -> int:
        """Files that are open, and no such connections."""
        return self.files - self.connections - self.database

    def row(self) -> dict[str, float]:
        return {
            "calls": self.calls,
            "tasks": self.tasks,
            "lines in use": self.lines,
            "files open": self.files,
            "threads": self.threads,
            "to model and vendors": self.connections,
            "to PostgreSQL": self.database,
            "MB": round(self.resident_mb, 1),
        }


def llm_leaks(options: Options) -> Result:
    with scene(manner=Manner.TALKS, script=SHORT, preferred=options.preferred) as started:
        assert started.model is not None
        started.model.ask("be_bad")
        first, all_ = options.pick((FIRST, CALLS), (2, 4))
        at_once = options.pick(AT_ONCE, 2)
        before = left_after(started, first, at_once)
        after = left_after(started, all_, at_once)
        faults = started.model.ask("asked")
    told = ", ".join(f"{name} {times}" for name, times in sorted(faults.items()))
    return Result(
        name="llm_leaks",
        title=f"What is left of {after.calls} conversations with a model",
        figures=more(before, after),
        rows=[before.row(), after.row()],
        notes=[
            f"At most {at_once} at once. Before: after {before.calls} calls; both are taken {SETTLE_S:g} s after the "
            "last call has ended, when connections to the model may be kept for the next one.",
            f"Answers by their faults: {told}. One that hangs is left by Outdial; a call whose model fails twice ends.",
        ],
    )


def more(before: Left, after: Left) -> list[Figure]:
    return [
        Figure(name="lines in use", value=after.lines, unit="", target=1),
        Figure(name="more tasks than before", value=after.tasks - before.tasks, unit="", target=5),
        Figure(name="more files open, but for those connections", value=after.others - before.others, unit="",
               target=10),
        Figure(name="more threads", value=after.threads - before.threads, unit="", target=3),
        Figure(name="more memory", value=after.resident_mb - before.resident_mb, unit="MB", target=20.0),
    ]  # fmt: skip


def left_after(started: Scene, calls: int, at_once: int) -> Left:
    while started.placed < calls:
        under_way = started.placed - started.carrier.ask("over")
        started.place_calls(min(at_once - under_way, calls - started.placed))
        time.sleep(0.1)
    wait_until(lambda: started.carrier.ask("over") >= calls, f"end of {calls} calls", LAST_S)
    time.sleep(SETTLE_S)
    process, left = psutil.Process(started.server.pid), started.server.ask("left")
    others = [child.hello["url"] for child in (started.model, started.vendors) if child is not None]
    ports = {urlsplit(url).port for url in others}
    return Left(
        calls=calls,
        tasks=left["tasks"],
        lines=left["lines"],
        files=process.num_fds(),
        threads=process.num_threads(),
        connections=sum(bool(one.raddr) and one.raddr.port in ports for one in process.net_connections()),
        database=len(process.net_connections(kind="unix")),
        resident_mb=process.memory_info().rss / 2**20,
    )
