"""What calls make PostgreSQL write: bytes of its log, rows, commits; of the server as it runs, by HTTP and callbacks.

A call that nobody answers, and what each turn of a conversation adds. What is done without calls (heartbeats) is
counted before, and subtracted.
"""

import time
from dataclasses import dataclass

import psycopg

from bench import machine
from bench.callee import Manner
from bench.dispatchers import Counters
from bench.figures import Figure, Result
from bench.options import Options
from bench.scene import Scene, scene, wait_until

UNANSWERED, TALKING = 150, 20
APART_S = 0.05
TALK_S, IDLE_S = 20.0, 10.0
TOLD_S = 11.0  # within so long an idle session of PostgreSQL tells what it has counted
_SIZE = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


def writes(options: Options) -> Result:
    rows = [_unanswered(options), _turns(options)]
    return Result(
        name="writes",
        title="What a call makes PostgreSQL write",
        figures=[Figure(name=f"log of {row['of']}", value=float(row["WAL kB"]), unit="kB") for row in rows],
        rows=rows,
        notes=[
            "The log with full images of pages that are changed first after a checkpoint, as it is. Disk: growth of "
            "tables and indexes.",
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done in a stretch of time; `size`: bytes of all tables with their indexes, more than before."""

    did: Counters
    work: machine.Work
    size: int

    @property
    def postgres_ms(self) -> float:
        return self.work.cpu_s["postgresql"] * 1000


class Counting:
    """From its creation to `stop`. Before both, what was done before comes to be counted."""

    def __init__(self, started: Scene, options: Options) -> None:
        self._started = started
        self._told_s = options.pick(TOLD_S, 0.1)
        time.sleep(self._told_s)
        self._size, self._watch = _number(started, _SIZE), started.watch()
        self._before = Counters.of(started.database_url)

    def stop(self) -> Done:
        time.sleep(self._told_s)
        did, work = Counters.of(self._started.database_url).since(self._before), self._watch.stop()
        return Done(did=did, work=work, size=_number(self._started, _SIZE) - self._size)


def _unanswered(options: Options) -> dict[str, float | str]:
    """POST, dial, three callbacks (initiated, ringing, no answer)."""
    many = options.pick(UNANSWERED, 5)
    with scene(manner=Manner.UNANSWERED, preferred=options.preferred) as started:
        _place(started, many)  # to warm up
        idle = _idle(started, options)
        counting = Counting(started, options)
        _place(started, many)
        return _row("a call that nobody answers", counting.stop(), idle, many)


def _turns(options: Options) -> dict[str, float | str]:
    """Of both sides, with all that comes along with them."""
    with scene(manner=Manner.TALKS, preferred=options.preferred) as started:
        idle = _idle(started, options)
        many = options.pick(TALKING, 2)
        started.place_calls(many)
        started.wait_for_streams(many)
        time.sleep(options.settle_s)
        turns = "SELECT count(*) FROM turns"
        counting, before = Counting(started, options), _number(started, turns)
        time.sleep(options.listen_s(TALK_S))
        return _row("a turn", counting.stop(), idle, max(_number(started, turns) - before, 1))


def _place(started: Scene, many: int) -> None:
    for _ in range(many):
        started.place_calls(1)
        time.sleep(APART_S)
    ended = "SELECT count(*) FROM calls WHERE state = 'ended'"
    wait_until(lambda: _number(started, ended) == started.placed, "end of every call", timeout_s=120)


def _idle(started: Scene, options: Options) -> Done:
    counting = Counting(started, options)
    time.sleep(options.pick(IDLE_S, 0.5))
    return counting.stop()


def _row(of: str, done: Done, idle: Done, many: int) -> dict[str, float | str]:
    share = done.work.seconds / idle.work.seconds

    def each(of_done: float, of_idle: float, digits: int = 1) -> float:
        return round((of_done - of_idle * share) / many, digits)

    return {
        "of": of,
        "counted": many,
        "WAL kB": each(done.did.wal_bytes / 1000, idle.did.wal_bytes / 1000, 2),
        "commits": each(done.did.commits, idle.did.commits),
        "rows": each(done.did.rows, idle.did.rows),
        "disk kB": round(done.size / many / 1000, 2),
        "PostgreSQL ms": each(done.postgres_ms, idle.postgres_ms, 2),
        "idle WAL kB a second": round(idle.did.wal_bytes / idle.work.seconds / 1000, 2),
    }


def _number(started: Scene, query: str) -> int:
    with psycopg.connect(started.database_url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])
