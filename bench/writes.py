"""What calls make PostgreSQL write: bytes of its log, rows, commits; of the server as it runs, by HTTP and callbacks.

A call that nobody answers, and what each turn of a conversation adds. What is written without calls (heartbeats) is
measured before, and subtracted.
"""

import time

import psycopg

from bench.callee import Manner
from bench.dispatchers import Counters
from bench.figures import Figure, Result
from bench.options import Options
from bench.scene import Scene, scene, wait_until

UNANSWERED, TALKING = 150, 20
APART_S = 0.05
TALK_S, IDLE_S = 20.0, 10.0
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


def _unanswered(options: Options) -> dict[str, float | str]:
    """POST, dial, three callbacks (initiated, ringing, no answer)."""
    many = options.pick(UNANSWERED, 5)
    with scene(manner=Manner.UNANSWERED, preferred=options.preferred) as started:
        _place(started, many)  # to warm up
        idle, seconds = _idle(started, options)
        before, size, began = Counters.of(started.database_url), _number(started, _SIZE), time.monotonic()
        _place(started, many)
        return _row("a call that nobody answers", started, before, idle, seconds, began, size, many)


def _turns(options: Options) -> dict[str, float | str]:
    """Of both sides, with all that comes along with them."""
    with scene(manner=Manner.TALKS, preferred=options.preferred) as started:
        idle, seconds = _idle(started, options)
        many = options.pick(TALKING, 2)
        started.place_calls(many)
        started.wait_for_streams(many)
        time.sleep(options.settle_s)
        turns = "SELECT count(*) FROM turns"
        before, size, began = Counters.of(started.database_url), _number(started, _SIZE), time.monotonic()
        said = _number(started, turns)
        time.sleep(options.listen_s(TALK_S))
        said = _number(started, turns) - said
        return _row("a turn", started, before, idle, seconds, began, size, max(said, 1))


def _place(started: Scene, many: int) -> None:
    for _ in range(many):
        started.place_calls(1)
        time.sleep(APART_S)
    ended = "SELECT count(*) FROM calls WHERE state = 'ended'"
    wait_until(lambda: _number(started, ended) == started.placed, "end of every call", timeout_s=120)


def _idle(started: Scene, options: Options) -> tuple[Counters, float]:
    before, began = Counters.of(started.database_url), time.monotonic()
    time.sleep(options.pick(IDLE_S, 0.5))
    return Counters.of(started.database_url).since(before), time.monotonic() - began


def _row(
    of: str, started: Scene, before: Counters, idle: Counters, idle_s: float, began: float, size: int, many: int
) -> dict[str, float | str]:
    did, share = Counters.of(started.database_url).since(before), (time.monotonic() - began) / idle_s
    return {
        "of": of,
        "counted": many,
        "WAL kB": round((did.wal_bytes - idle.wal_bytes * share) / many / 1000, 2),
        "commits": round((did.commits - idle.commits * share) / many, 1),
        "rows": round((did.rows - idle.rows * share) / many, 1),
        "disk kB": round((_number(started, _SIZE) - size) / many / 1000, 2),
        "idle WAL kB a second": round(idle.wal_bytes / idle_s / 1000, 2),
    }


def _number(started: Scene, query: str) -> int:
    with psycopg.connect(started.database_url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])
