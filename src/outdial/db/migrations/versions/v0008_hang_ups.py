"""Hang-ups and look-ups that are tried again later and later; dials that were never placed, or put off, by call.

Takes a moment, however many calls there are: columns with a constant default, and an index of nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("never_placed", sa.Integer(), server_default="0", nullable=False))
    op.add_column("calls", sa.Column("throttled_since", sa.DateTime(timezone=True)))
    op.add_column("attempts", sa.Column("look_ups", sa.Integer(), server_default="0", nullable=False))
    op.add_column("attempts", sa.Column("hang_up_at", sa.DateTime(timezone=True)))
    op.add_column("attempts", sa.Column("hang_ups", sa.Integer(), server_default="0", nullable=False))
    op.create_index(
        "ix_attempts_hang_up", "attempts", ["hang_up_at"], postgresql_where=sa.text("hang_up_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_attempts_hang_up", "attempts")
    op.drop_column("attempts", "hang_ups")
    op.drop_column("attempts", "hang_up_at")
    op.drop_column("attempts", "look_ups")
    op.drop_column("calls", "throttled_since")
    op.drop_column("calls", "never_placed")
