"""Calls have no priority that nobody could set, and an attempt's unhandled callbacks are found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'queued'")
UNHANDLED = sa.text("handled_at IS NULL")


def upgrade() -> None:
    op.drop_index("ix_calls_due", "calls")
    op.drop_index("ix_calls_next_due", "calls")
    op.drop_column("calls", "priority")
    op.create_index("ix_calls_due", "calls", ["workspace_id", "due_at", "id"], postgresql_where=QUEUED)
    op.drop_index("ix_callbacks_unhandled", "callbacks")
    op.create_index("ix_callbacks_unhandled", "callbacks", ["attempt_id", "id"], postgresql_where=UNHANDLED)


def downgrade() -> None:
    op.drop_index("ix_callbacks_unhandled", "callbacks")
    op.create_index("ix_callbacks_unhandled", "callbacks", ["id"], postgresql_where=UNHANDLED)
    op.drop_index("ix_calls_due", "calls")
    op.add_column("calls", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    columns: list[str | sa.ColumnElement[int]] = ["workspace_id", sa.literal_column("priority DESC"), "due_at", "id"]
    op.create_index("ix_calls_due", "calls", columns, postgresql_where=QUEUED)
    op.create_index("ix_calls_next_due", "calls", ["workspace_id", "due_at"], postgresql_where=QUEUED)
