"""What the log's line of a call needs: what its conversation counted, and by when the line is written without that.

All of it is null in what is stored already: nothing is rewritten, and calls that have ended are told no more.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "turns": sa.Integer(),
    "turn_latency_ms": sa.Integer(),
    "log_due_at": sa.DateTime(timezone=True),
}


def upgrade() -> None:
    for name, type_ in COLUMNS.items():
        op.add_column("attempts", sa.Column(name, type_, nullable=True))
    op.create_index(
        "ix_attempts_unlogged", "attempts", ["log_due_at"], postgresql_where=sa.text("log_due_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_attempts_unlogged", "attempts")
    for name in COLUMNS:
        op.drop_column("attempts", name)
