"""Calls have no priority: nobody could set one. Takes a moment, however many calls there are."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_calls_due", "calls")
    op.drop_column("calls", "priority")
    op.execute("ALTER INDEX ix_calls_next_due RENAME TO ix_calls_due")  # of workspace_id and due_at: all it takes


def downgrade() -> None:
    op.execute("ALTER INDEX ix_calls_due RENAME TO ix_calls_next_due")
    op.add_column("calls", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    columns: list[str | sa.ColumnElement[int]] = ["workspace_id", sa.literal_column("priority DESC"), "due_at", "id"]
    op.create_index("ix_calls_due", "calls", columns, postgresql_where=sa.text("state = 'queued'"))
