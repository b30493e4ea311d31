"""What doctor needs to answer for all hosts: tries of the public way, and how each host's clock goes.

Null in what is stored already: columns without a default are added without rewriting any row.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "self_tests",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("credentials", postgresql.JSONB(), nullable=False),
        sa.Column("answers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_self_tests")),
    )
    op.add_column("workers", sa.Column("clock_ahead_s", sa.Double(), nullable=True))
    op.add_column("workers", sa.Column("open_files", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "open_files")
    op.drop_column("workers", "clock_ahead_s")
    op.drop_table("self_tests")
