"""Calls counted by when they ended, for whoever looks at the last minutes and hours, whenever calls were made.

Triggers of `calls` and `do_not_call` write it down with every end and every wish (`db/alert_tables.py: ended_counts`),
`count_replies` with what a conversation brought, and `calls.prices` with what a carrier charges; here the rows are
folded.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

EVERY = timedelta(minutes=5)  # what ended in them is one count
KEPT = timedelta(hours=25)
MILLIONTHS = 1_000_000  # of a unit of money: what carriers charge is counted in them
# A reply is counted by the first of these that it doesn't exceed; beyond the last it is as slow as that.
REPLY_BOUNDS_MS = (250, 500, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10_000, 15_000, 30_000)


async def count_replies(conn: AsyncConnection, call_id: str, latencies_ms: Sequence[int]) -> None:
    """How long the agent's replies took in a conversation that is over. Part of the caller's transaction."""
    if not latencies_ms:
        return
    last = len(REPLY_BOUNDS_MS) - 1
    bounds = Counter(REPLY_BOUNDS_MS[min(bisect_left(REPLY_BOUNDS_MS, each), last)] for each in latencies_ms)
    counted = [("timed", "", 1), *(("reply", str(bound), many) for bound, many in sorted(bounds.items()))]
    kinds, keys, counts = (list(column) for column in zip(*counted, strict=True))
    await conn.execute(_COUNT, {"call": call_id, "kinds": kinds, "keys": keys, "counts": counts})


async def fold_ended_counts(conn: AsyncConnection, *, now: datetime) -> None:
    """Leave one row a kind of those that have come since. Part of the caller's transaction; one at a time."""
    await conn.execute(_FOLD)
    await conn.execute(_FORGET, {"before": now - KEPT})


_COUNT = text("""
    INSERT INTO ended_counts (workspace_id, ended_at, kind, key, count)
    SELECT calls.workspace_id, date_bin('5 minutes', now(), '2000-01-01Z'), counted.kind, counted.key, counted.count
    FROM calls, unnest(CAST(:kinds AS text[]), CAST(:keys AS text[]), CAST(:counts AS bigint[]))
        AS counted (kind, key, count)
    WHERE calls.id = :call
""")
# Taken away and written anew in one statement: whoever reads meanwhile sees the same sums before and after.
_FOLD = text("""
    WITH changed AS (
        SELECT DISTINCT workspace_id, kind, ended_at FROM ended_counts WHERE NOT folded
    ), gone AS (
        DELETE FROM ended_counts AS counts USING changed
        WHERE counts.workspace_id = changed.workspace_id AND counts.kind = changed.kind
            AND counts.ended_at = changed.ended_at
        RETURNING counts.*
    )
    INSERT INTO ended_counts (workspace_id, ended_at, kind, key, count, folded)
    SELECT workspace_id, ended_at, kind, key, sum(count), true FROM gone
    GROUP BY workspace_id, ended_at, kind, key HAVING sum(count) <> 0
""")
_FORGET = text("""
    DELETE FROM ended_counts WHERE ended_at < :before
""")
