"""Dials leave one after the other by account of the carrier, across workspaces. Takes a moment, however many calls."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "paces",
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("account_ref", sa.Text(), nullable=False),
        sa.Column("slot_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("late_s", sa.Float(), nullable=False),
        sa.Column("late_until", sa.DateTime(timezone=True)),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("carrier", "account_ref", name=op.f("pk_paces")),
    )
    op.create_index("ix_carrier_accounts_account_ref", "carrier_accounts", ["account_ref", "carrier"])
    op.add_column("attempts", sa.Column("departs_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("attempts", "departs_at")
    op.drop_index("ix_carrier_accounts_account_ref", table_name="carrier_accounts")
    op.drop_table("paces")
