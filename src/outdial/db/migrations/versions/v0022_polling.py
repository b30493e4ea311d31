"""Indexes for whoever asks again and again: calls by their end, and by what the request sent along."""

from alembic import op
from sqlalchemy import text

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_calls_ended_at", "calls", ["workspace_id", "ended_at"], postgresql_where=text("state = 'ended'")
    )
    op.create_index(
        "ix_calls_metadata",
        "calls",
        ["metadata"],
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
        postgresql_where=text("metadata IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_calls_metadata", "calls")
    op.drop_index("ix_calls_ended_at", "calls")
