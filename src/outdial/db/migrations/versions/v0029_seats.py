"""What workers say of themselves with each heartbeat, and the seats they have for conversations.

Calls that are under way have no seat: their audio is taken wherever it arrives, as before.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("roles", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("stream_url", sa.Text(), nullable=True),
        sa.Column("internal_url", sa.Text(), nullable=True),
        sa.Column("seats", sa.Integer(), server_default="0", nullable=False),
        sa.Column("live", sa.Integer(), server_default="0", nullable=False),
        sa.Column("draining", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("drain_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_s", sa.Double(), server_default="0", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
    ]


def upgrade() -> None:
    for column in _columns():
        op.add_column("workers", column)
    op.create_table(
        "seats",
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("worker_id", "number", name="pk_seats"),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_seats_worker_id", ondelete="CASCADE"),
    )
    op.create_index(
        "ix_seats_free", "seats", ["worker_id", "number"], postgresql_where=sa.text("attempt_id IS NULL")
    )
    op.create_index(
        "ix_seats_attempt_id",
        "seats",
        ["attempt_id"],
        unique=True,
        postgresql_where=sa.text("attempt_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("seats")
    for column in _columns():
        op.drop_column("workers", column.name)
