"""What calls came to, how long they were and what they cost is counted for weeks at a time.

Half a minute for a million calls at most: no call and no attempt is changed. Counts are kept by the day, too; the ends
of calls by the quarter of an hour, in one row each; and what attempts took and cost in a table of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

KIND = "direction, dialled, answered, end_reason, outcome, category, error_code"
BY_MACHINE = "category IN ('machine', 'fax')"
ENDS = {
    "completed": f"end_reason = 'completed' AND ({BY_MACHINE}) IS NOT TRUE",
    "machine": f"end_reason = 'machine' OR end_reason = 'completed' AND {BY_MACHINE}",
    "no_answer": "end_reason = 'no_answer'",
    "busy_or_declined": "end_reason IN ('busy', 'declined')",
    "failed": "end_reason = 'failed'",
    "canceled_or_expired": "end_reason IN ('canceled', 'expired')",
}
# What was not folded yet comes to these by being folded.
STORED_DAYS = f"""
    INSERT INTO call_day_counts (workspace_id, day, {KIND}, calls)
    SELECT workspace_id, date_bin('1 day', quarter, '2000-01-01Z'), {KIND}, sum(calls)
    FROM call_counts WHERE folded GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 HAVING sum(calls) <> 0
"""  # noqa: S608 - put together of constants
STORED_ENDS = f"""
    INSERT INTO end_counts (workspace_id, quarter, {", ".join(ENDS)})
    SELECT workspace_id, quarter,
        {", ".join(f"coalesce(sum(calls) FILTER (WHERE {which}), 0)" for which in ENDS.values())}
    FROM call_counts WHERE folded AND state = 'ended' GROUP BY 1, 2
"""  # noqa: S608 - put together of constants

TABLES = ("call_day_counts", "end_counts", "attempt_counts", "attempt_day_counts")
COLUMNS = "workspace_id, quarter, carrier, currency, answered, seconds, cost"


def counts(attempt: str) -> str:
    """Whether there is something to count of a row of `attempts`."""
    return f"({attempt}.state = 'ended' AND ({attempt}.answered_at IS NOT NULL OR {attempt}.price IS NOT NULL))"


def kind_of(attempt: str) -> str:
    """The columns of `attempt_counts` for a row of `attempts`, beside its row of `calls`: which kind it is of."""
    return f"""
        call.workspace_id,
        date_bin('15 minutes', call.created_at, '2000-01-01Z'),
        {attempt}.carrier,
        CASE WHEN {attempt}.price IS NOT NULL THEN coalesce({attempt}.price_currency, '') END
    """


def figures_of(attempt: str) -> tuple[str, str, str]:
    """… and what it adds there."""
    answered = f"{attempt}.answered_at IS NOT NULL"
    seconds = f"greatest(extract(epoch FROM {attempt}.ended_at - {attempt}.answered_at), 0)"
    return f"CASE WHEN {answered} THEN 1 ELSE 0 END", f"coalesce({seconds}, 0)", f"coalesce({attempt}.price, 0)"


def sums_of(attempt: str) -> str:
    return ", ".join(f"sum({figure})" for figure in figures_of(attempt))


def taken_away(attempt: str) -> str:
    return ", ".join(f"-{figure}" for figure in figures_of(attempt))


# As for calls: rows are only added, so nobody waits for anybody. An attempt that goes together with its call finds it
# gone; so the call takes the counts of its attempts along, before it goes.
CHANGED = f"""
    CREATE FUNCTION count_changed_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO attempt_counts ({COLUMNS})
        SELECT {kind_of("OLD")}, {taken_away("OLD")} FROM calls AS call WHERE call.id = OLD.call_id AND {counts("OLD")}
        UNION ALL
        SELECT {kind_of("NEW")}, {", ".join(figures_of("NEW"))} FROM calls AS call
        WHERE call.id = NEW.call_id AND {counts("NEW")};
        RETURN NULL;
    END $$
"""  # noqa: S608 - put together of constants
NEW = f"""
    CREATE FUNCTION count_new_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO attempt_counts ({COLUMNS})
        SELECT {kind_of("attempt")}, {sums_of("attempt")}
        FROM added AS attempt JOIN calls AS call ON call.id = attempt.call_id
        WHERE {counts("attempt")} GROUP BY 1, 2, 3, 4;
        RETURN NULL;
    END $$
"""  # noqa: S608 - put together of constants
REMOVED = f"""
    CREATE FUNCTION count_removed_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO attempt_counts ({COLUMNS})
        SELECT {kind_of("OLD")}, {taken_away("OLD")} FROM calls AS call WHERE call.id = OLD.call_id;
        RETURN NULL;
    END $$
"""  # noqa: S608 - put together of constants
WITH_ITS_CALL = f"""
    CREATE FUNCTION count_attempts_of_removed_call() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO attempt_counts ({COLUMNS})
        SELECT {kind_of("attempt")}, {taken_away("attempt")}
        FROM attempts AS attempt, (SELECT OLD.workspace_id, OLD.created_at) AS call
        WHERE attempt.call_id = OLD.id AND {counts("attempt")};
        RETURN OLD;
    END $$
"""  # noqa: S608 - put together of constants
COUNTED = ("state", "answered_at", "ended_at", "price", "price_currency")
TRIGGERS = (
    """
    CREATE TRIGGER count_new_attempts AFTER INSERT ON attempts
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_new_attempts()
    """,
    f"""
    CREATE TRIGGER count_changed_attempt AFTER UPDATE ON attempts FOR EACH ROW
    WHEN (
        ({counts("OLD")} OR {counts("NEW")})
        AND ({", ".join(f"OLD.{name}" for name in COUNTED)})
            IS DISTINCT FROM ({", ".join(f"NEW.{name}" for name in COUNTED)})
    )
    EXECUTE FUNCTION count_changed_attempt()
    """,
    f"""
    CREATE TRIGGER count_removed_attempt AFTER DELETE ON attempts FOR EACH ROW
    WHEN ({counts("OLD")}) EXECUTE FUNCTION count_removed_attempt()
    """,
    """
    CREATE TRIGGER count_attempts_of_removed_call BEFORE DELETE ON calls
    FOR EACH ROW EXECUTE FUNCTION count_attempts_of_removed_call()
    """,
)
STORED_ATTEMPTS = f"""
    INSERT INTO attempt_counts ({COLUMNS}, folded)
    SELECT {kind_of("attempt")}, {sums_of("attempt")}, true
    FROM attempts AS attempt JOIN calls AS call ON call.id = attempt.call_id
    WHERE {counts("attempt")} GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - put together of constants
STORED_ATTEMPT_DAYS = """
    INSERT INTO attempt_day_counts (workspace_id, day, carrier, currency, answered, seconds, cost)
    SELECT workspace_id, date_bin('1 day', quarter, '2000-01-01Z'), carrier, currency, sum(answered), sum(seconds),
        sum(cost)
    FROM attempt_counts GROUP BY 1, 2, 3, 4
"""


def upgrade() -> None:
    _make_tables()
    for stored in (STORED_DAYS, STORED_ENDS, STORED_ATTEMPTS, STORED_ATTEMPT_DAYS):
        op.execute(stored)
    for table, when in (("call_day_counts", "day"), ("end_counts", "quarter"), ("attempt_day_counts", "day")):
        op.create_index(f"ix_{table}_{when}", table, ["workspace_id", when])
    unfolded = sa.text("NOT folded")
    op.create_index("ix_attempt_counts_quarter", "attempt_counts", ["workspace_id", "quarter"])
    op.create_index(
        "ix_attempt_counts_unfolded", "attempt_counts", ["workspace_id", "quarter"], postgresql_where=unfolded
    )
    for statement in (CHANGED, NEW, REMOVED, WITH_ITS_CALL, *TRIGGERS):
        op.execute(statement)
    for table in TABLES:
        op.execute(f"ANALYZE {table}")


def downgrade() -> None:
    op.execute("DROP TRIGGER count_attempts_of_removed_call ON calls")
    op.execute("DROP FUNCTION count_attempts_of_removed_call()")
    for trigger in ("count_new_attempts", "count_changed_attempt", "count_removed_attempt"):
        op.execute(f"DROP TRIGGER {trigger} ON attempts")
        op.execute(f"DROP FUNCTION {trigger}()")
    for table in TABLES:
        op.drop_table(table)


def _make_tables() -> None:
    _table(
        "call_day_counts",
        _instant("day"),
        _text("direction"),
        sa.Column("dialled", sa.Boolean(), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("end_reason", "outcome", "category", "error_code")),
        _count("calls"),
    )
    _table("end_counts", _instant("quarter"), *(_count(name) for name in ENDS))
    folded: sa.Column[bool] = sa.Column("folded", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    for table, when, rest in (("attempt_counts", "quarter", (folded,)), ("attempt_day_counts", "day", ())):
        _table(
            table,
            _instant(when),
            _text("carrier"),
            sa.Column("currency", sa.Text()),
            _count("answered"),
            *(sa.Column(name, sa.Numeric(), nullable=False) for name in ("seconds", "cost")),
            *rest,
        )


def _table(name: str, *columns: sa.Column) -> None:  # type: ignore[type-arg]
    made = sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)
    op.create_table(name, made, _text("workspace_id"), *columns, sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")))


def _text(name: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.Text(), nullable=False)


def _instant(name: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _count(name: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, sa.BigInteger(), nullable=False)
