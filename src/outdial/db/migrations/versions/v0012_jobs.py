"""The tables of procrastinate, on which jobs run that may run twice, and what the retention job has done.

Takes a moment, or some seconds for a million calls with idempotency keys: an index of when these were stored.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from outdial.db import job_tables

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    job_tables.create(op.get_bind())
    op.create_table(
        "retention_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("removed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_runs")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    op.drop_index("ix_idempotency_keys_created_at", "idempotency_keys")
    op.drop_table("retention_runs")
    job_tables.drop(op.get_bind())
