"""Wrap-ups: what agents' models make of calls that have ended; and more that webhooks are told of ended calls.

No version that is stored asks for a wrap-up: adding the column rewrites nothing, and no call gets one.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_TOLD_BEFORE = "'state', 'answered_by', 'transcript'"
_TOLD = f"{_TOLD_BEFORE}, 'outcome', 'noted', 'corrected', 'result_late', 'wrapped_up'"


def _instant(name: str, *, now: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not now, server_default=default)


def _list(name: str) -> sa.Column[Any]:
    return sa.Column(name, JSONB(), server_default=sa.text("'[]'"), nullable=False)


def _leave(types: str) -> str:
    """The function of 0021, with these types of events."""
    return f"""
        CREATE OR REPLACE FUNCTION leave_call_events_for_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO webhook_outbox (workspace_id, event_id)
            SELECT calls.workspace_id, added.id FROM added JOIN calls ON calls.id = added.call_id
            WHERE added.type IN ({types}) AND (calls.webhook_url IS NOT NULL OR EXISTS (
                SELECT FROM webhooks WHERE webhooks.workspace_id = calls.workspace_id
                    AND webhooks.url IS NOT NULL AND webhooks.removed_at IS NULL))
            ORDER BY added.id;
            IF FOUND THEN
                PERFORM pg_notify('outdial_webhook_events', '');
            END IF;
            RETURN NULL;
        END $$
    """  # noqa: S608 - our own


# Locked at once, as in 0021: calls for the key of the new table, versions for the new column. Whoever reads a version
# and then writes a call would be in a deadlock with a step that takes them one after the other.
LOCK = """
    DO $$
    BEGIN
        FOR attempt IN 1..400 LOOP
            BEGIN
                LOCK TABLE calls IN SHARE ROW EXCLUSIVE MODE;
                LOCK TABLE agent_versions IN ACCESS EXCLUSIVE MODE NOWAIT;
                RETURN;
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            END;
            PERFORM pg_sleep(0.025);
        END LOOP;
        LOCK TABLE agent_versions IN ACCESS EXCLUSIVE MODE;
    END $$
"""


def upgrade() -> None:
    op.execute(LOCK)
    op.add_column("agent_versions", sa.Column("after", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "wrap_ups",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), server_default="1", nullable=False),
        sa.Column("begun", sa.Integer(), server_default="0", nullable=False),
        _instant("wanted_at", now=True),
        _instant("due_at", now=True),
        _instant("leased_until"),
        _instant("finished_at"),
        sa.Column("summary", sa.Text(), nullable=True),
        _list("facts"),
        sa.Column("outcome", sa.Text(), nullable=True),
        _list("outcome_evidence"),
        _list("unproved"),
        sa.Column("error", JSONB(none_as_null=True), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("dollars", sa.Numeric(), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_wrap_ups_call_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_wrap_ups")),
    )
    op.create_index("ix_wrap_ups_due_at", "wrap_ups", ["due_at"], postgresql_where=sa.text("state = 'pending'"))
    op.execute(_leave(_TOLD))


def downgrade() -> None:
    op.execute(_leave(_TOLD_BEFORE))
    op.drop_table("wrap_ups")
    op.drop_column("agent_versions", "after")
