"""Warm transfers: which transfers are, and the second legs on which somebody is asked.

Transfers that are stored already were none; the default needs no row to be rewritten.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

INSTANTS = ("opened_at", "joining_at", "dropped_at", "ended_at")


def upgrade() -> None:
    op.add_column("transfers", sa.Column("warm", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("transfers", sa.Column("accepted_by", sa.Text(), nullable=True))
    op.create_table(
        "consultations",
        sa.Column("transfer_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("brief", sa.Text(), nullable=False),
        sa.Column("wait_s", sa.Float(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("carrier_call_id", sa.Text(), nullable=True),
        sa.Column("carrier_refs", JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in INSTANTS),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("price_currency", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name="fk_consultations_transfer_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name="fk_consultations_attempt_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("transfer_id", name="pk_consultations"),
    )
    op.create_index("ix_consultations_attempt_id", "consultations", ["attempt_id"])


def downgrade() -> None:
    op.drop_table("consultations")
    op.drop_column("transfers", "accepted_by")
    op.drop_column("transfers", "warm")
