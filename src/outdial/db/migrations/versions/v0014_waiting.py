"""Calls that wait are looked for by their number, and those that expire by when.

Takes a moment, however many calls there are: an index of what waits only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    op.create_index("ix_calls_waiting", "calls", ["number_id", "due_at"], postgresql_where=QUEUED)
    op.create_index(
        "ix_calls_expires_at",
        "calls",
        ["expires_at"],
        postgresql_where=sa.text("state = 'queued' AND expires_at IS NOT NULL"),
    )
    op.drop_index("ix_calls_due", "calls")


def downgrade() -> None:
    op.create_index("ix_calls_due", "calls", ["workspace_id", "due_at"], postgresql_where=QUEUED)
    op.drop_index("ix_calls_expires_at", "calls")
    op.drop_index("ix_calls_waiting", "calls")
