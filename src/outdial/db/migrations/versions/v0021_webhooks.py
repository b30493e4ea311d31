"""Webhooks: endpoints, what they are to be told, deliveries; and what calls and the do-not-call list leave to be told.

There are no endpoints at first, so nothing that is stored already is told. The one column that calls get is null in all
of them: adding it rewrites nothing.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# What a transaction leaves to be told it leaves in the same transaction, and only where somebody listens.
TOLD = """
    CREATE FUNCTION leave_call_events_for_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO webhook_outbox (workspace_id, event_id)
        SELECT calls.workspace_id, added.id FROM added JOIN calls ON calls.id = added.call_id
        WHERE added.type IN ('state', 'answered_by', 'transcript') AND (calls.webhook_url IS NOT NULL OR EXISTS (
            SELECT FROM webhooks WHERE webhooks.workspace_id = calls.workspace_id
                AND webhooks.url IS NOT NULL AND webhooks.removed_at IS NULL))
        ORDER BY added.id;
        IF FOUND THEN
            PERFORM pg_notify('outdial_webhook_events', '');
        END IF;
        RETURN NULL;
    END $$
"""
LISTED = """
    CREATE FUNCTION leave_do_not_call_for_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO webhook_outbox (workspace_id, listed_number)
        SELECT added.workspace_id, added.number FROM added
        WHERE added.source <> 'upgrade' AND EXISTS (
            SELECT FROM webhooks WHERE webhooks.workspace_id = added.workspace_id
                AND webhooks.url IS NOT NULL AND webhooks.removed_at IS NULL);
        IF FOUND THEN
            PERFORM pg_notify('outdial_webhook_events', '');
        END IF;
        RETURN NULL;
    END $$
"""
TRIGGERS = (
    """
    CREATE TRIGGER leave_for_webhooks AFTER INSERT ON call_events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION leave_call_events_for_webhooks()
    """,
    """
    CREATE TRIGGER leave_for_webhooks AFTER INSERT ON do_not_call
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION leave_do_not_call_for_webhooks()
    """,
)


# All that this locks, it locks at once. Processes that are at work hold `call_events` and wait for `calls` (a
# transcript, whose foreign key is looked up) or hold `calls` and wait for `call_events` (a change of state, told in
# its transaction): holding one of them and waiting for the other would be a deadlock with either, in which a live
# call may be the one that is ended. So this waits with nothing in its hands, and lets go of `calls` again where it
# can't have the others right now. Where a step before has locked `calls` in this transaction, letting go is of no
# use; then it waits like anybody.
LOCK = """
    DO $$
    BEGIN
        FOR attempt IN 1..400 LOOP
            BEGIN
                LOCK TABLE calls IN ACCESS EXCLUSIVE MODE;
                LOCK TABLE call_events, do_not_call, workspaces IN SHARE ROW EXCLUSIVE MODE NOWAIT;
                RETURN;
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            END;
            PERFORM pg_sleep(0.025);
        END LOOP;
        LOCK TABLE call_events, do_not_call, workspaces IN SHARE ROW EXCLUSIVE MODE;
    END $$
"""


def _instant(name: str, *, now: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not now, server_default=default)


def _of_workspace(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id"], ["workspaces.id"], name=op.f(f"fk_{table}_workspace_id"), ondelete="CASCADE"
    )


def upgrade() -> None:
    op.execute(LOCK)
    op.add_column("calls", sa.Column("webhook_url", sa.Text(), nullable=True))
    _create_webhooks()
    op.create_table(
        "webhook_outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("listed_number", sa.Text(), nullable=True),
        _instant("left_at", now=True),
        _instant("due_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_outbox")),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        _instant("created_at", now=True),
        _of_workspace("webhook_events"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
    )
    op.create_index("ix_webhook_events_created_at", "webhook_events", ["created_at"])
    op.create_index(
        "ix_webhook_events_call_id", "webhook_events", ["call_id"], postgresql_where=sa.text("call_id IS NOT NULL")
    )
    op.create_index("ix_webhook_events_workspace_id", "webhook_events", ["workspace_id"])
    _create_deliveries()
    for statement in (TOLD, LISTED, *TRIGGERS):
        op.execute(statement)


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("events", JSONB(none_as_null=True), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("headers", sa.LargeBinary(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        _instant("old_secret_until"),
        _instant("paused_at"),
        _instant("off_at"),
        sa.Column("off_reason", sa.Text(), nullable=True),
        _instant("failing_since"),
        _instant("created_at", now=True),
        _instant("removed_at"),
        _of_workspace("webhooks"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_workspace_id", "webhooks", ["workspace_id"])
    op.create_index(
        "uq_webhooks_requests", "webhooks", ["workspace_id"], unique=True, postgresql_where=sa.text("url IS NULL")
    )
    op.create_table(
        "webhook_lanes",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        _instant("hold_until"),
        _instant("used_at", now=True),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_lanes_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lane", name=op.f("pk_webhook_lanes")),
    )
    op.create_index("ix_webhook_lanes_webhook_id", "webhook_lanes", ["webhook_id"])


def _create_deliveries() -> None:
    table = "webhook_deliveries"
    op.create_table(
        table,
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        _instant("created_at", now=True),
        _instant("since", now=True),
        _instant("next_at", now=True),
        sa.Column("owner", sa.Text(), nullable=True),
        _instant("lease_until"),
        _instant("finished_at"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f(f"fk_{table}_webhook_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["webhook_events.id"], name=op.f(f"fk_{table}_event_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(
        "ix_webhook_deliveries_waiting", table, ["lane", "next_at", "id"], postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_index(
        "ix_webhook_deliveries_sending", table, ["lease_until"], postgresql_where=sa.text("state = 'sending'")
    )
    op.create_index(
        "ix_webhook_deliveries_unfinished",
        table,
        ["webhook_id", "since"],
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index("ix_webhook_deliveries_call", table, ["call_id", "webhook_id", "sequence"])
    op.create_index("ix_webhook_deliveries_log", table, ["webhook_id", "id"])
    op.create_index("ix_webhook_deliveries_event_id", table, ["event_id"])


def downgrade() -> None:
    for table in ("call_events", "do_not_call"):
        op.execute(f"DROP TRIGGER leave_for_webhooks ON {table}")
    op.execute("DROP FUNCTION leave_call_events_for_webhooks()")
    op.execute("DROP FUNCTION leave_do_not_call_for_webhooks()")
    for table in ("webhook_deliveries", "webhook_events", "webhook_outbox", "webhook_lanes", "webhooks"):
        op.drop_table(table)
    op.drop_column("calls", "webhook_url")
