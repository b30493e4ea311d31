"""How many calls there are of each kind. Triggers of `calls` write it down with every change (`db/tables.py:
call_counts`); here their rows are folded, and the queue is counted.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import autocommit

LOCK_KEY = 0x6F757464_69616C03  # "outdial", 3: held while somebody folds
QUARTERS_AT_ONCE = 1000

_KIND = """
    workspace_id, quarter, direction, state, due_minute, dialled, answered, end_reason, outcome, category, error_code
"""
# Taken away and written anew in one statement: whoever reads meanwhile sees the same sums before and after.
_FOLD = text(f"""
    WITH changed AS (
        SELECT DISTINCT workspace_id, quarter FROM call_counts
        WHERE NOT folded AND (SELECT pg_try_advisory_xact_lock({LOCK_KEY}))
        LIMIT {QUARTERS_AT_ONCE}
    ), gone AS (
        DELETE FROM call_counts USING changed
        WHERE call_counts.workspace_id = changed.workspace_id AND call_counts.quarter = changed.quarter
        RETURNING call_counts.*
    )
    INSERT INTO call_counts ({_KIND}, calls, folded)
    SELECT {_KIND}, sum(calls), true FROM gone GROUP BY {_KIND} HAVING sum(calls) <> 0
""")  # noqa: S608 - put together of constants


async def fold_counts(engine: AsyncEngine) -> None:
    """Leave one row a kind of those that changed. One process at a time: for others there is nothing to do."""
    async with autocommit(engine) as conn:
        await conn.execute(_FOLD)
