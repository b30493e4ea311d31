"""What becomes of transfers is kept. Takes a moment, however many calls there are: of earlier ones it isn't known."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instants = ("answered_at", "ended_at", "returned_at", "result_at", "check_at")
    json = postgresql.JSONB(astext_type=sa.Text(), none_as_null=True)
    op.create_table(
        "transfers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("result", sa.Text()),
        sa.Column("error", json),
        sa.Column("leg", sa.Text()),
        sa.Column("duration_s", sa.Float()),
        sa.Column("failed_step", sa.Text()),
        sa.Column("return_token_hash", sa.LargeBinary()),
        *(sa.Column(name, sa.DateTime(timezone=True)) for name in instants),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_transfers_call_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_transfers_attempt_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index("ix_transfers_call_id", "transfers", ["call_id", "id"])
    op.create_index("ix_transfers_attempt_id", "transfers", ["attempt_id", "id"])
    due = sa.text("check_at IS NOT NULL")
    op.create_index("ix_transfers_check_at", "transfers", ["check_at"], postgresql_where=due)


def downgrade() -> None:
    op.drop_table("transfers")
