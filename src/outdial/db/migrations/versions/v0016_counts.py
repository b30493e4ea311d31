"""Calls are counted as they change, and lists have indexes that a long queue doesn't stand in the way of.

A minute for a million calls. Nothing is rewritten: of stored calls only those that wait or were given up after a dial
are changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

COLUMNS = (
    "workspace_id, quarter, direction, state, due_minute, dialled, answered, end_reason, outcome, category, error_code"
)


def counted_by(call: str) -> str:
    """The columns of `call_counts` for a row of `calls`."""
    return f"""
        {call}.workspace_id,
        date_bin('15 minutes', {call}.created_at, '2000-01-01Z'),
        {call}.direction,
        {call}.state,
        CASE {call}.state WHEN 'queued' THEN date_bin('1 minute', {call}.due_at, '2000-01-01Z') END,
        {call}.dialled OR ({call}.state = 'ended' AND coalesce({call}.end_reason, '') NOT IN ('canceled', 'expired')),
        {call}.answered_at IS NOT NULL,
        {call}.end_reason,
        {call}.outcome,
        {call}.answered_by ->> 'category',
        CASE {call}.end_reason WHEN 'failed' THEN {call}.error ->> 'code' END
    """


# A change of one call takes it out of its count and puts it into another; of many that come or go at once there is a
# row a count. Rows are only added: nobody waits for anybody.
ONE = f"""
    CREATE FUNCTION count_changed_call() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state IN ('queued', 'ended') THEN
            INSERT INTO call_counts ({COLUMNS}, calls) SELECT {counted_by("OLD")}, -1;
        END IF;
        IF NEW.state IN ('queued', 'ended') THEN
            INSERT INTO call_counts ({COLUMNS}, calls) SELECT {counted_by("NEW")}, 1;
        END IF;
        RETURN NULL;
    END $$
"""
MANY = f"""
    CREATE FUNCTION count_calls() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO call_counts ({COLUMNS}, calls)
        SELECT {counted_by("call")}, count(*) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END
        FROM changed AS call WHERE call.state IN ('queued', 'ended')
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11;
        RETURN NULL;
    END $$
"""  # noqa: S608 - put together of constants
COUNTED = ("state", "due_at", "dialled", "answered_at", "end_reason", "outcome", "answered_by", "error")
TRIGGERS = (
    """
    CREATE TRIGGER count_new_calls AFTER INSERT ON calls
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_calls()
    """,
    """
    CREATE TRIGGER count_removed_calls AFTER DELETE ON calls
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_calls()
    """,
    f"""
    CREATE TRIGGER count_changed_call AFTER UPDATE ON calls FOR EACH ROW
    WHEN (
        (OLD.state IN ('queued', 'ended') OR NEW.state IN ('queued', 'ended'))
        AND ({", ".join(f"OLD.{name}" for name in COUNTED)})
            IS DISTINCT FROM ({", ".join(f"NEW.{name}" for name in COUNTED)})
    )
    EXECUTE FUNCTION count_changed_call()
    """,
)
STORED = f"""
    INSERT INTO call_counts ({COLUMNS}, calls, folded)
    SELECT {counted_by("call")}, count(*), true FROM calls AS call WHERE call.state IN ('queued', 'ended')
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""  # noqa: S608 - put together of constants
DIALLED_BEFORE = """
    UPDATE calls SET dialled = true
    WHERE (state = 'queued' OR (state = 'ended' AND end_reason IN ('canceled', 'expired')))
        AND id IN (SELECT call_id FROM attempts)
"""

# What the lists' indexes were, and what they are: by name, columns and condition.
Index = tuple[str, list[str | sa.TextClause], str | None]
CATEGORY = sa.text("(answered_by ->> 'category'::text)")
BEFORE: tuple[Index, ...] = (
    ("ix_calls_page", ["workspace_id", "created_at", "id"], None),
    ("ix_calls_number_id", ["number_id", "created_at", "id"], None),
    ("ix_calls_agent_id", ["agent_id", "created_at", "id"], None),
    ("ix_calls_end_reason", ["workspace_id", "end_reason", "created_at", "id"], None),
    ("ix_calls_outcome", ["workspace_id", "outcome", "created_at", "id"], "outcome IS NOT NULL"),
    ("ix_calls_answered_by", ["workspace_id", CATEGORY, "created_at", "id"], None),
    ("ix_calls_to", ["workspace_id", "to", "created_at"], None),
    ("ix_calls_from", ["workspace_id", "from", "created_at"], None),
)
NOW: tuple[Index, ...] = (
    ("ix_calls_queued", ["workspace_id", "created_at"], "state = 'queued'"),
    ("ix_calls_queued_agent_id", ["agent_id", "created_at"], "state = 'queued'"),
    ("ix_calls_queued_again", ["workspace_id", "created_at"], "state = 'queued' AND dialled"),
    ("ix_calls_ended", ["workspace_id", "created_at"], "state = 'ended'"),
    ("ix_calls_ended_agent_id", ["agent_id", "created_at"], "state = 'ended'"),
    ("ix_calls_ended_number_id", ["number_id", "created_at"], "state = 'ended'"),
    ("ix_calls_end_reason", ["workspace_id", "end_reason", "created_at"], "end_reason <> 'completed'"),
    ("ix_calls_outcome", ["workspace_id", "outcome", "created_at"], "outcome IS NOT NULL"),
    ("ix_calls_answered_by", ["workspace_id", CATEGORY, "created_at"], f"{CATEGORY} <> 'human'"),
    ("ix_calls_number_id", ["number_id"], None),
    ("ix_calls_to", ["to"], None),
    ("ix_calls_from", ["from"], None),
)


def upgrade() -> None:
    op.add_column("calls", sa.Column("dialled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    # Before there are new indexes to write into.
    for name, _, _ in BEFORE:
        op.drop_index(name, "calls")
    op.execute(DIALLED_BEFORE)
    op.create_table(
        "call_counts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("quarter", sa.DateTime(timezone=True), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_minute", sa.DateTime(timezone=True)),
        sa.Column("dialled", sa.Boolean(), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("end_reason", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("category", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("folded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_counts")),
    )
    op.execute(STORED)
    op.create_index("ix_call_counts_quarter", "call_counts", ["workspace_id", "quarter"])
    queued, unfolded = sa.text("state = 'queued'"), sa.text("NOT folded")
    op.create_index("ix_call_counts_queued", "call_counts", ["workspace_id"], postgresql_where=queued)
    op.create_index("ix_call_counts_unfolded", "call_counts", ["workspace_id", "quarter"], postgresql_where=unfolded)
    for statement in (ONE, MANY, *TRIGGERS):
        op.execute(statement)
    _create(NOW)
    # How common each answer is: the index on it knows only those it has.
    op.execute("CREATE STATISTICS st_calls_answered_by ON (answered_by ->> 'category') FROM calls")
    op.execute("ANALYZE calls")


def downgrade() -> None:
    for trigger in ("count_new_calls", "count_removed_calls", "count_changed_call"):
        op.execute(f"DROP TRIGGER {trigger} ON calls")
    op.execute("DROP FUNCTION count_calls()")
    op.execute("DROP FUNCTION count_changed_call()")
    op.drop_table("call_counts")
    op.execute("DROP STATISTICS st_calls_answered_by")
    for name, _, _ in NOW:
        op.drop_index(name, "calls")
    op.drop_column("calls", "dialled")
    _create(BEFORE)


def _create(indexes: tuple[Index, ...]) -> None:
    for name, columns, condition in indexes:
        where = None if condition is None else sa.text(condition)
        op.create_index(name, "calls", columns, postgresql_where=where)
