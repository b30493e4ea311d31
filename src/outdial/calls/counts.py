"""How many calls there are of each kind, and what they took. Triggers of `calls` and `attempts` write it down with
every change (`db/tables.py: call_counts`, `attempt_counts`); here their rows are folded.
"""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import autocommit
from outdial.telephony.end_kind import EndKind

LOCK_KEY = 0x6F757464_69616C03  # "outdial", 3: held while somebody folds
QUARTERS_AT_ONCE = 1000

# Which rows of call_counts are of calls that ended so. Every ended call is among one of them.
_BY_MACHINE = "category IN ('machine', 'network', 'fax')"
_ENDS: Mapping[EndKind, str] = {
    EndKind.COMPLETED: f"end_reason = 'completed' AND ({_BY_MACHINE}) IS NOT TRUE",
    EndKind.MACHINE: f"end_reason = 'machine' OR end_reason = 'completed' AND {_BY_MACHINE}",
    EndKind.NO_ANSWER: "end_reason = 'no_answer'",
    EndKind.BUSY_OR_DECLINED: "end_reason IN ('busy', 'declined')",
    EndKind.FAILED: "end_reason = 'failed'",
    EndKind.CANCELED_OR_EXPIRED: "end_reason IN ('canceled', 'expired')",
}
END_KINDS = ", ".join(EndKind)
ENDS_OF_CALLS = ", ".join(f"CASE WHEN {_ENDS[kind]} THEN calls ELSE 0 END AS {kind}" for kind in EndKind)

KIND_OF_CALL = "direction, dialled, answered, end_reason, outcome, category, error_code"
_KIND_IN_QUARTER = f"{KIND_OF_CALL}, state, due_minute"
_DAY = "date_bin('1 day', quarter, '2000-01-01Z')"
# What has changed is taken away and written anew in one statement: whoever reads meanwhile sees the same sums before
# and after. What somebody else has just folded is found gone, and what they wrote stays beside what is written here
# until the next time.
_TAKEN_AWAY = f"""
    changed AS (
        SELECT DISTINCT workspace_id, quarter FROM {{quarters}}
        WHERE NOT folded AND (SELECT pg_try_advisory_xact_lock({LOCK_KEY}))
        LIMIT {QUARTERS_AT_ONCE}
    ), gone AS (
        DELETE FROM {{quarters}} AS counts USING changed
        WHERE counts.workspace_id = changed.workspace_id AND counts.quarter = changed.quarter
        RETURNING counts.*
    ), days_gone AS (
        DELETE FROM {{days}} AS counts USING (SELECT DISTINCT workspace_id, {_DAY} AS day FROM changed) AS changed
        WHERE counts.workspace_id = changed.workspace_id AND counts.day = changed.day
        RETURNING counts.*
    )
"""  # noqa: S608 - put together of constants
_FOLD_CALLS = text(f"""
    WITH {_TAKEN_AWAY.format(quarters="call_counts", days="call_day_counts")}, ends_gone AS (
        DELETE FROM end_counts AS counts USING changed
        WHERE counts.workspace_id = changed.workspace_id AND counts.quarter = changed.quarter
        RETURNING counts.*
    ), days AS (
        INSERT INTO call_day_counts (workspace_id, day, {KIND_OF_CALL}, calls)
        SELECT workspace_id, day, {KIND_OF_CALL}, sum(calls)
        FROM (
            SELECT workspace_id, {_DAY} AS day, {KIND_OF_CALL}, calls FROM gone WHERE NOT folded
            UNION ALL
            SELECT workspace_id, day, {KIND_OF_CALL}, calls FROM days_gone
        ) AS counted
        GROUP BY workspace_id, day, {KIND_OF_CALL} HAVING sum(calls) <> 0
    ), ends AS (
        INSERT INTO end_counts (workspace_id, quarter, {END_KINDS})
        SELECT workspace_id, quarter, {", ".join(f"sum({kind})" for kind in EndKind)}
        FROM (
            SELECT workspace_id, quarter, {ENDS_OF_CALLS} FROM gone WHERE NOT folded AND state = 'ended'
            UNION ALL
            SELECT workspace_id, quarter, {END_KINDS} FROM ends_gone
        ) AS counted
        GROUP BY workspace_id, quarter HAVING {" OR ".join(f"sum({kind}) <> 0" for kind in EndKind)}
    )
    INSERT INTO call_counts (workspace_id, quarter, {_KIND_IN_QUARTER}, calls, folded)
    SELECT workspace_id, quarter, {_KIND_IN_QUARTER}, sum(calls), true FROM gone
    GROUP BY workspace_id, quarter, {_KIND_IN_QUARTER} HAVING sum(calls) <> 0
""")  # noqa: S608 - put together of constants
_SUMS = "sum(answered), sum(seconds), sum(cost)"
_ANYTHING = "sum(answered) <> 0 OR sum(seconds) <> 0 OR sum(cost) <> 0"
_FOLD_ATTEMPTS = text(f"""
    WITH {_TAKEN_AWAY.format(quarters="attempt_counts", days="attempt_day_counts")}, days AS (
        INSERT INTO attempt_day_counts (workspace_id, day, carrier, currency, answered, seconds, cost)
        SELECT workspace_id, day, carrier, currency, {_SUMS}
        FROM (
            SELECT workspace_id, {_DAY} AS day, carrier, currency, answered, seconds, cost FROM gone WHERE NOT folded
            UNION ALL
            SELECT workspace_id, day, carrier, currency, answered, seconds, cost FROM days_gone
        ) AS counted
        GROUP BY workspace_id, day, carrier, currency HAVING {_ANYTHING}
    )
    INSERT INTO attempt_counts (workspace_id, quarter, carrier, currency, answered, seconds, cost, folded)
    SELECT workspace_id, quarter, carrier, currency, {_SUMS}, true FROM gone
    GROUP BY workspace_id, quarter, carrier, currency HAVING {_ANYTHING}
""")  # noqa: S608 - put together of constants


async def fold_counts(engine: AsyncEngine) -> None:
    """Leave one row a kind of those that changed. One process at a time: for others there is nothing to do."""
    async with autocommit(engine) as conn:
        await conn.execute(_FOLD_CALLS)
        await conn.execute(_FOLD_ATTEMPTS)
